"""Memory of a chip against the golden machine's: the first byte that differs, when it was written, and by whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flightvgm.runtime.device import DeviceError
from flightvgm.runtime.golden import GoldenDevice
from flightvgm_arch.config import Config
from flightvgm_sim.cosim.chip import LINE, Chip
from flightvgm_sim.machine import Place

_WORD = 4


class Group(NamedTuple):
    """Instructions between two BARRIERs at which all cores meet.

    Attributes
    ----------
    number : int
        Counted from the start of the program.
    first : int
        Number of its first instruction.
    last : int or None
        Number of the BARRIER that ends it; None for the last group.
    start, began, ended : int
        Cycles of the chip: of the program's start, and the group's own, the last one excluded.
    """

    number: int
    first: int
    last: int | None
    start: int
    began: int
    ended: int

    def __str__(self) -> str:
        last = "the end" if self.last is None else str(self.last)
        cycles = f"cycles {self.began - self.start} to {self.ended - self.start}"
        return f"group {self.number} (instructions {self.first} to {last}, {cycles})"


class Writer(NamedTuple):
    """The golden machine's instruction that wrote a byte, and the tile of its rows in which the byte lies.

    A row tile has the rows of the array. A column tile has its columns, where results of the array are stored; else
    it is a word of 32 bytes.
    """

    operation: str
    core: int
    instruction: int
    row_tile: int
    column_tile: int

    def __str__(self) -> str:
        tile = "column tile" if self.operation == "STORE" else "word"
        return (
            f"row tile {self.row_tile}, {tile} {self.column_tile} of the {self.operation} at instruction "
            f"{self.instruction} of core {self.core}"
        )


class Difference(NamedTuple):
    """The first write, in time, of which the golden machine knows nothing.

    Attributes
    ----------
    address : int
        Of the first byte that differs.
    found, wanted : bytes
        The four aligned bytes round it, of the chip and of the golden machine.
    bytes : int
        How many differ.
    group : Group
        Of instructions, behind which they differ for the first time.
    place : Place
        What the last MARK named: that of the writer, if there is one, else that of the group.
    writer : Writer or None
        None where the golden machine writes nothing in this group.
    cycle : int or None
        Of the chip's write; None where the chip has written nothing in this group.
    """

    address: int
    found: bytes
    wanted: bytes
    bytes: int
    group: Group
    place: Place
    writer: Writer | None = None
    cycle: int | None = None

    def __str__(self) -> str:
        at = self.address % _WORD
        return (
            f"byte {self.address:#x} is {self.found[at]:#04x} and should be {self.wanted[at]:#04x}, marked branch "
            f"{self.place.branch}, layer {self.place.layer}, site {self.place.site}; {self.circumstances}"
        )

    @property
    def circumstances(self) -> str:
        """Who wrote it, when, and how many bytes there are."""
        writer = "written by no instruction of this group" if self.writer is None else str(self.writer)
        when = "not written by the chip" if self.cycle is None else f"in cycle {self.cycle - self.group.start}"
        count = "the only byte that differs" if self.bytes == 1 else f"the first of {self.bytes} bytes that differ"
        return f"{writer}, {when} of {self.group}; {count} from the golden machine"


class MismatchError(DeviceError):
    """Memory that differs from the golden machine's; ``difference`` says where and when, ``more`` is added to that."""

    def __init__(self, difference: Difference, more: str = "") -> None:
        self.difference, self.more = difference, more
        super().__init__(f"{difference}{more}")


def find(
    chip: Chip, golden: GoldenDevice, windows: Sequence[tuple[int, int]], group: Group, config: Config
) -> Difference | None:
    """Compare all windows behind a group of instructions.

    What the chip wrote behind the group's end is not looked at: it belongs to the next group.
    """
    differing = [_differing(chip, golden, first, end) for first, end in windows]
    places = np.concatenate([np.zeros(0, np.int64), *differing])
    cycles = chip.stamps[places // LINE]
    places, cycles = places[cycles < group.ended], cycles[cycles < group.ended]
    if not places.size:
        return None
    written = cycles >= group.began
    first = int(np.argmin(np.where(written, cycles, group.ended)))
    address = int(places[first])
    origin, word = golden.origin(address), address - address % _WORD
    writer = None
    if origin is not None:
        width = 2 * config.columns if origin.author.operation == "STORE" else LINE
        tiles = origin.row // config.rows, origin.byte // width
        writer = Writer(origin.author.operation, origin.author.core, origin.author.counter, *tiles)
    return Difference(
        address, chip.memory[word : word + _WORD].tobytes(), golden.read(word, _WORD).tobytes(), places.size, group,
        golden.place if origin is None else origin.author.place, writer, int(cycles[first]) if written[first] else None,
    )  # fmt: skip


def _differing(chip: Chip, golden: GoldenDevice, first: int, end: int) -> NDArray[np.int64]:
    found, wanted = chip.memory[first:end], golden.view(first, end - first)
    if np.array_equal(found, wanted):
        return np.zeros(0, np.int64)
    return np.flatnonzero(found != wanted) + first
