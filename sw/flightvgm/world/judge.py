"""Judge whether a video shows its caption, by plain image arithmetic.

The foreground is what differs from the caption's background. Its mean colour, its outline and the path of its
centre are compared with every colour, shape and motion of the grammar; the nearest one is what the judge sees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flightvgm.world.draw import UNIT, background, coverage
from flightvgm.world.grammar import COLOURS, SHAPES, Item, Scene

FOREGROUND = 0.25  # Distance in RGB from which a pixel is foreground.
SMALLEST = 8.0  # Pixels of a 32 x 32 frame below which a frame shows nothing.
STIR = 2.5  # Pixels of a 32 x 32 frame below which a path is rest.
STILL = 1e-9
GROWTH = 2.0  # Ratio of the last to the first area from which a shape grows.


@dataclass(frozen=True)
class Verdict:
    """What was found right, over all items of a scene."""

    colour: bool
    shape: bool
    motion: bool
    seen: tuple[str, ...]

    @property
    def all(self) -> bool:
        """Colour, shape and motion together."""
        return self.colour and self.shape and self.motion


def _colour(pixels: NDArray[np.float64]) -> str:
    names = list(COLOURS)
    distance = np.linalg.norm(pixels.mean(axis=0) - np.array([COLOURS[name] for name in names]), axis=1)
    return names[int(distance.argmin())]


def _shape(alpha: NDArray[np.float64], track: NDArray[np.float64]) -> str:
    size = alpha.shape[1]
    errors = []
    for shape in SHAPES:
        models = [coverage(shape, size, x, y, np.sqrt(area / np.pi)) for x, y, area in track]
        errors.append(sum(float(np.abs(a - m[:, : a.shape[1]]).sum()) for a, m in zip(alpha, models, strict=True)))
    return SHAPES[int(np.argmin(errors))]


def _motion(track: NDArray[np.float64], stir: float) -> str:
    frames = len(track)
    if frames < 2:
        return "resting"
    if track[-1, 2] > GROWTH * track[0, 2]:
        return "growing"
    time = np.linspace(-0.5, 0.5, frames)
    hop = -np.abs(np.cos(2 * np.pi * (time + 0.5)))
    hop -= hop.mean()
    x, y = track[:, 0], track[:, 1]
    right, down = (float(v @ time / (time @ time)) for v in (x, y))
    energy = float(hop @ hop)  # Two or three frames all show the highest place: no bounce can be seen.
    bounce = float(y @ hop) / energy if energy > STILL else 0.0
    extent = {"horizontal": abs(right), "vertical": abs(down), "bouncing": abs(bounce)}
    largest = max(extent, key=lambda name: extent[name])
    if extent[largest] < stir:
        return "resting"
    if largest == "horizontal":
        return "moving right" if right > 0 else "moving left"
    if largest == "vertical":
        return "moving down" if down > 0 else "moving up"
    return "bouncing" if bounce > 0 else "hovering"


def _look(video: NDArray[np.float64], ground: NDArray[np.float64]) -> Item | None:
    scale = video.shape[1] / UNIT
    difference = video - ground
    norm = np.linalg.norm(difference, axis=-1)
    mask = norm > FOREGROUND
    if mask.sum(axis=(1, 2)).min() < SMALLEST * scale**2:
        return None
    core = mask & (norm > 0.8 * np.quantile(norm[mask], 0.9))
    colour = video[core].mean(axis=0)
    span = colour - ground
    alpha = np.clip((difference * span).sum(-1) / (span * span).sum(-1), 0.0, 1.0) * mask
    area = alpha.sum(axis=(1, 2))
    row, column = np.indices(alpha.shape[1:]) + 0.5
    x = (alpha * column).sum(axis=(1, 2)) / area
    y = (alpha * row).sum(axis=(1, 2)) / area
    track = np.stack([x, y, area], axis=1)
    return Item(_colour(video[core]), _shape(alpha, track), _motion(track, STIR * scale))


def judge(video: NDArray[np.floating], scene: Scene) -> Verdict:
    """Compare a video with the scene that it should show.

    Parameters
    ----------
    video : NDArray
        ``[frames, size, size, 3]``, values in 0..1.
    scene : Scene
        With two items, each is sought in its half of the picture.
    """
    pixels = np.clip(np.asarray(video, np.float64), 0.0, 1.0)
    size = pixels.shape[1]
    ground = background(scene, size).astype(np.float64)
    halves = [slice(0, size)] if len(scene.items) == 1 else [slice(0, size // 2), slice(size // 2, size)]
    found = [_look(pixels[:, :, half], ground[:, half]) for half in halves]
    pairs = list(zip(found, scene.items, strict=True))
    return Verdict(
        colour=all(seen is not None and seen.colour == item.colour for seen, item in pairs),
        shape=all(seen is not None and seen.shape == item.shape for seen, item in pairs),
        motion=all(seen is not None and seen.motion == item.motion for seen, item in pairs),
        seen=tuple("nothing" if seen is None else str(seen) for seen in found),
    )
