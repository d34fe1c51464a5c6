"""Train a checkpoint: ``python -m flightvgm.training.train --name pocket --out FOLDER``.

Rectified flow, ``x_t = (1 - t) x + t noise``; the network predicts the clean video x (``prediction = "sample"``), the
loss is that of the velocity, ``(x_hat - x)^2 / t^2`` with t bounded below. Muon (Jordan 2024) on the matrices of the
blocks, AdamW on the rest, an exponential average of the weights. Sparsifier thresholds are drawn anew for each batch.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from flightvgm.training.model import Match, ModelShape, Sites, STDiT3
from flightvgm.world.draw import draw
from flightvgm.world.grammar import LONGEST_CAPTION, WORDS, sample, tokenize
from flightvgm_arch.grid import Grid

SITES = tuple(
    f"{kind}.{site}"
    for kind in ("spatial", "temporal")
    for site in ("attn.qkv", "attn.proj", "cross_attn.q_linear", "cross_attn.proj", "mlp")
)
NULL_CAPTION = 0.1
SMALLEST_T = 0.2


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of one training."""

    shape: ModelShape
    group: int
    batch: int
    rate: float = 0.008
    adam_rate: float = 2e-3
    average: float = 0.9993
    warmup: int = 100


RECIPES = {
    "pocket": Recipe(ModelShape(vocabulary=len(WORDS)), group=3, batch=32),
    "studio": Recipe(ModelShape(vocabulary=len(WORDS), frames=8, size=48), group=4, batch=12),
}


def frame_code(frames: int) -> Tensor:
    """Three known channels that tell a frame its place in the clip, ``[3, frames]``."""
    place = torch.linspace(-1.0, 1.0, frames) if frames > 1 else torch.zeros(1)
    return torch.stack([place, torch.cos(torch.pi * place), torch.sin(torch.pi * place)])


def grids(group: int) -> dict[str, Grid]:
    """Grid of each site during training."""
    inside = Grid("t / h / w", group, (2, 2))
    across = Grid("- / t / hw", 1, (2, 1))
    return {name: across if name.startswith("temporal.attn") else inside for name in SITES}


def draw_thresholds(rng: np.random.Generator) -> np.ndarray:
    """Cosine thresholds ``[sites, (group, chunk)]`` of one batch; 2 switches a comparison off."""
    if rng.random() < 0.2:
        return np.full((len(SITES), 2), 2.0, np.float32)
    level = rng.uniform(0.15, 0.95)
    chunk = np.clip(level + rng.normal(0, 0.1, len(SITES)), 0.05, 0.99)
    group = np.where(rng.random(len(SITES)) < 0.4, 2.0, np.clip(level + rng.normal(0, 0.1, len(SITES)), 0.05, 0.99))
    chunk = np.where(rng.random(len(SITES)) < 0.1, 2.0, chunk)
    return np.stack([group, chunk], axis=1).astype(np.float32)


def make_batch(recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Videos ``[B, 3, T, H, W]`` in -1..1 and word numbers ``[B, L]``."""
    videos, tokens = [], np.zeros((recipe.batch, LONGEST_CAPTION), np.int64)
    for row in range(recipe.batch):
        scene = sample(rng, held=False)
        words = tokenize(scene.caption)
        tokens[row, : len(words)] = words
        videos.append(draw(scene, frames=recipe.shape.frames, size=recipe.shape.size, rng=rng))
    return torch.from_numpy(np.stack(videos)).permute(0, 4, 1, 2, 3) * 2 - 1, torch.from_numpy(tokens)


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by a quintic Newton-Schulz iteration (Jordan 2024)."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                buf = state.setdefault("momentum", torch.zeros_like(p))
                buf.lerp_(p.grad, 1 - group["momentum"])
                x = p.grad.lerp(buf, group["momentum"])
                wide = x.shape[0] <= x.shape[1]
                x = x if wide else x.T
                x = x / (x.norm() + 1e-7)
                for _ in range(5):
                    a = x @ x.T
                    x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
                x = x if wide else x.T
                p.mul_(1 - 0.01 * group["lr"])
                p.add_(x, alpha=-group["lr"] * 0.2 * max(p.shape) ** 0.5)


def loss_of(model: nn.Module, match: nn.ModuleDict, video: Tensor, tokens: Tensor, t: Tensor, noise: Tensor,
            drop: Tensor, thresholds: np.ndarray, code: Tensor) -> Tensor:  # fmt: skip
    """Mean velocity loss of a batch."""
    level = t[:, None, None, None, None]
    noisy = (1 - level) * video + level * noise
    known = code[None, :, :, None, None].expand(video.shape[0], -1, -1, *video.shape[3:])
    sites = Sites(
        {name: match[name.replace(".", "_")] for name in SITES},
        {name: (float(thresholds[i, 0]), float(thresholds[i, 1])) for i, name in enumerate(SITES)},
    )
    with torch.autocast("cpu", torch.bfloat16):
        clean = model(torch.cat([noisy, known], dim=1), t * 1000, tokens, drop, sites)
    return ((clean.float() - video).square() / level.clamp_min(SMALLEST_T).square()).mean()


def main() -> None:
    """Train until the time is up; write ``NAME.pt`` (state, average, history) every few minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", choices=RECIPES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=10**9, help="length of the learning-rate schedule")
    parser.add_argument("--start", type=Path, help="a .pt file whose averaged weights are the start")
    parser.add_argument("--rate-scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    recipe = RECIPES[args.name]
    args.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    model = STDiT3(recipe.shape)
    if args.start:
        model.load_state_dict(torch.load(args.start)["average"])
    side = recipe.shape.size // recipe.shape.patch
    match = nn.ModuleDict(
        {name.replace(".", "_"): Match(g, recipe.shape.frames, side, side) for name, g in grids(recipe.group).items()}
    )
    matrices = [p for n, p in model.named_parameters() if "_blocks." in n and p.ndim == 2 and "table" not in n]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimizers = [
        Muon(matrices, lr=recipe.rate * args.rate_scale),
        torch.optim.AdamW(others, lr=recipe.adam_rate * args.rate_scale, betas=(0.9, 0.97), weight_decay=0.0),
    ]
    rates = [group["lr"] for opt in optimizers for group in opt.param_groups]
    average = {name: value.clone() for name, value in model.state_dict().items()}
    code = frame_code(recipe.shape.frames)
    history, recent, began, step, saved = [], [], time.time(), 0, time.time()
    while True:
        spent = (time.time() - began) / 60 / args.minutes
        progress = max(spent, step / args.steps)
        if progress >= 1:
            break
        scale = min(1.0, (step + 1) / recipe.warmup) * min(1.0, 2.5 * (1 - progress) + 0.01)
        for group, rate in zip((g for opt in optimizers for g in opt.param_groups), rates, strict=True):
            group["lr"] = rate * scale
        video, tokens = make_batch(recipe, rng)
        t = torch.sigmoid(1.2 * torch.randn(recipe.batch) + 1.2)
        drop = torch.rand(recipe.batch) < NULL_CAPTION
        thresholds = draw_thresholds(rng)
        loss = loss_of(model, match, video, tokens, t, torch.randn_like(video), drop, thresholds, code)
        for opt in optimizers:
            opt.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(others, 1.0)
        for opt in optimizers:
            opt.step()
        step += 1
        recent.append(loss.item())
        with torch.no_grad():
            keep = min(recipe.average, (1 + step) / (10 + step))
            for name, value in model.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        if step % 100 == 0:
            history.append({"step": step, "loss": float(np.mean(recent)), "minutes": (time.time() - began) / 60})
            print(json.dumps(history[-1] | {"norm": float(norm), "rate": step * recipe.batch / (time.time() - began)}), flush=True)
            recent = []
        if time.time() - saved > 300:
            saved = time.time()
            torch.save({"model": model.state_dict(), "average": average, "history": history}, args.out / f"{args.name}.pt")
    torch.save({"model": model.state_dict(), "average": average, "history": history}, args.out / f"{args.name}.pt")


if __name__ == "__main__":
    main()
