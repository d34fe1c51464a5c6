"""The sites of the float64 reference, counted as the machine counts them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from flightvgm.recipes import Recipe
from flightvgm.runtime.backend import Array
from flightvgm.runtime.ledger import Ledger, Place, Work
from flightvgm_arch.sites import SITES, macs_per_row
from flightvgm_sim.reference.shape import ModelShape
from flightvgm_sim.reference.sparsity import SiteRule, site_of


@dataclass
class CountedSites:
    """The ``site`` of the reference's hooks; counts kept rows of each sample.

    Parameters
    ----------
    rules : Mapping
        Rule by site of a layer, ``spatial_blocks.0.attn.qkv``; sites without a rule are dense.
    extents : tuple of int
        Frames, rows and columns of tokens.

    Attributes
    ----------
    kept : dict
        Rows kept, ``[samples]``, by site of a layer, summed over all calls.
    """

    rules: Mapping[str, SiteRule]
    extents: tuple[int, int, int]
    kept: dict[str, Array] = field(default_factory=dict)

    def __call__(self, name: str, x: Array) -> Array | None:
        """Decide for tokens ``x [samples, N, C]`` that reach site ``name``."""
        rule = self.rules.get(name)
        chosen = None
        kept: Array = np.full(x.shape[:-2], x.shape[-2])
        if rule is not None and (rule.theta_group, rule.theta_chunk) != (None, None):
            chosen = rule.map(x, *self.extents)
            kept = (chosen == np.arange(x.shape[-2])).sum(-1)
        self.kept[name] = self.kept.get(name, 0) + kept
        return chosen


def rules_of(recipe: Recipe, shape: ModelShape, step: int, *, everywhere: bool = False) -> dict[str, SiteRule]:
    """Rules of a recipe in one step, by site of a layer.

    Parameters
    ----------
    everywhere : bool
        Match with all references of a plane, as the authors' GPU code does; the machine compares locally.
    """
    rules = {}
    for layer, block in enumerate(shape.blocks):
        for site in SITES:
            full = site_of(f"{block}.{site}")
            rules[f"{block}.{site}"] = SiteRule(recipe.grid(full), *recipe.cosines(full, step, layer), everywhere)
    return rules


def ledger_of(
    kept: Mapping[str, Array],
    shape: ModelShape,
    extents: tuple[int, int, int],
    *,
    sample: tuple[int, ...],
    branch: int,
    text: int,
) -> Ledger:
    """Ledger of one sample and one call.

    Parameters
    ----------
    kept : Mapping
        From :class:`CountedSites`.
    sample : tuple of int
        Index of the sample.
    branch : int
        What its place says.
    text : int
        Valid text tokens.
    """
    t, h, w = extents
    tokens, width = t * h * w, shape.hidden_size
    entries: dict[Place, Work] = {}
    for name, rows in kept.items():
        kind, number, site = name.split(".", 2)
        block = f"{kind}.{number}"
        count = int(rows[sample])
        macs = macs_per_row(site, width, shape.mlp_hidden)
        partners = {"attn.qkv": h * w if block.startswith("spatial") else t, "cross_attn.q_linear": text}.get(site, 0)
        entries[Place(branch, shape.blocks.index(block), site_of(name))] = Work(
            rows_offered=tokens,
            rows_kept=count,
            offered=tokens * macs,
            done=count * macs,
            skipped=(tokens - count) * macs,
            attention=2 * tokens * partners * width,
        )
    return Ledger(entries)
