"""Measure one point of a curve: judge, distance from the dense video, and MACs skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flightvgm.bench.sampling import Video, held_out_scenes, sample_videos
from flightvgm.models import Checkpoint
from flightvgm.recipes import Recipe
from flightvgm.study.variants import CURVES, Curve
from flightvgm.world import Scene, judge
from flightvgm_sim.reference.metrics import psnr

COSINES = (0.98, 0.95, 0.9, 0.8, 0.6)
DENSE = Recipe("dense")


@dataclass(frozen=True)
class Point:
    """Quality and work of one recipe, over all prompts."""

    figure: str
    curve: str
    cosine: float
    skipped: float
    right: float
    psnr_db: float

    def to_dict(self) -> dict[str, Any]:
        """Fields by name."""
        return asdict(self)


def _right(videos: Mapping[int, Video], scenes: Sequence[Scene]) -> float:
    return float(np.mean([judge(videos[number].frames, scene).all for number, scene in enumerate(scenes)]))


def _videos(checkpoint: Checkpoint, scenes: Sequence[Scene], recipe: Recipe, *, everywhere: bool) -> dict[int, Video]:
    captions = [scene.caption for scene in scenes]
    return {video.number: video for video in sample_videos(checkpoint, captions, recipe, everywhere=everywhere)}


def measure(
    checkpoint: Checkpoint, prompts: int, *, curves: Sequence[Curve] = CURVES, cosines: Sequence[float] = COSINES
) -> Iterator[Point]:
    """Points of all curves, each against the dense videos of the same seeds.

    The first point is the dense one, of figure ``dense``; curves of equal recipes are sampled once.

    Parameters
    ----------
    prompts : int
        Held-out prompts of a point.
    """
    scenes = held_out_scenes(prompts)
    dense = _videos(checkpoint, scenes, DENSE, everywhere=False)
    yield Point("dense", "dense", 1.0, 0.0, _right(dense, scenes), float("inf"))
    known: dict[Any, Point] = {}
    for curve in curves:
        for cosine in cosines:
            recipe = curve.recipe(cosine, checkpoint.config.frames)
            key = (tuple(recipe.sites), curve.inter, curve.intra, curve.everywhere, cosine)
            if key not in known:
                known[key] = _point(checkpoint, scenes, dense, curve, cosine, recipe)
            yield Point(**{**known[key].to_dict(), "figure": curve.figure, "curve": curve.name})


def _point(
    checkpoint: Checkpoint,
    scenes: Sequence[Scene],
    dense: Mapping[int, Video],
    curve: Curve,
    cosine: float,
    recipe: Recipe,
) -> Point:
    videos = _videos(checkpoint, scenes, recipe, everywhere=curve.everywhere)
    totals = [video.ledger.total for video in videos.values()]
    return Point(
        figure=curve.figure,
        curve=curve.name,
        cosine=cosine,
        skipped=sum(total.skipped for total in totals) / sum(total.offered for total in totals),
        right=_right(videos, scenes),
        psnr_db=float(np.median([psnr(videos[n].frames, dense[n].frames, peak=1.0) for n in videos])),
    )
