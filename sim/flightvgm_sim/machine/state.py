"""State that instructions change: what the cores share, and what each of them owns."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from flightvgm_arch.config import Config
from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import COUNTERS, POOLS, REGISTER_BITS, REGISTERS, SEMAPHORE_LIMIT, SEMAPHORES, SITE_SLOTS, Event
from flightvgm_arch.sites import OUTSIDE
from flightvgm_sim.golden.fp import F32
from flightvgm_sim.machine.buffers import Buffer, finite
from flightvgm_sim.machine.counters import Counters
from flightvgm_sim.machine.errors import FaultError
from flightvgm_sim.machine.ledger import Ledger, Place
from flightvgm_sim.machine.memory import Memory
from flightvgm_sim.machine.operands import OperandBuffer
from flightvgm_sim.machine.pools import Pool
from flightvgm_sim.machine.program import Program
from flightvgm_sim.machine.ring import Ring, Tiles
from flightvgm_sim.machine.sites import Site

_TILES_BYTES = 256 << 20  # What the store of decoded weights may hold before it is emptied.


class Outcome(Enum):
    """What became of the instruction at the head of a queue."""

    BLOCKED = 0
    MOVED = 1
    DONE = 2


class Shared:
    """What all cores see.

    Parameters
    ----------
    config : Config
        The machine.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.memory = Memory(config.memory_bytes)
        self.program = Program(self.memory)
        self.ledger = Ledger()
        self.counters = Counters()
        self.steps = 0
        self.budget = 0
        self.pausing = False
        self._tiles: dict[tuple[int, int, int], tuple[int, Tiles]] = {}
        self._tiles_bytes = 0
        self.reset()

    def reset(self) -> None:
        """Clear what a start clears."""
        self.counts = [0] * COUNTERS
        self.pools = [Pool(self.config.cores) for _ in range(POOLS)]
        self.steps = 0
        self.meeting: int | None = None  # Counter of the BARRIER at which all cores stand until the machine goes on.
        self._passing = False

    def meet(self, counter: int) -> bool:
        """Whether all cores, which stand at the BARRIER ``counter``, may pass: not before a machine that pauses."""
        if self.pausing and not self._passing:
            self.meeting = counter
            return False
        self._passing = False
        return True

    def resume(self) -> None:
        """Let cores pass the BARRIER at which they stand."""
        self._passing = self.meeting is not None
        self.meeting = None

    def spend(self) -> None:
        """Count a completed instruction.

        Raises
        ------
        FaultError
            The budget is spent.
        """
        self.steps += 1
        if self.steps > self.budget:
            text = f"the watchdog's budget of {self.budget} instructions is spent; end the program or allow more"
            raise FaultError(ErrorCode.WATCHDOG, text)

    def tiles(self, address: int, size: int, count: int) -> Tiles:
        """Weight tiles in memory; those that did not change since they were last read stay decoded."""
        stamp = self.memory.stamp(address, size * count)
        key = (address, size, count)
        known = self._tiles.get(key)
        if known is not None and known[0] == stamp:
            return known[1]
        if self._tiles_bytes > _TILES_BYTES:
            self._tiles.clear()
            self._tiles_bytes = 0
        tiles = Tiles(self.memory.read(address, size * count).reshape(count, size), self.config.columns)
        self._tiles[key] = (stamp, tiles)
        self._tiles_bytes += size * count
        return tiles


class State:
    """What one core owns.

    Parameters
    ----------
    number : int
        Of the core.
    shared : Shared
        What it shares.
    arguments : sequence of int
        Contents of r16, r17 and so on.
    """

    def __init__(self, number: int, shared: Shared, arguments: Sequence[int]) -> None:
        config = shared.config
        self.number = number
        self.shared = shared
        self.a = OperandBuffer("A", config.a_bytes, banks=config.rows)
        self.b = OperandBuffer("B", config.b_bytes, banks=config.columns)
        self.result = Buffer("R", config.result_bytes)
        self.parameters = Buffer("P", config.parameter_bytes)
        self.ring = Ring(config.columns)
        self.registers = [0] * (REGISTERS // 2) + [*arguments, *[0] * (REGISTERS // 2 - len(arguments))]
        self.semaphores = [0] * SEMAPHORES
        self.sites: tuple[Site | None, ...] = (None,) * SITE_SLOTS
        self.place = Place(0, 0, OUTSIDE)
        self.code: int | None = None  # Left by END.
        self.barrier: int | None = None  # Counter of the BARRIER at which the core waits.
        self.released = False  # All cores have come to that BARRIER.

    def write(self, register: int, value: int) -> None:
        """Write a register, modulo 2^40; r0 stays zero."""
        if register:
            self.registers[register] = value & (1 << REGISTER_BITS) - 1

    def acquire(self, waits: Sequence[Event]) -> bool:
        """Subtract all waits, of different semaphores, if all of them can be, and nothing otherwise."""
        held = self.semaphores
        for wait in waits:
            if held[wait.semaphore] < wait.count:
                return False
        for wait in waits:
            held[wait.semaphore] -= wait.count
        return True

    def wanting(self, waits: Sequence[Event]) -> str:
        """Waits that are not satisfied, in words."""
        held = self.semaphores
        return " and ".join(
            f"semaphore {wait.semaphore} >= {wait.count} (it is {held[wait.semaphore]})"
            for wait in waits
            if held[wait.semaphore] < wait.count
        )

    def signal(self, signals: Sequence[Event]) -> None:
        """Add to semaphores.

        Raises
        ------
        FaultError
            One would exceed 63.
        """
        for event in signals:
            value = self.semaphores[event.semaphore] + event.count
            if value > SEMAPHORE_LIMIT:
                text = f"a signal raises semaphore {event.semaphore} to {value}, above {SEMAPHORE_LIMIT}; wait for it"
                raise FaultError(ErrorCode.SEMAPHORE_OVERFLOW, text)
            self.semaphores[event.semaphore] = value

    def vector(self, address: int, width: int) -> F32:
        """``width`` FP32 parameters at an address of the parameter buffer."""
        found: F32 = self.parameters.view(address, (), width, "<f4")
        finite(f"the parameter vector at {address:#x} of buffer P", found)
        return found
