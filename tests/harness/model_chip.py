"""A chip that needs neither Verilog nor a compiler: a second golden machine behind the registers of a simulated one."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

import numpy as np

from flightvgm_arch.presets import TINY
from flightvgm_arch.registers import BY_NAME, FIRST_ARGUMENT, ID, WINDOWS
from flightvgm_sim.cosim.chip import LINE, Meeting, Stop
from flightvgm_sim.machine import Machine

GROUP = 100  # Cycles of a group; all of its writes happen in the middle.


class Flip(NamedTuple):
    """Bits of a byte that are wrong behind a group of a chip's first run."""

    group: int
    address: int
    bits: int = 1
    stamped: bool = True


class ModelChip:
    """See :class:`flightvgm_sim.cosim.chip.Chip`; the machine is TINY.

    Attributes
    ----------
    flips : list of Flip
        What is wrong with each chip.
    made : list of ModelChip
    skips : int, optional
        Group behind which the chip does not stop.
    """

    flips: ClassVar[list[Flip]] = []
    made: ClassVar[list[ModelChip]] = []
    skips: ClassVar[int | None] = None

    def __init__(self, library, size, *, latency=100, stall=0.0, seed=1):
        self.memory = np.zeros(size, np.uint8)
        self.stamps = np.zeros(size // LINE, np.int64)
        self.cycle = 16
        self.traced = None
        self.closed = self.watched = False
        self._registers = {BY_NAME["ID"].offset: ID}
        self._machine = None
        self._group = 0
        self._met: list[Meeting] = []
        type(self).made.append(self)

    def write(self, offset, value):
        self.cycle += 1
        if offset == BY_NAME["CONTROL"].offset:
            self._start()
        elif offset not in (BY_NAME["RESET"].offset, BY_NAME["ISR"].offset):
            self._registers[offset] = value

    def read(self, offset):
        self.cycle += 1
        return self._registers.get(offset, 0)

    def watch(self, cores):
        assert cores == 1
        self.watched = True

    def trace(self, file, first, end):
        self.traced = (file, first, end)

    def close(self):
        self.closed = True

    def meeting(self):
        return self._met.pop()

    def run(self, cycles):
        """A group, whatever ``cycles`` is."""
        counter = self._machine.run(pause=self.watched)
        self.cycle += GROUP
        self._take()
        group, self._group = self._group, self._group + 1
        if counter is None:
            return Stop.INTERRUPT
        if self.skips == group:
            return Stop.CYCLES
        self._met.append(Meeting(self.cycle, counter))
        return Stop.MEETING

    def _start(self):
        names = [f"R{FIRST_ARGUMENT + number}" for number in range(16)]
        self._machine, self._group = Machine(TINY), 0
        for first, end in self._windows():
            self._machine.open_window(first, end - first)
            self._machine.memory.write(first, self.memory[first:end])
        self._machine.start(self._value("ENTRY"), [self._value(name) for name in names])

    def _take(self):
        """Memory of the machine, with the flips of this group."""
        for first, end in self._windows():
            found = self._machine.memory.read(first, end - first)
            changed = np.flatnonzero(found != self.memory[first:end]) + first
            self.memory[first:end] = found
            self.stamps[np.unique(changed // LINE)] = self.cycle - GROUP // 2
        for flip in self.flips:
            if flip.group == self._group:
                self.memory[flip.address] ^= flip.bits
                self._machine.memory.write(flip.address, self.memory[flip.address : flip.address + 1])
                if flip.stamped:
                    self.stamps[flip.address // LINE] = self.cycle - GROUP // 4

    def _windows(self):
        pairs = [[self._value(f"WINDOW{number}_{end}") for end in ("BASE", "LIMIT")] for number in range(WINDOWS)]
        return [(first, end) for first, end in pairs if end]

    def _value(self, name):
        register = BY_NAME[name]
        return sum(
            self._registers.get(register.offset + 4 * word, 0) << 32 * word for word in range(register.bits // 32)
        )
