"""Batches of drawn videos with their captions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from flightvgm.training.model import ModelShape
from flightvgm.world.draw import draw
from flightvgm.world.grammar import LONGEST_CAPTION, sample, tokenize


def frame_code(frames: int) -> Tensor:
    """Three known channels that tell a frame its place in the clip, ``[3, frames]``."""
    place = torch.linspace(-1.0, 1.0, frames) if frames > 1 else torch.zeros(1)
    return torch.stack([place, torch.cos(torch.pi * place), torch.sin(torch.pi * place)])


def make_batch(shape: ModelShape, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw videos ``[size, 3, T, H, W]`` in -1..1 and word numbers ``[size, L]``; held-out captions never occur."""
    videos, tokens = [], np.zeros((size, LONGEST_CAPTION), np.int64)
    for row in range(size):
        scene = sample(rng, held=False)
        words = tokenize(scene.caption)
        tokens[row, : len(words)] = words
        videos.append(draw(scene, frames=shape.frames, size=shape.size, rng=rng))
    return torch.from_numpy(np.stack(videos)).permute(0, 4, 1, 2, 3) * 2 - 1, torch.from_numpy(tokens)
