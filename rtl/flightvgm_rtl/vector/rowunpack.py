"""Rows of FP16 values from words of 256 bits."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import BEAT_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.vector import Vector

GROUPS_BITS = 12
_VALUES = BEAT_BITS // 16


def unpacked(lanes: int) -> data.StructLayout:
    """Layout of ``lanes`` values of a row; ``infinite`` marks a group with an infinity or NaN."""
    return data.StructLayout({"values": Vector(16, lanes), "last": 1, "infinite": 1})


class RowUnpack(wiring.Component):
    """Cut words into groups of ``lanes`` values, one a cycle; each row begins with a word.

    What lies behind the last value of a row becomes zero.

    Parameters
    ----------
    lanes : int
        Values of a group: 4, 8 or 16.

    Members
    -------
    groups : In(12)
        Groups of a row, less one. This and the tail must stay as they are from two cycles before a row comes until it
        has left.
    tail : In(lanes)
        Which values of the last group belong to the row.
    i : In(stream.Signature(256))
    o : Out(stream.Signature(unpacked(lanes)))
    row_taken : Out(1)
        The last word of a row is taken in this cycle.
    """

    def __init__(self, *, lanes: int) -> None:
        self._lanes = lanes
        super().__init__(
            {
                "groups": In(GROUPS_BITS),
                "tail": In(lanes),
                "i": In(stream.Signature(BEAT_BITS)),
                "o": Out(stream.Signature(unpacked(lanes))),
                "row_taken": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Count pieces of a word and groups of a row; then a FIFO."""
        m = Module()
        lanes = self._lanes
        m.submodules.fifo = fifo = Fifo(unpacked(lanes), depth=4, style="distributed")
        wiring.connect(m, wiring.flipped(self.o), fifo.o)
        pieces = _VALUES // lanes
        piece, following = Signal(range(max(2, pieces))), Signal(GROUPS_BITS, init=1)
        first, last, single = Signal(init=1), Signal(), Signal()  # Of this group; whether rows have one group.
        whole, move = Signal(), Signal()
        part = Signal(16 * lanes)
        m.d.comb += [
            whole.eq(last | (piece == pieces - 1)),
            move.eq(self.i.valid & fifo.i.ready),
            part.eq(self.i.payload.word_select(piece, 16 * lanes) if pieces > 1 else self.i.payload),
            fifo.i.valid.eq(self.i.valid),
            fifo.i.p.last.eq(last),
            self.i.ready.eq(fifo.i.ready & whole),
            self.row_taken.eq(move & last),
        ]
        infinite = Signal(lanes)
        for lane in range(lanes):
            value = Signal(16, name=f"value_{lane}")
            m.d.comb += [
                value.eq(Mux(last & ~self.tail[lane], 0, part[16 * lane : 16 * lane + 16])),
                fifo.i.p.values[lane].eq(value),
                infinite[lane].eq(value[10:15].all()),
            ]
        m.d.comb += fifo.i.p.infinite.eq(infinite.any())
        with m.If(move):
            m.d.sync += [
                piece.eq(Mux(whole, 0, piece + 1)),
                following.eq(Mux(last, 1, following + 1)),
                first.eq(last),
                last.eq(Mux(last, single, following == self.groups)),
            ]
        with m.Elif(first):
            m.d.sync += last.eq(single)
        m.d.sync += single.eq(self.groups == 0)
        return m
