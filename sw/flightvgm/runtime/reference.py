"""The float64 backend: the reference network behind the pipeline's interface."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from flightvgm.models.host import Host
from flightvgm.recipes import Recipe
from flightvgm.runtime.backend import BRANCHES, Array
from flightvgm.runtime.ledger import OUTSIDE, Ledger, Place, Work
from flightvgm.runtime.sparsity import CountedSites, ledger_of, rules_of
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.stdit3 import run_blocks


class ReferenceBackend:
    """Blocks in float64, sparsified by a recipe with the machine's rule; nothing is quantised, nothing saturates.

    Parameters
    ----------
    host : Host
        Checkpoint and size of the videos.
    recipe : Recipe
        Sparsity recipe.
    hooks : Hooks
        Variants of linear layers and attention, such as simulated quantisation; its sites are replaced.
    """

    saturations = 0

    def __init__(self, host: Host, recipe: Recipe, hooks: Hooks | None = None) -> None:
        self.host = host
        self.recipe = recipe
        self.hooks = hooks or Hooks()
        self.texts: Array = np.zeros((BRANCHES, 0, host.shape.hidden_size))
        self.tables: Array = np.zeros((0,))
        self._ledger = Ledger()

    def prompt(self, texts: Array, tables: Array) -> None:
        """Begin a video; see :class:`~flightvgm.runtime.backend.Backend`."""
        self.texts, self.tables = texts, tables
        shape = self.host.shape
        macs = 2 * texts.shape[1] * shape.hidden_size**2
        work = Work(offered=macs, done=macs)
        places = [Place(branch, layer, OUTSIDE) for branch in range(BRANCHES) for layer in range(len(shape.blocks))]
        self._ledger += Ledger(dict.fromkeys(places, work))

    def step(self, tokens: Array, index: int, progress: Callable[[float], None] | None = None) -> Array:
        """Run all blocks; see :class:`~flightvgm.runtime.backend.Backend`."""
        shape, extents = self.host.shape, self.host.grid
        sites = CountedSites(rules_of(self.recipe, shape, index), extents)
        hooks = Hooks(
            linear=self.hooks.linear, attention=self.hooks.attention, site=sites, observe=self._observer(progress)
        )
        pair = np.broadcast_to(tokens, (BRANCHES, *tokens.shape))
        out = run_blocks(self.host.weights, shape, pair, self.texts, self.tables[index], frames=extents[0], hooks=hooks)
        for branch in range(BRANCHES):
            self._ledger += ledger_of(
                sites.kept, shape, extents, sample=(branch,), branch=branch, text=self.texts.shape[1]
            )
        return out

    def _observer(self, progress: Callable[[float], None] | None) -> Callable[[str, Array], None]:
        done = [*self.host.shape.blocks]

        def observe(name: str, _x: Array) -> None:
            if progress is not None and name in done:
                progress((done.index(name) + 1) / len(done))

        return observe

    def ledger(self) -> Ledger:
        """Work so far; see :class:`~flightvgm.runtime.backend.Backend`."""
        return self._ledger
