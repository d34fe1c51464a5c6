"""Distances between videos and between tensors."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from flightvgm_sim.reference.shape import Array, ModelError

WINDOW = 11
DEVIATION = 1.5


def _same(a: Array, b: Array) -> tuple[Array, Array]:
    if a.shape != b.shape or not a.size:
        raise ModelError(f"shapes {a.shape} and {b.shape} cannot be compared; they must be equal and not empty")
    return a.astype(np.float64), b.astype(np.float64)


def psnr(a: Array, b: Array, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB over all values; infinite for equal arrays.

    Parameters
    ----------
    peak : float
        Range of the values: 1 for 0..1, 2 for -1..1.
    """
    a, b = _same(a, b)
    error = float(np.square(a - b).mean())
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))


def ssim(a: Array, b: Array, peak: float = 1.0) -> float:
    """Structural similarity (Wang 2004), the mean over frames, channels and places.

    The window is a Gaussian of 11 x 11 with standard deviation 1.5, moved over each frame without padding; K1 = 0.01,
    K2 = 0.03; variances are those of the population.

    Parameters
    ----------
    a, b : Array
        ``[..., H, W, channels]``.
    peak : float
        Range of the values.

    Raises
    ------
    ModelError
        Shapes differ, or a frame is smaller than the window.
    """
    a, b = _same(a, b)
    if a.ndim < 3 or min(a.shape[-3:-1]) < WINDOW:
        raise ModelError(f"frames of {a.shape[-3:-1]} pixels are too small; SSIM needs {WINDOW} rows and columns")
    places = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * np.square(places / DEVIATION))
    weights /= weights.sum()

    def blur(x: Array) -> Array:
        rows = sliding_window_view(x, WINDOW, -3) @ weights
        blurred: Array = sliding_window_view(rows, WINDOW, -2) @ weights
        return blurred

    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return float((luminance * (2 * covariance + c2) / (variance_a + variance_b + c2)).mean())


def relative_error(a: Array, exact: Array) -> float:
    """``max |a - exact| / max |exact|``; infinite where only ``exact`` is zero throughout."""
    a, exact = _same(a, exact)
    error, size = float(np.abs(a - exact).max()), float(np.abs(exact).max())
    return 0.0 if error == 0 else error / size if size else float("inf")
