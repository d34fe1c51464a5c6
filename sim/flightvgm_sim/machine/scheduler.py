"""In which order the agents of the cores act; a correct program leaves the same memory in any."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

from flightvgm_sim.machine.core import AGENTS, Core
from flightvgm_sim.machine.program import FRONT


class Scheduler(Protocol):
    """An order of execution."""

    def sweep(self, cores: Sequence[Core]) -> bool:
        """Let agents act; False if none can."""
        ...


class FixedOrder:
    """Core by core, front ends as far as they can, then one instruction of each queue."""

    def sweep(self, cores: Sequence[Core]) -> bool:
        """Let agents act; False if none can."""
        moved = False
        for core in cores:
            for agent in AGENTS:
                while core.step(agent):
                    moved = True
                    if agent != FRONT:
                        break
        return moved


class RandomOrder:
    """One instruction at a time of the first agent that can act, by priorities that are now and then drawn anew.

    Priorities that last let one queue run far ahead of another, which finds a missing semaphore sooner than an even
    mixture.

    Parameters
    ----------
    seed : int
        Of the draws.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._order: list[tuple[int, int]] = []

    def sweep(self, cores: Sequence[Core]) -> bool:
        """Let agents act; False if none can."""
        if not self._order or self._random.random() < 1 / 16:
            self._order = [(number, agent) for number in range(len(cores)) for agent in AGENTS]
            self._random.shuffle(self._order)
        return any(cores[number].step(agent) for number, agent in self._order)
