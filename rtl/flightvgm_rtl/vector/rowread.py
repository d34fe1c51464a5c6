"""Rows of FP16 values from memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, Answer, ReadPort
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.vector.rowlocate import PITCH_BITS, Place
from flightvgm_rtl.vector.rowunpack import GROUPS_BITS, RowUnpack, unpacked

_AHEAD = 32  # Rows that are under way.


class RowRead(wiring.Component):
    """Read rows from their places, and cut them into groups; up to 32 rows are under way.

    Parameters
    ----------
    lanes : int
        Values of a group: 4, 8 or 16.

    Members
    -------
    beats : In(10)
        Beats of a row.
    groups, tail : In
        As of :class:`flightvgm_rtl.vector.rowunpack.RowUnpack`.
    stop : In(1)
        No request begins.
    i : In(stream.Signature(Place))
    o : Out(stream.Signature(unpacked(lanes)))
    read : Out(ReadPort())
    error : Out(2)
        How a read failed, for a cycle or longer; the beat is not taken.
    address : Out(40)
        Of the row that failed.
    """

    def __init__(self, *, lanes: int) -> None:
        self._lanes = lanes
        super().__init__(
            {
                "beats": In(PITCH_BITS),
                "groups": In(GROUPS_BITS),
                "tail": In(lanes),
                "stop": In(1),
                "i": In(stream.Signature(Place)),
                "o": Out(stream.Signature(unpacked(lanes))),
                "read": Out(ReadPort()),
                "error": Out(2),
                "address": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Ask, remember what for, unpack."""
        m = Module()
        m.submodules.asked = asked = Fifo(ADDRESS_BITS, depth=_AHEAD, style="distributed")
        m.submodules.unpack = unpack = RowUnpack(lanes=self._lanes)
        wiring.connect(m, wiring.flipped(self.o), unpack.o)
        request, beat = self.read.request, self.read.beat
        free, good, beyond = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(asked.i.ready & ~self.stop & ~self.i.p.beyond),
            request.valid.eq(self.i.valid & free),
            request.p.address.eq(self.i.p.address),
            request.p.beats.eq(self.beats),
            self.i.ready.eq(request.ready & free),
            asked.i.valid.eq(self.i.valid & self.i.ready),
            asked.i.payload.eq(self.i.p.address),
            good.eq(beat.p.error == Answer.OK),
            unpack.groups.eq(self.groups),
            unpack.tail.eq(self.tail),
            unpack.i.valid.eq(beat.valid & good),
            unpack.i.payload.eq(beat.p.data),
            beat.ready.eq(unpack.i.ready & good),
            asked.o.ready.eq(unpack.row_taken),
            beyond.eq(self.i.valid & self.i.p.beyond),
            self.error.eq(Mux(beat.valid & ~good, beat.p.error, Mux(beyond, Answer.WINDOW, Answer.OK))),
            self.address.eq(Mux(beat.valid & ~good, asked.o.payload, self.i.p.address)),
        ]
        return m
