"""Count registers, which sparsification writes and pools read."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import COUNTERS
from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.control.ports import COUNTER_BITS, CountWrite
from flightvgm_rtl.target.ram import Ram


class Counts(wiring.Component):
    """64 count registers of 24 bits, zero after reset.

    Parameters
    ----------
    cores : int
        Cores that write.

    Members
    -------
    writes : In(CountWrite).array(cores)
        Of several in a cycle that of the highest core counts; the shared row ports let only one come.
    read, counter : In
    value : Out(24)
        A cycle after ``read``; holds until the next.
    """

    def __init__(self, *, cores: int) -> None:
        self._cores = cores
        super().__init__(
            {
                "writes": In(CountWrite).array(cores),
                "read": In(1),
                "counter": In(COUNTER_BITS),
                "value": Out(EXTENT_BITS),
            }
        )

    def elaborate(self, _: Any) -> Module:
        """A memory, and a bit for each register that tells that it was written since reset."""
        m = Module()
        m.submodules.ram = ram = Ram(width=EXTENT_BITS, depth=COUNTERS, style="distributed")
        written, known = Signal(COUNTERS), Signal()
        for core in range(self._cores):
            write = self.writes[core]
            with m.If(write.valid):
                m.d.comb += [
                    ram.write_enable.eq(1),
                    ram.write_address.eq(write.counter),
                    ram.write_data.eq(write.value),
                ]
                m.d.sync += written.bit_select(write.counter, 1).eq(1)
        m.d.comb += [
            ram.read_enable.eq(self.read),
            ram.read_address.eq(self.counter),
            self.value.eq(Mux(known, ram.read_data, 0)),
        ]
        with m.If(self.read):
            m.d.sync += known.eq(written.bit_select(self.counter, 1))
        return m
