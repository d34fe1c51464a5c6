"""Pools of work units that cores take from, and how counted rows are cut into units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from flightvgm_arch.errors import ErrorCode
from flightvgm_sim.machine.errors import FaultError, require


class Unit(NamedTuple):
    """Consecutive rows that one core works on."""

    start: int
    rows: int


def cut(counts: Sequence[int], *, stride: int, cores: int, largest: int, granule: int) -> list[Unit]:
    """Units of equal size over segments of counted rows.

    With n rows in all, ``number = cores * ceil(n / (cores * largest))`` units are aimed at, each of at most
    ``granule * ceil(n / (number * granule))`` rows; a unit never spans two segments.

    Parameters
    ----------
    counts : sequence of int
        Rows of each segment; segment i begins at row ``i * stride``.
    stride, cores, largest, granule : int
        Rows between segments, cores, most rows of a unit, and what units are multiples of.

    Raises
    ------
    FaultError
        The granule does not divide the largest unit, or a count exceeds its segment.
    """
    require(
        granule > 0 and largest > 0 and largest % granule == 0,
        f"granule {granule} must be positive and divide the largest unit of {largest} rows",
    )
    for number, count in enumerate(counts):
        if len(counts) > 1 and count > stride:
            text = (
                f"segment {number} counts {count} rows but has room for {stride}; give segments room for all their rows"
            )
            raise FaultError(ErrorCode.COUNT_OVERRUN, text)
    rows = sum(counts)
    if rows == 0:
        return []
    aim = cores * -(-rows // (cores * largest))
    size = granule * -(-rows // (aim * granule))
    return [
        Unit(segment * stride + low, min(size, count - low))
        for segment, count in enumerate(counts)
        for low in range(0, count, size)
    ]


class Pool:
    """One pool, opened by all cores together and taken from by any.

    Parameters
    ----------
    cores : int
        Cores of the machine.
    """

    def __init__(self, cores: int) -> None:
        self._opening = 0
        self._joined = [0] * cores
        self._told = [True] * cores
        self._units: list[Unit] = []
        self._counters = range(0)

    def open(self, core: int, units: Callable[[], list[Unit]], counters: range = range(0)) -> bool:
        """Join the current opening, or begin the next one; False while a core was not told that the pool is empty.

        Parameters
        ----------
        core : int
            Which one executes OPEN.
        units : callable
            Gives the units of the next opening.
        counters : range
            Count registers that they come from.
        """
        if self._joined[core] < self._opening:
            self._joined[core] = self._opening
            return True
        if not all(self._told):
            return False
        self._units, self._counters = units()[::-1], counters
        self._opening += 1
        self._joined[core] = self._opening
        self._told = [False] * len(self._told)
        return True

    def holds(self, counter: int) -> bool:
        """Whether the pool is open and has units of a count register."""
        return counter in self._counters and not all(self._told)

    def take(self, core: int) -> Unit | None:
        """The next unit in index order, or None, which the pool remembers having told the core.

        Raises
        ------
        FaultError
            The core has not opened the pool.
        """
        require(
            self._opening > 0 and self._joined[core] == self._opening,
            "this core takes from a pool that it has not opened; execute OPEN first",
        )
        if self._units:
            return self._units.pop()
        self._told[core] = True
        return None
