"""The weight ring of a core: tiles in flight between LOADW and MM, in order."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import tile_bytes
from flightvgm_sim.golden import quantize, records
from flightvgm_sim.golden.fp import F32, I8, U8
from flightvgm_sim.machine.buffers import finite
from flightvgm_sim.machine.errors import require


class Weights(NamedTuple):
    """Output channels of consecutive tiles: values ``[N, K]``, scales and biases."""

    values: I8
    scale: F32
    bias: F32


class Tiles:
    """Tiles of one LOADW.

    Parameters
    ----------
    raw : array ``[tiles, tile_bytes]`` of bytes
    columns : int
        PE columns of the array.
    """

    def __init__(self, raw: U8, columns: int) -> None:
        self.count, self.size = raw.shape
        self._raw = raw
        self._columns = columns
        self._decoded: dict[int, Weights] = {}

    def decode(self, k: int) -> Weights:
        """Channels of ``k`` values; all tiles at once, the first time.

        Raises
        ------
        FaultError
            A correction does not match its channel: hardware would give wrong sums.
        """
        known = self._decoded.get(k)
        if known is None:
            values, scale, bias, correction = records.unpack_tiles(self._raw, self._columns, k)
            matches = bool(np.array_equal(quantize.correction(values), correction))
            require(matches, f"a weight tile's correction does not match its {k} values; pack tiles for this K")
            finite("a weight tile", scale, bias)
            known = self._decoded[k] = Weights(values, scale, bias)
        return known


class Geometry(NamedTuple):
    """Where the ring lies in B, how many tiles it holds, and their size."""

    address: int
    depth: int
    size: int


class Slice(NamedTuple):
    """Tiles ``first`` to ``last`` of one LOADW."""

    tiles: Tiles
    first: int
    last: int


class Ring:
    """Tiles that LOADW has appended and MM has not taken."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._queue: deque[Slice] = deque()
        self.geometry = Geometry(0, 0, 0)
        self.waiting = 0

    def append(self, tiles: Tiles, geometry: Geometry) -> bool:
        """Append tiles; False while tiles of another geometry are in flight."""
        if self.waiting and geometry != self.geometry:
            return False
        self.geometry = geometry
        self._queue.append(Slice(tiles, 0, tiles.count))
        self.waiting += tiles.count
        return True

    @property
    def settled(self) -> bool:
        """Whether all tiles in flight are on chip."""
        return self.waiting <= self.geometry.depth

    def take(self, most: int, k: int) -> list[Slice]:
        """Up to ``most`` tiles of channels of ``k`` values, oldest first.

        Raises
        ------
        FaultError
            The oldest tile has another size.
        """
        taken: list[Slice] = []
        while most and self._queue:
            tiles, first, last = self._queue.popleft()
            self._demand(tiles.size, k)
            middle = min(last, first + most)
            taken.append(Slice(tiles, first, middle))
            most -= middle - first
            self.waiting -= middle - first
            if middle < last:
                self._queue.appendleft(Slice(tiles, middle, last))
        return taken

    def _demand(self, size: int, k: int) -> None:
        wanted = tile_bytes(self._columns, k)
        require(
            size == wanted,
            f"the ring's next tile has {size} bytes, but {self._columns} channels of {k} values take {wanted}; "
            "load the tiles in the order in which they are used",
            ErrorCode.RING_MISMATCH,
        )
