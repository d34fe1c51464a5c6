"""Who wrote what to memory: the instructions of a stretch of a program, and the rows that each of them left."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from flightvgm_arch.sites import OUTSIDE
from flightvgm_sim.golden.fp import I64
from flightvgm_sim.machine.ledger import Place


class Author(NamedTuple):
    """An instruction that writes: its core, number and operation, and the place that MARK named."""

    core: int
    counter: int
    operation: str
    place: Place


HOST = Author(0, 0, "host", Place(0, 0, OUTSIDE))


class Origin(NamedTuple):
    """Where a byte of memory comes from: its author, which of the author's rows, and which byte of that row."""

    author: Author
    row: int
    byte: int


class _Rows(NamedTuple):
    author: Author
    base: int
    pitch: int
    numbers: I64
    size: int


class Journal:
    """Rows in the order in which they were written."""

    def __init__(self) -> None:
        self._entries: list[_Rows] = []

    def note(self, author: Author, base: int, pitch: int, numbers: I64, size: int) -> None:
        """Append the rows ``base + number * pitch`` of ``size`` bytes."""
        self._entries.append(_Rows(author, base, pitch, numbers, size))

    def origin(self, address: int) -> Origin | None:
        """The last row that covers a byte."""
        for entry in reversed(self._entries):
            within = address - entry.base - entry.numbers * entry.pitch
            covered = np.flatnonzero((within >= 0) & (within < entry.size))
            if covered.size:
                row = int(covered[-1])
                return Origin(entry.author, row, int(within[row]))
        return None
