"""The judge over held-out prompts, and videos that several cases share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from flightvgm.bench.registry import Report
from flightvgm.bench.sampling import Video, held_out_scenes, sample_videos
from flightvgm.models import load_checkpoint
from flightvgm.recipes import load_recipe
from flightvgm.runtime.ledger import Ledger
from flightvgm.world import Scene, judge
from flightvgm_sim.reference.metrics import psnr

PROMPTS = 100


@dataclass(frozen=True)
class Score:
    """Shares in percent of videos in which the judge finds colour, shape, motion and all of them right."""

    colour: float
    shape: float
    motion: float
    all: float


def score(videos: Sequence[Video], scenes: Sequence[Scene]) -> Score:
    """Judge videos by their scenes."""
    verdicts = [judge(video.frames, scene) for video, scene in zip(videos, scenes, strict=True)]
    return Score(*(100 * float(np.mean([getattr(v, name) for v in verdicts])) for name in Score.__dataclass_fields__))


class Shared:
    """Videos of :data:`PROMPTS` held-out prompts, sampled once in a run for all cases that want them."""

    def __init__(self) -> None:
        self.scenes = held_out_scenes(PROMPTS)
        self._videos: dict[tuple[str, str], list[Video]] = {}

    def videos(self, checkpoint: str, recipe: str | None, report: Report) -> list[Video]:
        """Videos of a checkpoint under a recipe; ``None`` is the checkpoint's own."""
        loaded = load_checkpoint(checkpoint)
        name = recipe or loaded.config.recipe
        if (checkpoint, name) not in self._videos:
            captions = [scene.caption for scene in self.scenes]
            self._videos[checkpoint, name] = sample_videos(loaded, captions, load_recipe(name), report=report)
        return self._videos[checkpoint, name]


@lru_cache(maxsize=1)
def shared() -> Shared:
    """The videos of this run."""
    return Shared()


def reduction(videos: Sequence[Video]) -> float:
    """MACs of linear layers offered over those done."""
    total = sum((video.ledger for video in videos), Ledger()).total
    return total.offered / total.done


def distances(videos: Sequence[Video], others: Sequence[Video]) -> list[float]:
    """PSNR in dB of each video against its other one; equal videos count as 100."""
    return [min(100.0, psnr(video.frames, other.frames)) for video, other in zip(videos, others, strict=True)]
