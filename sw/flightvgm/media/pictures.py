"""Frames as pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.floating]
Pixels = NDArray[np.uint8]
VISIBLE = 256  # Pixels of the shorter side below which a video is enlarged.


def to_pixels(frames: Frames) -> Pixels:
    """Round frames ``[T, H, W, 3]`` in 0..1 to 8 bits; values outside are clipped.

    Raises
    ------
    ValueError
        The array has another shape, is empty or holds a NaN.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.size == 0:
        raise ValueError(f"frames of shape {frames.shape} must be [frames, height, width, 3] and not empty")
    if np.isnan(frames).any():
        raise ValueError("the frames hold NaN; check the weights and the sampler")
    return np.rint(np.clip(np.asarray(frames, np.float64), 0.0, 1.0) * 255.0).astype(np.uint8)


def upscale(pixels: Pixels, factor: int | None = None) -> Pixels:
    """Repeat every pixel ``factor`` times each way.

    Parameters
    ----------
    factor : int or None
        ``None`` takes the smallest even factor that brings the shorter side to :data:`VISIBLE`, or 1 if it is there.
    """
    if factor is None:
        shorter = min(pixels.shape[1:3])
        factor = 1 if shorter >= VISIBLE else 2 * -(-VISIBLE // (2 * shorter))
    if factor < 1:
        raise ValueError(f"the factor {factor} must be at least 1")
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)
