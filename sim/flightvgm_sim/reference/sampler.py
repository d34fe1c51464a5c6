"""Rectified-flow sampler with classifier-free guidance.

Along ``x_t = (1 - t) x + t noise`` the velocity is ``v = x - noise``; a video is made from noise by ``z += v dt`` while
t falls from 1 to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from flightvgm_sim.reference.shape import Array, ModelError

Denoiser = Callable[[Array, float], tuple[Array, Array]]
Progress = Callable[[int, int], None]
Prediction = Literal["velocity", "sample"]

SCALE = 1000.0


def noise(seed: int, shape: tuple[int, ...]) -> Array:
    """Draw the start of a seed, standard normal in float64; equal on all machines."""
    return np.random.default_rng(seed).standard_normal(shape)


def timesteps(steps: int, shift: float = 1.0) -> Array:
    """Timesteps ``[steps]``, falling from 1000.

    ``t_i = 1 - i / steps`` is moved to ``shift t / (1 + (shift - 1) t)``, then scaled by 1000: a shift above 1 spends
    more steps where noise is high.

    Raises
    ------
    ModelError
        ``steps`` or ``shift`` is out of range.
    """
    if steps < 1 or not shift > 0:
        raise ModelError(f"steps {steps} must be at least 1 and shift {shift} above 0")
    t = 1 - np.arange(steps) / steps
    return SCALE * shift * t / (1 + (shift - 1) * t)


def open_sora_shift(height: int, width: int, frames: int) -> float:
    """Shift of Open-Sora 1.2 for a video of ``height x width`` pixels: ``sqrt(H W / 512^2) sqrt(frames // 17 * 5)``.

    An image, of one frame, has no second factor.
    """
    space = float(np.sqrt(height * width)) / 512
    return space if frames == 1 else space * float(np.sqrt(frames // 17 * 5))


def sample(
    denoiser: Denoiser,
    z: Array,
    *,
    steps: int,
    guidance: float,
    shift: float = 1.0,
    prediction: Prediction = "velocity",
    channel_axis: int = 0,
    progress: Progress | None = None,
) -> Array:
    """Turn noise into a video.

    Parameters
    ----------
    denoiser : callable
        ``(z, timestep 0..1000) -> (conditional, unconditional)`` prediction. Channels beyond those of ``z``, such as a
        predicted variance, are ignored.
    z : Array
        Noise, from :func:`noise`; kept as it is.
    steps : int
        Calls of ``denoiser``.
    guidance : float
        s of ``u + s (c - u)``; 1 is the conditional prediction.
    shift : float
        See :func:`timesteps`.
    prediction : {"velocity", "sample"}
        What the network predicts: ``v`` or the clean video ``x``, from which ``v = (x - z) / t``.
    channel_axis : int
        Axis of the channels.
    progress : callable, optional
        ``(steps done, steps)`` after each step.

    Returns
    -------
    Array
        The video, in the precision of ``z``.

    Raises
    ------
    ModelError
        An argument is out of range, or a prediction does not fit ``z``.
    """
    if prediction not in ("velocity", "sample"):
        raise ModelError(f"prediction is '{prediction}'; it must be velocity or sample")
    schedule = timesteps(steps, shift)
    z, channels = z.copy(), np.arange(z.shape[channel_axis])
    for index, timestep in enumerate(schedule):
        conditional, unconditional = (part.take(channels, channel_axis) for part in denoiser(z, float(timestep)))
        if conditional.shape != z.shape or unconditional.shape != z.shape:
            raise ModelError(f"the network predicts {conditional.shape}; the sampler needs {z.shape}")
        guided = unconditional + guidance * (conditional - unconditional)
        t = float(timestep) / SCALE
        following = float(schedule[index + 1]) / SCALE if index + 1 < steps else 0.0
        velocity = guided if prediction == "velocity" else (guided - z) / t
        z += velocity * (t - following)
        if progress:
            progress(index + 1, steps)
    return z
