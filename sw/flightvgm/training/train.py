"""Train a checkpoint: ``python -m flightvgm.training.train --name pocket --out FOLDER``.

Rectified flow, ``x_t = (1 - t) x + t noise``; the network predicts the clean video x (``prediction = "sample"``), the
loss is ``(x_hat - x)^2 / t`` with t bounded below. Muon on the matrices of the blocks, AdamW on the rest, an
exponential average of the weights. Sparsifier thresholds are drawn anew for each batch. Equal seeds give equal weights
on one machine.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from flightvgm.recipes import load_recipe
from flightvgm.training.batches import frame_code, make_batch
from flightvgm.training.model import ModelShape, STDiT3
from flightvgm.training.muon import Muon
from flightvgm.training.sparsity import Anywhere, Around, Sites, matches
from flightvgm.world.grammar import WORDS

NULL_CAPTION = 0.1
SMALLEST_T = 0.2
REPORT = 100  # Steps between two lines of the history.


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one training.

    Parameters
    ----------
    shape : ModelShape
        Sizes of the network and of its videos.
    group : int
        Frames that share a reference frame.
    batch, steps : int
        Videos of a step; length of the schedule: a warm-up, a plateau, then a line to zero over the last two fifths.
    rate, adam_rate : float
        Rates of Muon and of AdamW.
    average : float
        Decay of the average of the weights.
    """

    shape: ModelShape
    group: int
    batch: int
    steps: int
    rate: float = 0.008
    adam_rate: float = 2e-3
    average: float = 0.999
    warmup: int = 100

    def scale(self, step: int) -> float:
        """Share of the rates in a step."""
        return min(1.0, (step + 1) / self.warmup) * min(1.0, 2.5 * (1 - step / self.steps) + 0.01)


RECIPES = {
    "pocket": Recipe(ModelShape(vocabulary=len(WORDS)), group=3, batch=16, steps=8000),
    "studio": Recipe(ModelShape(vocabulary=len(WORDS), frames=8, size=48), group=4, batch=8, steps=6000),
}


@dataclass
class Training:
    """A training in progress: network, optimizers, average and history."""

    recipe: Recipe
    seed: int
    rate_scale: float = 1.0
    thresholds: Anywhere | Around | None = None
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.rng = np.random.default_rng(self.seed)
        shape = self.recipe.shape
        side = shape.size // shape.patch
        self.model = STDiT3(shape)
        self.drawn = self.thresholds or Anywhere(self.recipe.group)
        self.match = matches(self.drawn.grids, shape.frames, side, side)
        self.code = frame_code(shape.frames)
        named = list(self.model.named_parameters())
        matrices = [p for name, p in named if "_blocks." in name and p.ndim == 2 and "table" not in name]
        chosen = {id(p) for p in matrices}
        self.others: list[nn.Parameter] = [p for _, p in named if id(p) not in chosen]
        self.optimizers = [
            Muon(matrices, lr=self.recipe.rate * self.rate_scale),
            torch.optim.AdamW(
                self.others, lr=self.recipe.adam_rate * self.rate_scale, betas=(0.9, 0.97), weight_decay=0.0
            ),
        ]
        self.rates = [group["lr"] for optimizer in self.optimizers for group in optimizer.param_groups]
        self.restart(self.model.state_dict())

    def restart(self, weights: dict[str, Tensor]) -> None:
        """Begin from given weights."""
        self.model.load_state_dict(weights)
        self.average = {name: value.clone() for name, value in self.model.state_dict().items()}

    def loss(self) -> Tensor:
        """Weighted loss of a new batch."""
        batch = self.recipe.batch
        video, tokens = make_batch(self.recipe.shape, batch, self.rng)
        t = torch.sigmoid(1.2 * torch.randn(batch) + 1.4)
        level = t[:, None, None, None, None]
        noisy = (1 - level) * video + level * torch.randn_like(video)
        known = self.code[None, :, :, None, None].expand(batch, -1, -1, *video.shape[3:])
        sites = Sites(self.match, self.drawn.draw(self.rng))
        drop = torch.rand(batch) < NULL_CAPTION
        with torch.autocast("cpu", torch.bfloat16):
            clean = self.model(torch.cat([noisy, known], dim=1), t * 1000, tokens, drop, sites)
        return ((clean.float() - video).square() / level.clamp_min(SMALLEST_T)).mean()

    def step(self, number: int) -> float:
        """Take one step; return its loss."""
        groups = [group for optimizer in self.optimizers for group in optimizer.param_groups]
        for group, rate in zip(groups, self.rates, strict=True):
            group["lr"] = rate * self.recipe.scale(number)
        loss = self.loss()
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.others, 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        keep = min(self.recipe.average, (1 + number) / (10 + number))
        for name, value in self.model.state_dict().items():
            self.average[name].lerp_(value, 1 - keep)
        return float(loss.detach())

    def state(self) -> dict[str, Any]:
        """Content of the ``.pt`` file: weights, their average, and the history."""
        return {"model": self.model.state_dict(), "average": self.average, "history": self.history}


def main() -> None:
    """Train; write ``NAME.pt`` with each line of the history."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", choices=RECIPES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a .pt file whose averaged weights are the start")
    parser.add_argument("--around", help="a sparsity recipe; thresholds are drawn near its own")
    parser.add_argument("--steps", type=int, help="length of the schedule [the training recipe's]")
    parser.add_argument("--rate-scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    recipe = RECIPES[args.name]
    if args.steps:
        recipe = replace(recipe, steps=args.steps)
    around = Around(load_recipe(args.around)) if args.around else None
    training = Training(recipe, args.seed, args.rate_scale, around)
    if args.start:
        training.restart(torch.load(args.start, weights_only=True)["average"])
    recent, began = [], time.monotonic()
    for number in range(training.recipe.steps):
        recent.append(training.step(number))
        if len(recent) == REPORT or number + 1 == training.recipe.steps:
            minutes = (time.monotonic() - began) / 60
            line = {"step": number + 1, "loss": float(np.mean(recent)), "minutes": minutes}
            training.history.append(line)
            print(json.dumps(line), flush=True)
            torch.save(training.state(), args.out / f"{args.name}.pt")
            recent = []


if __name__ == "__main__":
    main()
