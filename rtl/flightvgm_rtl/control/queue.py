"""Queue of a unit: holds issued instructions until their waits are granted, and signals when they are done."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import QUEUE_DEPTH
from flightvgm_rtl.control.commands import PC_BITS, Events, command, queued
from flightvgm_rtl.control.semaphores import Signalled, Wait
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo

_BEGUN = data.StructLayout({"signals": Events, "pc": PC_BITS})
_GUARD_CYCLES = 3


class Queue(wiring.Component):
    """In-order queue in front of a unit.

    The head goes to the unit when its waits are granted; several instructions may be in the unit. For each pulse of
    ``done`` the signals of the oldest of them are given, in order. An instruction of ``rows`` that compares is held
    back until ``guard_held`` tells whether its count register is free, and reported by ``refusal`` where it is not.

    Parameters
    ----------
    queue : str
        One of the queues of :data:`flightvgm_arch.isa.QUEUES`.

    Members
    -------
    run : In(1)
        Instructions may begin.
    i : In(stream.Signature(queued(queue)))
    command : Out(stream.Signature(command(queue)))
    done : In(1)
    wait : Out(Wait)
    granted : In(1)
    signal : Out(Signalled)
    taken : In(1)
    empty : Out(1)
        All instructions are done, and have signalled.
    begun : Out(1)
        One of them is in the unit.
    waiting : Out(1)
        The head waits for a semaphore.
    pc : Out(24)
        Number of the oldest instruction.
    guard_counter : Out(6)
        Count register of the head; only for ``rows``.
    guard_held : In(1)
        A pool hands out the rows of what ``guard_counter`` was up to two cycles before; only for ``rows``.
    refusal : Out(Fault)
        The head would write such a register; only for ``rows``.
    """

    def __init__(self, queue: str) -> None:
        self._queue = queue
        self._guarded = queue == "rows"
        members: dict[str, Any] = {
            "run": In(1),
            "i": In(stream.Signature(queued(queue))),
            "command": Out(stream.Signature(command(queue))),
            "done": In(1),
            "wait": Out(Wait),
            "granted": In(1),
            "signal": Out(Signalled),
            "taken": In(1),
            "empty": Out(1),
            "begun": Out(1),
            "waiting": Out(1),
            "pc": Out(PC_BITS),
        }
        if self._guarded:
            members |= {"guard_counter": Out(6), "guard_held": In(1), "refusal": Out(Fault)}
        super().__init__(members)

    def elaborate(self, _: Any) -> Module:
        """Hold instructions before the unit, and the signals of those inside it."""
        m = Module()
        m.submodules.held = held = Fifo(queued(self._queue), depth=QUEUE_DEPTH)
        m.submodules.inside = inside = Fifo(_BEGUN, depth=2 * QUEUE_DEPTH)
        head, begins, free = held.o.p, Signal(), Signal()
        self._hand_over(m, held, inside, begins, free)
        if self._guarded:
            self._guard(m, held, begins, free)
        else:
            m.d.comb += free.eq(1)
        self._complete(m, inside)
        wiring.connect(m, wiring.flipped(self.i), held.i)
        left = Signal(range(4 * QUEUE_DEPTH))
        issued, ended = Signal(), Signal()
        m.d.comb += [
            issued.eq(self.i.valid & self.i.ready),
            ended.eq(inside.o.valid & inside.o.ready),
            self.empty.eq(left == 0),
            self.begun.eq(inside.level != 0),
            self.pc.eq(Mux(inside.o.valid, inside.o.p.pc, head.command.pc)),
        ]
        m.d.sync += left.eq(left + issued - ended)
        return m

    def _hand_over(self, m: Module, held: Fifo, inside: Fifo, begins: Signal, free: Signal) -> None:
        head, needs, granted = held.o.p, Signal(), Signal()
        m.d.comb += [
            needs.eq((head.waits.first.count | head.waits.second.count) != 0),
            self.wait.valid.eq(held.o.valid & needs & ~granted & self.run),
            self.wait.events.eq(head.waits),
            self.waiting.eq(held.o.valid & needs & ~granted),
            self.command.valid.eq(held.o.valid & (granted | ~needs) & self.run & free & inside.i.ready),
            self.command.p.eq(head.command),
            begins.eq(self.command.valid & self.command.ready),
            held.o.ready.eq(begins),
            inside.i.valid.eq(begins),
            inside.i.p.signals.eq(head.signals),
            inside.i.p.pc.eq(head.command.pc),
        ]
        with m.If(begins):
            m.d.sync += granted.eq(0)
        with m.Elif(self.granted):
            m.d.sync += granted.eq(1)

    def _complete(self, m: Module, inside: Fifo) -> None:
        """Signal what the unit is done with; a pulse may come before the FIFO shows its instruction."""
        done, oldest, signals = Signal(range(4 * QUEUE_DEPTH)), inside.o.p, Signal()
        m.d.comb += [
            signals.eq((oldest.signals.first.count | oldest.signals.second.count) != 0),
            self.signal.valid.eq(inside.o.valid & (done != 0) & signals),
            self.signal.events.eq(oldest.signals),
            self.signal.pc.eq(oldest.pc),
            inside.o.ready.eq((done != 0) & (self.taken | ~signals)),
        ]
        m.d.sync += done.eq(done + self.done - (inside.o.valid & inside.o.ready))

    def _guard(self, m: Module, held: Fifo, begins: Signal, free: Signal) -> None:
        """Let the pools look at the head's count register for some cycles, after its waits were granted."""
        head, age, compares = held.o.p, Signal(range(_GUARD_CYCLES + 1)), Signal()
        ready = Signal()
        m.d.comb += [
            compares.eq(head.command.body.rows.flag_compare),
            self.guard_counter.eq(head.command.body.rows.counter),
            ready.eq(held.o.valid & ~self.waiting & (age == _GUARD_CYCLES)),
            free.eq(~compares | (ready & ~self.guard_held)),
            self.refusal.valid.eq(compares & ready & self.guard_held & self.run),
            self.refusal.code.eq(ErrorCode.FIELD_RANGE),
            self.refusal.pc.eq(head.command.pc),
        ]
        with m.If(begins | ~held.o.valid | self.waiting):
            m.d.sync += age.eq(0)
        with m.Elif(age != _GUARD_CYCLES):
            m.d.sync += age.eq(age + 1)
