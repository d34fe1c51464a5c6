"""Rest: whether anything in a core can still move."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.control.commands import PC_BITS
from flightvgm_rtl.lib.vector import Vector


class Rest(wiring.Component):
    """Tell that the front end and all queues wait.

    Parameters
    ----------
    queues : int
        Queues.
    ring : tuple of int
        Those whose units may wait for each other.

    Members
    -------
    front_waiting : In(1)
    front_pc : In(24)
    empty, begun, waiting : In(queues)
        Of a queue: it has no instruction; its unit has one; its head waits for a semaphore.
    pc_of : In(Vector(24, queues))
        Number of the oldest instruction of a queue.
    stuck : Out(1)
        Everything waits and no unit has an instruction.
    starved : Out(1)
        Everything waits, but units of ``ring`` have instructions.
    pc : Out(24)
        The oldest instruction of the first queue that has one, or that of the front end.
    """

    def __init__(self, *, queues: int, ring: tuple[int, ...]) -> None:
        self._queues = queues
        self._ring = ring
        super().__init__(
            {
                "front_waiting": In(1),
                "front_pc": In(PC_BITS),
                "empty": In(queues),
                "begun": In(queues),
                "waiting": In(queues),
                "pc_of": In(Vector(PC_BITS, queues)),
                "stuck": Out(1),
                "starved": Out(1),
                "pc": Out(PC_BITS),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """Look at every queue."""
        m = Module()
        rests = Signal(self._queues)
        m.d.comb += rests.eq((self.empty | self.waiting) & ~self.begun)
        others = Cat(rests[place] for place in range(self._queues) if place not in self._ring)
        held = Cat(rests[place] | self.begun[place] for place in self._ring)
        m.d.sync += [
            self.stuck.eq(self.front_waiting & rests.all()),
            self.starved.eq(self.front_waiting & others.all() & held.all() & ~rests.all()),
            self.pc.eq(self.front_pc),
        ]
        for place in reversed(range(self._queues)):
            with m.If(~self.empty[place]):
                m.d.sync += self.pc.eq(self.pc_of[place])
        return m
