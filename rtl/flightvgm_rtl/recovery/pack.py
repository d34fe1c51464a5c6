"""Values of rows to beats of memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import BEAT_BITS, BEAT_BYTES
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.sparsifier.ports import quantised_group

RowBeat = data.StructLayout({"data": BEAT_BITS, "last": 1})
"""32 values of a row, the first in the lowest bits; zeros behind the row's last one."""
_WAITING = 64  # Beats of rows that wait for their verdicts, at least.
_FLIGHT = 4  # Beats that may be on their way to the FIFO.


class RowBeats(wiring.Component):
    """Join groups of a row to beats, and keep those in a FIFO; a row begins a beat of its own.

    Takes a group a cycle while the FIFO has room.

    Parameters
    ----------
    lanes : int
        Values of a group; a power of two of at most 32.
    row_channels : int
        Most values of a row; the FIFO has places for two such rows, but for the last few.

    Members
    -------
    i : In(stream.Signature(quantised_group(lanes)))
    o : Out(stream.Signature(RowBeat))
    """

    def __init__(self, *, lanes: int, row_channels: int) -> None:
        if lanes > BEAT_BYTES or lanes & lanes - 1:
            raise ValueError(
                f"groups of {lanes} values do not fill a beat; give a power of two of at most {BEAT_BYTES}"
            )
        self._lanes, self._depth = lanes, max(_WAITING, 1 << (2 * row_channels // BEAT_BYTES - 1).bit_length())
        super().__init__({"i": In(stream.Signature(quantised_group(lanes))), "o": Out(stream.Signature(RowBeat))})

    def elaborate(self, _platform: Any) -> Module:
        """Fill the parts of a beat in turn."""
        m = Module()
        m.submodules.beats = beats = Fifo(RowBeat, depth=self._depth)
        parts, bits = BEAT_BYTES // self._lanes, 8 * self._lanes
        place = Signal(range(parts))
        beat, full, last = Signal(BEAT_BITS, reset_less=True), Signal(), Signal(reset_less=True)
        room, take, complete = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(room),
            take.eq(self.i.valid & room),
            complete.eq(self.i.p.last | (place == parts - 1)),
            beats.i.valid.eq(full),
            beats.i.p.data.eq(beat),
            beats.i.p.last.eq(last),
        ]
        m.d.sync += [room.eq(beats.room > _FLIGHT), full.eq(take & complete), last.eq(self.i.p.last)]
        wiring.connect(m, beats.o, wiring.flipped(self.o))
        with m.If(take):
            m.d.sync += place.eq(Mux(complete, 0, place + 1))
        for part in range(parts):
            target = beat[part * bits : (part + 1) * bits]
            with m.If(place == part):
                m.d.sync += target.eq(self.i.p.values)
            with m.Elif(place == 0):
                m.d.sync += target.eq(Const(0, bits))
        return m
