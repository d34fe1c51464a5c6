"""Semaphores of a core."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import SEMAPHORE_LIMIT, SEMAPHORES
from flightvgm_rtl.control.commands import PC_BITS, Event, Events
from flightvgm_rtl.lib.fault import Fault

_COUNT_BITS = SEMAPHORE_LIMIT.bit_length()
_SETTLE = 3  # Cycles after a grant until all comparisons have seen it.

Wait = data.StructLayout({"valid": 1, "events": Events})
Signalled = data.StructLayout({"valid": 1, "events": Events, "pc": PC_BITS})


class Semaphores(wiring.Component):
    """32 counters of 0 to 63 with several clients that wait and signal.

    A wait is granted when the counters hold both of its counts, on one semaphore their sum, which are then subtracted;
    one grant in four cycles, the client of the lowest number first. Signals are taken at once, one client's a cycle,
    the lowest number first, and waits see them three cycles later.

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
        A pulse: a signal raised a counter above 63.
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
        satisfied = Cat(self._satisfied(m, client) for client in range(self._clients))
        settle = Signal(range(_SETTLE + 1))
        ask = Signal(self._clients)
        m.d.comb += ask.eq(Mux(settle == 0, satisfied, 0))
        waits = [self.wait[client].events for client in range(self._clients)]
        minus = self._choose(m, "minus", ask, self.granted, waits)
        offered = Signal(self._clients)
        m.d.comb += offered.eq(Cat(self.signal[client].valid for client in range(self._clients)))
        plus = self._choose(m, "plus", offered, self.taken, [self.signal[c].events for c in range(self._clients)])
        with m.If(self.granted.any()):
            m.d.sync += settle.eq(_SETTLE)
        with m.Elif(settle != 0):
            m.d.sync += settle.eq(settle - 1)
        pc = Signal(PC_BITS, reset_less=True)
        for client in reversed(range(self._clients)):
            with m.If(self.taken[client]):
                m.d.sync += pc.eq(self.signal[client].pc)
        over = Cat(self._count(m, number, plus, minus) for number in range(SEMAPHORES))
        m.d.sync += [self.overflow.valid.eq(over.any()), self.overflow.pc.eq(pc)]
        m.d.comb += self.overflow.code.eq(ErrorCode.SEMAPHORE_OVERFLOW)
        return m

    def _satisfied(self, m: Module, client: int) -> Signal:
        """Whether a client's wait can be granted, two cycles after the counters."""
        wait = self.wait[client]
        held = []
        for part in ("first", "second"):
            value = Signal(_COUNT_BITS, name=f"held_{part}_{client}", reset_less=True)
            with m.Switch(wait.events[part].semaphore):
                for number, counter in enumerate(self._counters):
                    with m.Case(number):
                        m.d.sync += value.eq(counter)
            held.append(value)
        first, second = wait.events.first, wait.events.second
        seen, satisfied = Signal(name=f"seen_{client}"), Signal(name=f"satisfied_{client}")
        both, each, same = Signal(name=f"both_{client}"), Signal(name=f"each_{client}"), Signal(name=f"same_{client}")
        m.d.comb += [
            same.eq(first.semaphore == second.semaphore),
            both.eq(held[0] >= first.count + second.count),
            each.eq((held[0] >= first.count) & (held[1] >= second.count)),
        ]
        m.d.sync += [
            seen.eq(wait.valid & ~self.granted[client]),
            satisfied.eq(seen & wait.valid & ~self.granted[client] & Mux(same, both, each)),
        ]
        return satisfied

    def _choose(self, m: Module, name: str, asked: Signal, chosen: Any, events: list[Any]) -> Any:
        """Events of the first client that asks, joined where both name one semaphore; in the next cycle."""
        kept = data.StructLayout({"first": Event, "second": Event, "joined": _COUNT_BITS + 1, "same": 1})
        register = Signal(kept, name=name)
        m.d.comb += chosen.eq(asked & (~asked + 1)[: self._clients])
        m.d.sync += [register.first.count.eq(0), register.second.count.eq(0), register.joined.eq(0)]
        for client, event in enumerate(events):
            with m.If(chosen[client]):
                m.d.sync += [
                    register.first.eq(event.first),
                    register.second.eq(event.second),
                    register.joined.eq(event.first.count + event.second.count),
                    register.same.eq(event.first.semaphore == event.second.semaphore),
                ]
        return register

    def _count(self, m: Module, number: int, plus: Any, minus: Any) -> Signal:
        """Next value of a counter; the result tells that it exceeds its limit."""
        changes = []
        for name, events in (("plus", plus), ("minus", minus)):
            change = Signal(_COUNT_BITS + 1, name=f"{name}_{number}")
            with m.If(events.first.semaphore == number):
                m.d.comb += change.eq(Mux(events.same, events.joined, events.first.count))
            with m.Elif(events.second.semaphore == number):
                m.d.comb += change.eq(events.second.count)
            changes.append(change)
        left, total = Signal(_COUNT_BITS, name=f"left_{number}"), Signal(_COUNT_BITS + 2, name=f"total_{number}")
        m.d.comb += [left.eq(self._counters[number] - changes[1]), total.eq(left + changes[0])]
        m.d.sync += self._counters[number].eq(total)
        over = Signal(name=f"over_{number}")
        m.d.comb += over.eq(total > SEMAPHORE_LIMIT)
        return over
