"""Instructions on their way from memory to a queue: fetched, decoded once, and issued with numbers for registers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import EXTENT_BITS, QUEUES, WORD_BYTES, Address, EncodingError, Event, Instruction, Reg, decode
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.ledger import Place
from flightvgm_sim.machine.memory import Memory
from flightvgm_sim.machine.ring import Slice
from flightvgm_sim.machine.sites import Site

FRONT = QUEUES.index("front")


@dataclass(frozen=True, slots=True)
class Decoded:
    """An instruction with its operands sorted by what must be substituted.

    Parameters
    ----------
    instruction : Instruction
        As decoded, for disassembly.
    queue : int
        Position of its queue in :data:`flightvgm_arch.isa.QUEUES`.
    fixed : dict
        Operands that are numbers.
    extents : tuple
        Names and registers of the other extents.
    addresses : tuple
        Names, base registers and offsets of addresses.
    waits : tuple of Event
        What must happen before it begins, once for each semaphore.
    stamp : int
        Time of the last write to its page of memory.
    """

    instruction: Instruction
    queue: int
    fixed: dict[str, int]
    extents: tuple[tuple[str, int], ...]
    addresses: tuple[tuple[str, int, int], ...]
    waits: tuple[Event, ...]
    stamp: int

    @property
    def name(self) -> str:
        """Name of the operation."""
        return self.instruction.name

    def substitute(self, registers: Sequence[int]) -> dict[str, int]:
        """All operands as numbers.

        Raises
        ------
        FaultError
            A register does not fit an extent.
        """
        values = self.fixed.copy()
        for name, register in self.extents:
            value = registers[register]
            if value >> EXTENT_BITS:
                text = f"r{register} holds {value}, which does not fit {name}; an extent is below 2^{EXTENT_BITS}"
                raise FaultError(ErrorCode.FIELD_RANGE, text)
            values[name] = value
        for name, base, offset in self.addresses:
            values[name] = registers[base] + offset
        return values


@dataclass(slots=True)
class Issued:
    """An instruction in a queue: numbers only, and where it comes from.

    Parameters
    ----------
    decoded : Decoded
        What was fetched.
    fields : dict
        Operands.
    counter : int
        Its number, counted from the entry.
    place : Place
        What the last MARK named.
    sites : tuple
        Site slots as they were at issue.
    begun : bool
        Whether its waits were satisfied.
    appended : bool
        Whether a LOADW has put its tiles in flight.
    taken : list of Slice
        Tiles that an MM has taken from the ring.
    """

    decoded: Decoded
    fields: dict[str, int]
    counter: int
    place: Place
    sites: tuple[Site | None, ...]
    begun: bool = False
    appended: bool = False
    taken: list[Slice] = field(default_factory=list)

    @property
    def flags(self) -> frozenset[str]:
        """Flags that are set."""
        return self.decoded.instruction.flags


def _sort(instruction: Instruction, stamp: int) -> Decoded:
    fixed: dict[str, int] = {}
    extents: list[tuple[str, int]] = []
    addresses: list[tuple[str, int, int]] = []
    for item in instruction.operation.fields:
        value = instruction[item.name]
        if isinstance(value, Reg):
            extents.append((item.name, value.number))
        elif isinstance(value, Address):
            addresses.append((item.name, value.base, value.offset))
        else:
            fixed[item.name] = value
    totals: dict[int, int] = {}
    for wait in instruction.waits:
        totals[wait.semaphore] = totals.get(wait.semaphore, 0) + wait.count
    waits = tuple(Event(semaphore, count) for semaphore, count in totals.items())
    queue = QUEUES.index(instruction.operation.queue)
    return Decoded(instruction, queue, fixed, tuple(extents), tuple(addresses), waits, stamp)


class Program:
    """The instructions that begin at an entry.

    Parameters
    ----------
    memory : Memory
        Where they lie.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._known: dict[int, Decoded] = {}
        self.entry = 0

    def fetch(self, counter: int) -> Decoded:
        """The instruction with a number; it is decoded again only if its page was written.

        Raises
        ------
        FaultError
            It lies in no window, or is no instruction.
        """
        address = self.entry + WORD_BYTES * counter
        stamp = self._memory.stamp(address, WORD_BYTES)
        known = self._known.get(address)
        if known is None or known.stamp != stamp:
            try:
                instruction = decode(self._memory.read(address, WORD_BYTES).tobytes())
            except EncodingError as problem:
                text = f"{problem}; load the whole program and jump to its instructions only"
                raise FaultError(ErrorCode.ILLEGAL_INSTRUCTION, text) from None
            known = self._known[address] = _sort(instruction, stamp)
        return known
