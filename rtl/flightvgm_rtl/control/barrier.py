"""Barriers between cores."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from flightvgm_rtl.control.ports import BarrierPort


class Barrier(wiring.Component):
    """Release cores when all that a mask names wait at the same BARRIER.

    A core outside its mask is released at once; cores of the mask that do not exist count for nothing. A core takes
    ``release`` in the cycle in which it has it, and all cores of a mask have it in the same one.

    Parameters
    ----------
    cores : int
        Cores.

    Members
    -------
    ports : In(BarrierPort()).array(cores)
    """

    def __init__(self, *, cores: int) -> None:
        self._cores = cores
        super().__init__({"ports": In(BarrierPort()).array(cores)})

    def elaborate(self, _: Any) -> Module:
        """Compare each core with all others; then release it for one cycle."""
        m = Module()
        for core in range(self._cores):
            port = self.ports[core]
            absent = [
                port.cores[other] & ~(self.ports[other].valid & (self.ports[other].pc == port.pc))
                for other in range(self._cores)
            ]
            go = Signal(name=f"go_{core}")
            m.d.comb += [go.eq(port.valid & ~port.release & ~(port.cores[core] & Cat(absent).any()))]
            m.d.sync += port.release.eq(go)
        return m
