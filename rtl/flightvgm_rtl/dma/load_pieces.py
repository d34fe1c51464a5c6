"""Pieces of rows: whole beats of bytes, or groups of eight FP16 values."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.load_places import SLOT_BITS, TABLE_BITS, place
from flightvgm_rtl.dma.ports import BEAT_BITS, Answer, Beat

GROUP = 8  # FP16 values of a group.
GROUP_BITS = 16 * GROUP
ROW_BITS = 16  # Bits of the number of 2-byte values of a row.


def piece(words: int) -> data.StructLayout:
    """A piece: what a buffer takes in a cycle, and what it is of its row and its head.

    A group lies in the lower half of ``data``; ``strobe`` marks the values of the row at their places in the word,
    ``mask`` those of the head among the group's. ``place`` is the word in which the piece lies, followed by a
    bit for its half.
    """
    return data.StructLayout(
        {
            "data": BEAT_BITS,
            "strobe": 2 * GROUP,
            "mask": GROUP,
            "slot": SLOT_BITS,
            "place": range(2 * words),
            "table": TABLE_BITS,
            "in_head": 1,
            "head_first": 1,
            "head_last": 1,
            "row_last": 1,
        }
    )


class RowPieces(wiring.Component):
    """Cut the beats of rows into pieces: a beat of bytes, or a group of eight values of a row with heads.

    A beat gives one or two pieces, one a cycle. Heads lead a row; what lies behind them is not in a head.
    Behind the last row of a problem (of the last one, unless ``transposed``) pieces stop: ``held`` is set until
    ``resume``.

    Parameters
    ----------
    words : int
        Words in a bank of the largest buffer.

    Members
    -------
    resume : In(1)
        Go on, with a new row.
    transposed : In(1)
        Stop behind each problem, and leave beats out of the place.
    row_values, heads, head_dim : In
        2-byte values of a row, its heads, which are zero for bytes, and values of a head; still while rows come.
    beat : In(stream.Signature(Beat))
    place : In(stream.Signature(place(words)))
        A transfer for each row.
    o : Out(stream.Signature(piece(words)))
    held : Out(1)
    last : Out(1)
        The row behind which it stopped was the last one.
    error : Out(2)
        The first ``Answer`` of a beat that was not OK; holds.
    """

    def __init__(self, *, words: int) -> None:
        self._words = words
        super().__init__(
            {
                "resume": In(1),
                "transposed": In(1),
                "row_values": In(ROW_BITS),
                "heads": In(7),
                "head_dim": In(13),
                "beat": In(stream.Signature(Beat)),
                "place": In(stream.Signature(place(words))),
                "o": Out(stream.Signature(piece(words))),
                "held": Out(1, init=1),
                "last": Out(1),
                "error": Out(2),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Count what is left of the row and of its heads; put pieces into a register."""
        m = Module()
        take, row_last = Signal(), Signal()
        by_bytes, half = Signal(), Signal()
        bad = self.beat.p.error != Answer.OK
        m.d.comb += [
            by_bytes.eq(~self.heads.any()),
            take.eq(self.beat.valid & self.place.valid & ~self.held & (~self.o.valid | self.o.ready)),
            self.beat.ready.eq(take & (by_bytes | half | row_last)),
            self.place.ready.eq(take & row_last),
        ]
        with m.If(take & bad & (self.error == Answer.OK)):
            m.d.sync += self.error.eq(self.beat.p.error)
        with m.If(self.resume):
            m.d.sync += self.held.eq(0)
        with m.If(take & row_last & (self.place.p.last | (self.transposed & self.place.p.problem_last))):
            m.d.sync += [self.held.eq(1), self.last.eq(self.place.p.last)]
        with m.If(take):
            m.d.sync += self.o.valid.eq(1)
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        held = Signal(piece(self._words), reset_less=True)
        self._row(m, held, take, row_last, by_bytes, half)
        self._heads(m, held, take, row_last)
        low, high = Signal(GROUP_BITS, reset_less=True), Signal(GROUP_BITS, reset_less=True)
        upper = self.beat.p.data[GROUP_BITS:]
        with m.If(take):
            m.d.sync += low.eq(Mux(half, upper, self.beat.p.data[:GROUP_BITS]))
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += high.eq(upper)
        m.d.comb += [self.o.p[name].eq(held[name]) for name, _ in held.shape() if name != "data"]
        m.d.comb += self.o.p.data.eq(Cat(low, high))
        return m

    def _row(self, m: Module, out: Any, take: Signal, row_last: Signal, by_bytes: Signal, half: Signal) -> None:
        """The values of the row, and where they lie."""
        left, beats = Signal(ROW_BITS, reset_less=True), Signal(12, reset_less=True)
        few = Signal(2 * GROUP)
        m.d.comb += [
            row_last.eq(Mux(by_bytes, left <= 2 * GROUP, left <= GROUP)),
            few.eq(Cat(left > number for number in range(2 * GROUP))),
        ]
        with m.If(self.resume | (take & row_last)):
            m.d.sync += [left.eq(self.row_values), beats.eq(0), half.eq(0)]
        with m.Elif(take):
            m.d.sync += [left.eq(left - Mux(by_bytes, 2 * GROUP, GROUP)), half.eq(half ^ ~by_bytes)]
            with m.If(by_bytes | half):
                m.d.sync += beats.eq(beats + 1)
        halves = Mux(half, Cat(Const(0, GROUP), few[:GROUP]), few[:GROUP])
        with m.If(take):
            m.d.sync += [
                out.strobe.eq(Mux(by_bytes, few, halves)),
                out.slot.eq(self.place.p.slot),
                out.place.eq(
                    Cat(half, (self.place.p.word + Mux(self.transposed, 0, beats))[: (self._words - 1).bit_length()])
                ),
                out.table.eq(self.place.p.table),
                out.row_last.eq(row_last),
            ]

    def _heads(self, m: Module, out: Any, take: Signal, row_last: Signal) -> None:
        """Which head a group belongs to."""
        heads, left, begun = Signal(7, reset_less=True), Signal(13, reset_less=True), Signal()
        ends = Signal()
        m.d.comb += ends.eq(left <= GROUP)
        with m.If(self.resume | (take & row_last)):
            m.d.sync += [heads.eq(self.heads), left.eq(self.head_dim), begun.eq(0)]
        with m.Elif(take & ends):
            m.d.sync += [heads.eq(Mux(heads == 0, 0, heads - 1)), left.eq(self.head_dim), begun.eq(0)]
        with m.Elif(take):
            m.d.sync += [left.eq(left - GROUP), begun.eq(1)]
        with m.If(take):
            m.d.sync += [
                out.in_head.eq(heads != 0),
                out.head_first.eq(~begun),
                out.head_last.eq(ends),
                out.mask.eq(Cat(left > number for number in range(GROUP))),
            ]
