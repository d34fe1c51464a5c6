"""Sparsification of the network's sites: a hook, and its ledger of rows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import SITE_NAMES
from flightvgm_sim.reference.matching import Tokens, global_map, local_map
from flightvgm_sim.reference.shape import Array, ModelError


@dataclass(frozen=True)
class SiteRule:
    """How the tokens of a site are compared.

    Parameters
    ----------
    grid : Grid
        Layout of the tokens, groups and chunks.
    theta_group, theta_chunk : float, optional
        Cosine thresholds; ``None`` switches a comparison off.
    everywhere : bool
        Match with all reference tokens of a plane (:func:`global_map`, ``theta_chunk``) instead of the own chunk's.
    """

    grid: Grid
    theta_group: float | None = None
    theta_chunk: float | None = None
    everywhere: bool = False

    def map(self, x: Array, t: int, h: int, w: int) -> Tokens:
        """Map of tokens ``x [..., N, C]``."""
        if self.everywhere:
            return global_map(x, self.grid, t=t, h=h, w=w, theta=self.theta_chunk)
        thresholds = {"theta_group": self.theta_group, "theta_chunk": self.theta_chunk}
        return local_map(x, self.grid, t=t, h=h, w=w, **thresholds)


@dataclass
class Rows:
    """Rows that a site was offered and has kept."""

    offered: int = 0
    kept: int = 0


@dataclass
class Sparsifier:
    """The ``site`` of :class:`~flightvgm_sim.reference.hooks.Hooks`.

    Parameters
    ----------
    rules : Mapping
        Rule by site, ``spatial.attn.qkv``, or by site of one layer, ``spatial_blocks.0.attn.qkv``, which comes first;
        other sites are dense.
    extents : tuple of int
        Frames, rows and columns of tokens.

    Attributes
    ----------
    ledger : dict
        :class:`Rows` by site of a layer, over all calls so far; dense sites too.

    Raises
    ------
    ModelError
        A rule names an unknown site.
    """

    rules: Mapping[str, SiteRule]
    extents: tuple[int, int, int]
    ledger: dict[str, Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.rules:
            if site_of(name) not in SITE_NAMES:
                raise ModelError(f"there is no site '{name}'; the sites are {', '.join(SITE_NAMES)}")

    def __call__(self, name: str, x: Array) -> Tokens | None:
        """Decide for tokens ``x [..., N, C]`` that reach site ``name``."""
        rule = self.rules.get(name) or self.rules.get(site_of(name))
        rows = self.ledger.setdefault(name, Rows())
        offered = x.size // x.shape[-1]
        rows.offered += offered
        if rule is None or (rule.theta_group is None and rule.theta_chunk is None):
            rows.kept += offered
            return None
        chosen = rule.map(x, *self.extents)
        rows.kept += int(np.count_nonzero(chosen == np.arange(chosen.shape[-1])))
        return chosen


def site_of(name: str) -> str:
    """Site of the contract, ``spatial.mlp``, of a layer's site, ``spatial_blocks.3.mlp``."""
    return re.sub(r"_blocks\.\d+\.", ".", name, count=1)
