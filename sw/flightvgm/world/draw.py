"""Draw the video of a scene: anti-aliased shapes on a textured ground."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flightvgm.world.grammar import COLOURS, GROUNDS, Item, Scene

UNIT = 32  # Lengths below are pixels of a 32 x 32 frame and scale with the frame.
TRAVEL = 14.0
HOP = 12.0
STRIPE = 4  # Width of a stripe or square in pixels: one patch.
DIM = 0.55  # Brightness of every other stripe.


def background(scene: Scene, size: int) -> NDArray[np.float32]:
    """Picture of the ground alone, ``[size, size, 3]`` in 0..1."""
    base = np.asarray(GROUNDS[scene.ground], np.float32)
    if scene.ground == "black" and scene.surface != "plain":
        base = np.full(3, 0.25, np.float32)
    row, column = np.indices((size, size)) // STRIPE
    odd = {"plain": np.zeros_like(row), "striped": row % 2, "checkered": (row + column) % 2}[scene.surface]
    shaded: NDArray[np.float32] = (base * np.where(odd, DIM, 1.0)[..., None]).astype(np.float32)
    return shaded


def coverage(shape: str, size: int, x: float, y: float, radius: float) -> NDArray[np.float32]:
    """Share of each pixel that a shape covers, ``[size, size]``; one pixel of soft edge.

    All shapes of one radius have about the same area, so that area alone does not tell them apart.
    """
    v, u = np.indices((size, size)).astype(np.float32) + 0.5
    u, v = u - x, v - y
    if shape == "circle":
        distance = np.hypot(u, v) - radius
    elif shape == "square":
        distance = np.maximum(np.abs(u), np.abs(v)) - 0.886 * radius
    else:
        inner = 0.778 * radius  # Inradius of the equilateral triangle of the circle's area.
        distance = np.maximum(v, 0.866 * np.abs(u) - 0.5 * v) - inner
    covered: NDArray[np.float32] = np.clip(0.5 - distance, 0.0, 1.0).astype(np.float32)
    return covered


def path(item: Item, frames: int, centre: tuple[float, float], radius: float, reach: float) -> list[tuple[float, ...]]:
    """Position and radius ``(x, y, radius)`` of an item in each frame."""
    x, y = centre
    steps = np.linspace(0.0, 1.0, frames) if frames > 1 else np.array([0.5])
    travelled = (steps - 0.5) * reach
    if item.motion == "moving right":
        return [(x + d, y, radius) for d in travelled]
    if item.motion == "moving left":
        return [(x - d, y, radius) for d in travelled]
    if item.motion == "moving down":
        return [(x, y + d, radius) for d in travelled]
    if item.motion == "moving up":
        return [(x, y - d, radius) for d in travelled]
    if item.motion == "bouncing":
        hop = reach * HOP / TRAVEL
        return [(x, y + hop * (0.5 - abs(np.cos(2 * np.pi * s))), radius) for s in steps]
    if item.motion == "growing":
        return [(x, y, radius * (0.5 + 0.75 * s)) for s in steps]
    return [(x, y, radius)] * frames


def place(scene: Scene, size: int, rng: np.random.Generator) -> list[tuple[tuple[float, float], float, float]]:
    """Draw centre, radius and reach of each item, in pixels."""
    scale = size / UNIT
    placed = []
    for index, item in enumerate(scene.items):
        alone = len(scene.items) == 1
        radius = rng.uniform(6.2, 7.8) if alone else rng.uniform(4.6, 5.6)
        reach = TRAVEL
        x = 16.0 if alone else (8.0, 24.0)[index]
        slack_x, slack_y = (5.0, 5.0) if alone else (2.0, 5.0)
        if item.motion in ("moving left", "moving right"):
            slack_x = 1.0
            reach = TRAVEL if alone else 6.0
        elif item.motion in ("moving up", "moving down", "bouncing"):
            slack_y = 1.0
        centre = (scale * (x + rng.uniform(-slack_x, slack_x)), scale * (16.0 + rng.uniform(-slack_y, slack_y)))
        placed.append((centre, scale * radius, scale * reach))
    return placed


def draw(scene: Scene, *, frames: int, size: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw one video of a scene.

    Returns
    -------
    NDArray[np.float32]
        ``[frames, size, size, 3]``, values in 0..1. Sizes and positions are drawn from ``rng``.
    """
    ground = background(scene, size)
    video = np.repeat(ground[None], frames, axis=0)
    for item, (centre, radius, reach) in zip(scene.items, place(scene, size, rng), strict=True):
        colour = np.asarray(COLOURS[item.colour], np.float32)
        for frame, (x, y, r) in enumerate(path(item, frames, centre, radius, reach)):
            alpha = coverage(item.shape, size, x, y, r)[..., None]
            video[frame] += alpha * (colour - video[frame])
    return video
