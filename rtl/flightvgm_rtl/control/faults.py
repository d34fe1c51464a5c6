"""The first of several faults."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.fault import Fault


class Faults(wiring.Component):
    """Keep the first fault of several sources until reset; of several in a cycle that of the lowest number.

    Parameters
    ----------
    sources : int
        Sources; a pulse of ``valid`` suffices.

    Members
    -------
    i : In(Fault).array(sources)
    o : Out(Fault)
        A cycle later.
    """

    def __init__(self, *, sources: int) -> None:
        self._sources = sources
        super().__init__({"i": In(Fault).array(sources), "o": Out(Fault)})

    def elaborate(self, _: Any) -> Module:
        """Take the first one."""
        m = Module()
        with m.If(~self.o.valid):
            for number in reversed(range(self._sources)):
                with m.If(self.i[number].valid):
                    m.d.sync += self.o.eq(self.i[number])
        return m
