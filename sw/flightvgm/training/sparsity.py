"""The sparsifier in the training loop: the hardware's rule, with thresholds that change from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flightvgm.recipes import Recipe
from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import SITE_NAMES

OFF = 2.0  # A cosine that nothing reaches.


class Match(nn.Module):
    """Rows that stand for each token, under one grid; buffers hold the comparison tables."""

    middle: Tensor
    reference: Tensor
    is_middle: Tensor
    is_reference: Tensor
    here: Tensor

    def __init__(self, grid: Grid, t: int, h: int, w: int) -> None:
        super().__init__()
        order = sorted(grid.order(t=t, h=h, w=w), key=lambda c: c.token)
        middle = torch.tensor([c.middle for c in order])
        reference = torch.tensor([c.reference for c in order])
        here = torch.arange(len(order))
        self.register_buffer("middle", middle, persistent=False)
        self.register_buffer("reference", reference, persistent=False)
        self.register_buffer("is_middle", middle == here, persistent=False)
        self.register_buffer("is_reference", reference == here, persistent=False)
        self.register_buffer("here", here, persistent=False)

    def _alike(self, x: Tensor, norm: Tensor, other: Tensor, threshold: float) -> Tensor:
        if threshold > 1:
            return torch.zeros(x.shape[:2], dtype=torch.bool)
        return (x * x[:, other]).sum(-1) >= threshold * norm * norm[:, other]

    def forward(self, x: Tensor, group: float, chunk: float) -> Tensor:
        """Map ``[B, N]`` of tokens ``x [B, N, C]`` under two cosine thresholds; beyond 1 nothing is alike."""
        x = x.detach()
        norm = torch.linalg.vector_norm(x, dim=-1)
        like_reference = self._alike(x, norm, self.reference, group)
        like_middle = self._alike(x, norm, self.middle, chunk)
        here = self.here.expand(like_middle.shape)
        copied = ~self.is_reference & like_reference
        root = torch.where(self.is_middle | ~like_middle, here, self.middle)
        root = torch.where(self.is_reference, root, here)
        from_reference = root[:, self.reference]
        middle_kept = ~copied[:, self.middle]
        own = torch.where(~self.is_middle & middle_kept & like_middle, self.middle.expand_as(here), here)
        return torch.where(self.is_reference, root, torch.where(copied, from_reference, own))


class Sites:
    """Thresholds ``(group, chunk)`` and a :class:`Match` for each site.

    Parameters
    ----------
    match : Mapping
        By site, ``spatial.attn.qkv``.
    thresholds : Mapping
        Cosines by site; :data:`OFF` switches a comparison off.
    """

    def __init__(self, match: Mapping[str, Match], thresholds: Mapping[str, tuple[float, float]]) -> None:
        self.match = match
        self.thresholds = thresholds

    def __call__(self, name: str, x: Tensor) -> Tensor:
        """Replace tokens ``x [B, N, C]`` that site ``name`` drops by those that stand for them."""
        if min(self.thresholds[name]) > 1:
            return x
        rows = self.match[name](x, *self.thresholds[name])
        return torch.gather(x, 1, rows[..., None].expand_as(x))


Thresholds = dict[str, tuple[float, float]]


class Anywhere:
    """Thresholds from loose to strict, so that the network bears any recipe.

    Chunks are 2 x 2 in groups of frames; self-attention over time compares frames by pairs. Two batches in five are
    dense.

    Parameters
    ----------
    group : int
        Frames that share a reference frame.
    """

    def __init__(self, group: int) -> None:
        inside, across = Grid("t / h / w", group, (2, 2)), Grid("- / t / hw", 1, (2, 1))
        self.grids = {name: across if name.startswith("temporal.attn") else inside for name in SITE_NAMES}

    def draw(self, rng: np.random.Generator) -> Thresholds:
        """Cosines ``(group, chunk)`` of one batch by site."""
        sites = len(SITE_NAMES)
        if rng.random() < 0.4:
            return dict.fromkeys(SITE_NAMES, (OFF, OFF))
        level = rng.uniform(0.6, 0.98)

        def around(off: float) -> NDArray[np.float64]:
            drawn = np.clip(level + rng.normal(0, 0.06, sites), 0.3, 0.995)
            return np.where(rng.random(sites) < off, OFF, drawn)

        return dict(zip(SITE_NAMES, zip(around(0.4).tolist(), around(0.1).tolist(), strict=True), strict=True))


class Around:
    """Thresholds near those of one recipe, with its grids; one batch in four is dense.

    Parameters
    ----------
    recipe : Recipe
        Sparsity recipe; its overrides by layer count as in layer 0, a step is drawn.
    """

    steps = 20

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.grids = {name: recipe.grid(name) for name in SITE_NAMES}

    def draw(self, rng: np.random.Generator) -> Thresholds:
        """Cosines ``(group, chunk)`` of one batch by site."""
        if rng.random() < 0.25:
            return dict.fromkeys(SITE_NAMES, (OFF, OFF))
        step, shift = int(rng.integers(self.steps)), rng.normal(0, 0.03)

        def near(theta: float | None) -> float:
            return OFF if theta is None else float(np.clip(theta + shift + rng.normal(0, 0.02), 0.3, 0.995))

        pairs = {name: self.recipe.cosines(name, step, 0) for name in SITE_NAMES}
        return {name: (near(group), near(chunk)) for name, (group, chunk) in pairs.items()}


def matches(grids: Mapping[str, Grid], t: int, h: int, w: int) -> dict[str, Match]:
    """Build the :class:`Match` of each site."""
    return {name: Match(grid, t, h, w) for name, grid in grids.items()}
