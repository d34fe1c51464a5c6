"""The machine's memory: bytes behind windows that the host opens; nothing else is backed or reachable."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_arch.memory import Window
from flightvgm_arch.registers import WINDOWS
from flightvgm_sim.golden.fp import I64, U8
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.journal import HOST, Journal

_PAGE_SHIFT = 12


@dataclass(frozen=True)
class Backing(Window):
    """An open window: its bytes, and for each page the time of the last write."""

    data: U8
    stamps: I64


class Memory:
    """Byte-addressed memory of ``size`` bytes, little endian.

    An access lies in one window; a page that nobody wrote costs nothing.

    Parameters
    ----------
    size : int
        Bytes that the machine has.

    Attributes
    ----------
    author : Author
        Whose writes the next ones are.
    journal : Journal or None
        Where writes are noted.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._windows: list[Backing] = []
        self._starts: list[int] = []
        self._last = Backing(0, 0, np.zeros(0, np.uint8), np.zeros(0, np.int64))
        self._clock = 0
        self.author = HOST
        self.journal: Journal | None = None

    def open_window(self, address: int, size: int) -> None:
        """Let programs and the host reach ``size`` bytes from ``address``; they read zero until they are written.

        Raises
        ------
        FaultError
            The range is misaligned, beyond the memory, or overlaps an open window, or all windows are open.
        """
        if len(self._windows) == WINDOWS:
            text = f"all {WINDOWS} windows are open; open one over neighbouring buffers"
            raise FaultError(ErrorCode.ADDRESS_WINDOW, text)
        if address % ALIGNMENT or size <= 0 or address < 0 or address + size > self.size:
            text = f"the window of {size} bytes at {address:#x} must begin at a multiple of {ALIGNMENT} and lie in the"
            raise FaultError(ErrorCode.ADDRESS_WINDOW, f"{text} {self.size} bytes of the memory")
        position = bisect_right(self._starts, address)
        before = self._windows[position - 1].limit if position else 0
        after = self._starts[position] if position < len(self._starts) else self.size
        if before > address or after < address + size:
            text = f"the window of {size} bytes at {address:#x} overlaps an open one; open each range once"
            raise FaultError(ErrorCode.ADDRESS_WINDOW, text)
        pages = (size - 1 >> _PAGE_SHIFT) + 1
        window = Backing(address, address + size, np.zeros(size, np.uint8), np.zeros(pages, np.int64))
        self._windows.insert(position, window)
        self._starts.insert(position, address)

    def find(self, address: int, size: int) -> Backing:
        """The window that holds ``size`` bytes at ``address``.

        Raises
        ------
        FaultError
            There is none.
        """
        window = self._last
        if window.holds(address, size):
            return window
        position = bisect_right(self._starts, address) - 1
        if position >= 0 and self._windows[position].holds(address, size):
            self._last = self._windows[position]
            return self._last
        text = f"the {size} bytes at {address:#x} lie in no open window; open one over the whole buffer"
        raise FaultError(ErrorCode.ADDRESS_WINDOW, text)

    def read(self, address: int, size: int) -> U8:
        """Copy of ``size`` bytes."""
        window = self.find(address, size)
        low = address - window.base
        return window.data[low : low + size].copy()

    def view(self, address: int, size: int) -> U8:
        """``size`` bytes, which change as memory does; not to be written."""
        window = self.find(address, size)
        found = window.data[address - window.base :][:size]
        found.flags.writeable = False
        return found

    def write(self, address: int, data: NDArray[Any]) -> None:
        """Write an array's bytes in C order."""
        flat = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
        window = self.find(address, flat.size)
        low = address - window.base
        window.data[low : low + flat.size] = flat
        self._stamp(window, low, flat.size)
        if self.journal is not None:
            self.journal.note(self.author, address, 0, np.zeros(1, np.int64), flat.size)

    def stamp(self, address: int, size: int) -> int:
        """A number that grows when a page of the range is written; what was made of the bytes holds while it stays."""
        window = self.find(address, size)
        low = address - window.base
        pages = window.stamps[low >> _PAGE_SHIFT : (low + size - 1 >> _PAGE_SHIFT) + 1]
        return int(pages[0]) if len(pages) == 1 else int(pages.max())

    def gather(self, base: int, pitch: int, numbers: I64, size: int) -> U8:
        """Copies of the rows ``base + number * pitch`` of ``size`` bytes, as an array ``[len(numbers), size]``."""
        low, rows = self._rows(base, pitch, numbers, size)
        if rows is not None:
            return rows[numbers - low]
        return np.stack([self.read(base + int(number) * pitch, size) for number in numbers])

    def scatter(self, base: int, pitch: int, numbers: I64, rows: U8) -> None:
        """Write rows to ``base + number * pitch``, in order; all of them or, where one lies in no window, none."""
        size = rows.shape[1]
        low, view = self._rows(base, pitch, numbers, size)
        if view is None:
            self.check_rows(base, pitch, numbers, size)
            for number, row in zip(numbers, rows, strict=True):
                self.write(base + int(number) * pitch, row)
            return
        view[numbers - low] = rows
        start = base + low * pitch
        window = self.find(start, size)
        self._stamp(window, start - window.base, (len(view) - 1) * pitch + size)
        if self.journal is not None:
            self.journal.note(self.author, base, pitch, numbers, size)

    def check_rows(self, base: int, pitch: int, numbers: I64, size: int) -> None:
        """Refuse rows that lie in no window, before any of them is written."""
        if self._rows(base, pitch, numbers, size)[1] is None:
            for number in numbers:
                self.find(base + int(number) * pitch, size)

    def words(self, address: int, numbers: I64) -> I64:
        """The unsigned 32-bit words with the given numbers of the list at ``address``."""
        return self.gather(address, 4, numbers, 4).view("<u4")[:, 0].astype(np.int64)

    def _rows(self, base: int, pitch: int, numbers: I64, size: int) -> tuple[int, U8 | None]:
        """Lowest row number and a view of all rows from it to the highest, or None if no one window holds them."""
        low, high = int(numbers.min()), int(numbers.max())
        start, span = base + low * pitch, (high - low) * pitch + size
        try:
            window = self.find(start, span)
        except FaultError:
            return low, None
        offset = start - window.base
        return low, np.ndarray((high - low + 1, size), np.uint8, window.data, offset, (pitch, 1))

    def _stamp(self, window: Backing, low: int, size: int) -> None:
        self._clock += 1
        window.stamps[low >> _PAGE_SHIFT : (low + size - 1 >> _PAGE_SHIFT) + 1] = self._clock
