"""Values of rows to beats of memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import BEAT_BITS, BEAT_BYTES
from flightvgm_rtl.sparsifier.ports import quantised_group

RowBeat = data.StructLayout({"data": BEAT_BITS, "last": 1})
"""32 values of a row, the first in the lowest bits; zeros behind the row's last one."""


class Packer(wiring.Component):
    """Join groups of a row to beats; a row begins a beat of its own.

    Takes a group a cycle, and gives a beat the cycle after its last group.

    Parameters
    ----------
    lanes : int
        Values of a group; a power of two of at most 32.

    Members
    -------
    i : In(stream.Signature(quantised_group(lanes)))
    o : Out(stream.Signature(RowBeat))
    """

    def __init__(self, *, lanes: int) -> None:
        if lanes > BEAT_BYTES or lanes & lanes - 1:
            raise ValueError(
                f"groups of {lanes} values do not fill a beat; give a power of two of at most {BEAT_BYTES}"
            )
        self._lanes = lanes
        super().__init__({"i": In(stream.Signature(quantised_group(lanes))), "o": Out(stream.Signature(RowBeat))})

    def elaborate(self, _platform: Any) -> Module:
        """Fill the parts of a beat in turn."""
        m = Module()
        parts, bits = BEAT_BYTES // self._lanes, 8 * self._lanes
        place = Signal(range(parts))
        beat, full, last = Signal(BEAT_BITS, reset_less=True), Signal(), Signal(reset_less=True)
        take, complete = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~full | self.o.ready),
            take.eq(self.i.valid & self.i.ready),
            complete.eq(self.i.p.last | (place == parts - 1)),
            self.o.valid.eq(full),
            self.o.p.data.eq(beat),
            self.o.p.last.eq(last),
        ]
        with m.If(self.o.ready):
            m.d.sync += full.eq(0)
        with m.If(take):
            m.d.sync += [full.eq(complete), place.eq(Mux(complete, 0, place + 1)), last.eq(self.i.p.last)]
            for part in range(parts):
                with m.If(place == part):
                    m.d.sync += beat[part * bits : (part + 1) * bits].eq(self.i.p.values)
                with m.Elif(place == 0):
                    m.d.sync += beat[part * bits : (part + 1) * bits].eq(Const(0, bits))
        return m
