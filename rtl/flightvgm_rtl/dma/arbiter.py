"""Round robin between clients."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out


class RoundRobin(wiring.Component):
    """Choose one of those who want something, in turns.

    Wishes are kept for a cycle, looked at where ``enable`` is set and no grant is out, and granted by a pulse one cycle
    later: a grant in two cycles at most, and in three to the same client. A wish and what ``enable`` stands for must
    hold until the grant.

    Parameters
    ----------
    count : int
        Clients.

    Members
    -------
    wants : In(count)
    enable : In(1)
    grant : Out(count)
        One bit, or none.
    """

    def __init__(self, *, count: int) -> None:
        self._count = count
        super().__init__({"wants": In(count), "enable": In(1), "grant": Out(count)})

    def elaborate(self, platform: Any) -> Module:
        """Take the lowest wish behind the last grant, or else the lowest of all."""
        m = Module()
        count = self._count
        wants = Signal(count)
        behind, later = Signal(count), Signal(count)  # Those above the last grant, and their wishes.
        first_later, first = Signal(count), Signal(count)
        m.d.comb += [
            later.eq(wants & behind),
            first_later.eq(later & -later),
            first.eq(wants & -wants),
        ]
        m.d.sync += [wants.eq(self.wants & ~self.grant), self.grant.eq(0)]
        with m.If(self.grant != 0):
            m.d.sync += behind.eq(~(self.grant | (self.grant - 1)))
        with m.Elif(self.enable):
            m.d.sync += self.grant.eq(Mux(later != 0, first_later, first))
        return m
