"""Semaphores of a core."""

from __future__ import annotations

import functools
import operator
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import SEMAPHORE_LIMIT, SEMAPHORES
from flightvgm_rtl.control.commands import PC_BITS, Event, Events
from flightvgm_rtl.lib.fault import Fault

_COUNT_BITS = SEMAPHORE_LIMIT.bit_length()
_PADDED = 8  # A power of two selects with multiplexers.
_SETTLE = 5  # Cycles after a grant until all comparisons have seen it.
_STAGES = 3  # From an event to the overflow that it causes.

Wait = data.StructLayout({"valid": 1, "events": Events})
Signalled = data.StructLayout({"valid": 1, "events": Events, "pc": PC_BITS})


class Semaphores(wiring.Component):
    """32 counters of 0 to 63 with several clients that wait and signal.

    A wait is granted when the counters hold both of its counts, on one semaphore their sum, which are then subtracted;
    one grant in six cycles, the client of the lowest number first. Signals are taken at once, one client's a cycle, or
    in two cycles where it has two, the lowest number first; a wait for the first is granted five cycles later, for the
    second six.

    Parameters
    ----------
    clients : int
        Clients, each with a wait and a signal.

    Members
    -------
    wait : In(Wait).array(clients)
        Held until granted.
    granted : Out(clients)
        A pulse; ``wait`` must be withdrawn in the next cycle.
    signal : In(Signalled).array(clients)
        Held until taken.
    taken : Out(clients)
    overflow : Out(Fault)
        A pulse, five cycles after the signal at most: it raised a counter above 63.
    """

    def __init__(self, *, clients: int) -> None:
        self._clients = clients
        super().__init__(
            {
                "wait": In(Wait).array(clients),
                "granted": Out(clients),
                "signal": In(Signalled).array(clients),
                "taken": Out(clients),
                "overflow": Out(Fault),
            }
        )
        self._counters = [Signal(_COUNT_BITS, name=f"counter_{number}") for number in range(SEMAPHORES)]

    def elaborate(self, _: Any) -> Module:
        """Compare for all clients, grant one, add and subtract."""
        m = Module()
        waits = [self.wait[client].events for client in range(self._clients)]
        signals = [self.signal[client].events for client in range(self._clients)]
        satisfied = Cat(self._satisfied(m, client) for client in range(self._clients))
        settle, free, more = Signal(range(_SETTLE + 1)), Signal(init=1), Signal()
        minus, _ = self._events(m, "minus", Mux(free, satisfied, 0), self.granted, waits)
        offered = Cat(self.signal[client].valid for client in range(self._clients))
        plus, pending = self._events(m, "plus", Mux(more, 0, offered), self.taken, signals)
        m.d.comb += more.eq(pending)
        with m.If(self.granted.any()):
            m.d.sync += [settle.eq(_SETTLE), free.eq(0)]
        with m.Elif(settle != 0):
            m.d.sync += [settle.eq(settle - 1), free.eq(settle == 1)]
        over = Cat(self._count(m, number, plus, minus) for number in range(SEMAPHORES))
        m.d.sync += self.overflow.valid.eq(over.any())
        m.d.comb += [self.overflow.code.eq(ErrorCode.SEMAPHORE_OVERFLOW), self.overflow.pc.eq(self._pc(m))]
        return m

    def _satisfied(self, m: Module, client: int) -> Signal:
        """Whether a client's wait can be granted, two cycles after the counters."""
        wait = self.wait[client]
        first, second = wait.events.first, wait.events.second
        counters = Cat(Cat(counter, Const(0, _PADDED - _COUNT_BITS)) for counter in self._counters)
        held = [Signal(_COUNT_BITS, name=f"held_{part}_{client}", reset_less=True) for part in ("first", "second")]
        joined = Signal(_COUNT_BITS + 1, name=f"joined_{client}", reset_less=True)
        same = Signal(name=f"same_{client}", reset_less=True)
        seen, satisfied = Signal(name=f"seen_{client}"), Signal(name=f"satisfied_{client}")
        both, each = Signal(name=f"both_{client}"), Signal(name=f"each_{client}")
        m.d.comb += [
            both.eq(held[0] >= joined),
            each.eq((held[0] >= first.count) & (held[1] >= second.count)),
        ]
        m.d.sync += [
            held[0].eq(counters.word_select(first.semaphore, _PADDED)),
            held[1].eq(counters.word_select(second.semaphore, _PADDED)),
            joined.eq(first.count + second.count),
            same.eq(first.semaphore == second.semaphore),
            seen.eq(wait.valid & ~self.granted[client]),
            satisfied.eq(seen & wait.valid & ~self.granted[client] & Mux(same, both, each)),
        ]
        return satisfied

    def _events(self, m: Module, name: str, asked: Value, chosen: Any, events: list[Any]) -> tuple[Any, Signal]:
        """Events of the first client that asks, from the next cycle on; also, whether the second one is to come."""
        now, then, pending = (
            Signal(Event, name=name),
            Signal(Event, name=f"{name}_then"),
            Signal(name=f"{name}_pending"),
        )
        first, second = Signal(Event, name=f"{name}_first"), Signal(Event, name=f"{name}_second")
        asks = Signal(self._clients, name=f"{name}_asks")
        m.d.comb += [asks.eq(asked), chosen.eq(asks & (~asks + 1)[: self._clients])]
        for target, part in ((first, "first"), (second, "second")):
            given = (Mux(chosen[client], event[part].as_value(), 0) for client, event in enumerate(events))
            m.d.comb += target.as_value().eq(functools.reduce(operator.or_, given))
        m.d.sync += [
            now.eq(Mux(pending, then, first)),
            then.eq(second),
            pending.eq(second.count != 0),
        ]
        return now, pending

    def _count(self, m: Module, number: int, plus: Any, minus: Any) -> Signal:
        """Add what an event adds less what another one takes; the result tells that a counter exceeded its limit."""
        change = Signal(signed(_COUNT_BITS + 1), name=f"change_{number}", reset_less=True)
        total, over = Signal(_COUNT_BITS + 1, name=f"total_{number}"), Signal(name=f"over_{number}", reset_less=True)
        added, taken = (Mux(event.semaphore == number, event.count, 0) for event in (plus, minus))
        m.d.comb += total.eq(self._counters[number] + change)
        m.d.sync += [change.eq(added - taken), self._counters[number].eq(total), over.eq(total[_COUNT_BITS])]
        return over

    def _pc(self, m: Module) -> Signal:
        """Instruction of the signal whose overflow is told now."""
        pcs = [Signal(PC_BITS, name=f"pc_{stage}", reset_less=True) for stage in range(_STAGES + 1)]
        given = (Mux(self.taken[client], self.signal[client].pc, 0) for client in range(self._clients))
        with m.If(self.taken.any()):
            m.d.sync += pcs[0].eq(functools.reduce(operator.or_, given))
        m.d.sync += [pcs[stage + 1].eq(pcs[stage]) for stage in range(_STAGES)]
        return pcs[-1]
