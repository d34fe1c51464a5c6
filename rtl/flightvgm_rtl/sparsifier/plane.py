"""The cells of a plane in a band."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.sparsifier.chunks import Chunks
from flightvgm_rtl.sparsifier.ports import SLOT_BITS, TOKEN_BITS


class PlaneWalk(wiring.Component):
    """Issue the cells of a plane chunk by chunk: the middle first, then the others row by row.

    Members
    -------
    start : In(1)
        Pulse: begin a plane; none is in work.
    clear : In(1)
        Pulse: forget the columns that were taken ahead.
    height : In(4)
        Rows of the band.
    columns : In(4)
        Columns of a chunk.
    value, end, step
        Those of :class:`~flightvgm_rtl.sparsifier.chunks.Chunks`.
    room : In(1)
        A cell may be issued.
    issue : Out(1)
        A cell is issued; ``row``, ``middle``, ``slot`` and ``last`` belong to it.
    row : Out(4)
        Its row in the band.
    middle, last : Out(1)
        It is the middle of its chunk; the last cell of the plane.
    slot : Out(15)
        Its number in the plane.
    data : Out(24)
        The share of its column, a cycle later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "clear": In(1),
                "height": In(4),
                "columns": In(4),
                "value": In(TOKEN_BITS),
                "end": In(1),
                "step": Out(1),
                "room": In(1),
                "issue": Out(1),
                "row": Out(4),
                "middle": Out(1),
                "last": Out(1),
                "slot": Out(SLOT_BITS),
                "data": Out(TOKEN_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Rest, the middle of a chunk, its other cells."""
        m = Module()
        m.submodules.chunks = chunks = Chunks()
        cells = Signal(8)  # Of the chunk, that are not issued yet.
        row, column = Signal(4), Signal(4)
        busy, inside, skip, finish = Signal(), Signal(), Signal(), Signal()
        middle_row, before_row, before_column, edge = (Signal(4) for _ in range(4))
        one, narrow = Signal(), Signal()  # A single cell is left; the middle is the only column.
        m.d.comb += [
            chunks.clear.eq(self.clear),
            chunks.run.eq(busy),
            chunks.columns.eq(self.columns),
            chunks.value.eq(self.value),
            chunks.end.eq(self.end),
            self.step.eq(chunks.step),
            chunks.read.eq(self.issue),
            chunks.free.eq(finish),
            self.data.eq(chunks.data),
            middle_row.eq(self.height >> 1),
            self.last.eq(finish & chunks.last),
        ]
        with m.If(self.issue):
            m.d.sync += self.slot.eq(self.slot + 1)
        with m.If(busy & ~inside):
            m.d.comb += [
                self.issue.eq(self.room & chunks.full),
                self.row.eq(middle_row),
                chunks.column.eq(chunks.wide >> 1),
                self.middle.eq(1),
                finish.eq(self.issue & (self.height == 1) & (chunks.wide == 1)),
            ]
            m.d.sync += [
                row.eq(0),
                column.eq(0),
                cells.eq(self.height * chunks.wide - 1),
                skip.eq(0),
                one.eq(((self.height == 1) & (chunks.wide == 2)) | ((self.height == 2) & (chunks.wide == 1))),
                narrow.eq(chunks.wide == 1),
                before_row.eq(middle_row - 1),
                before_column.eq((chunks.wide >> 1) - 1),
                edge.eq(chunks.wide - 1),
            ]
            with m.If(self.issue & ~finish):
                m.d.sync += inside.eq(1)
        with m.Elif(busy):
            m.d.comb += [
                self.issue.eq(self.room & ~skip),
                self.row.eq(row),
                chunks.column.eq(column),
                finish.eq(self.issue & one),
            ]
            with m.If(self.issue):
                m.d.sync += [cells.eq(cells - 1), one.eq(cells == 2)]
            with m.If(self.issue | skip):
                m.d.sync += [column.eq(column + 1), skip.eq((row == middle_row) & (column == before_column))]
                with m.If(column == edge):
                    m.d.sync += [column.eq(0), row.eq(row + 1), skip.eq((row == before_row) & narrow)]
            with m.If(finish):
                m.d.sync += inside.eq(0)
        with m.If(self.last):
            m.d.sync += busy.eq(0)
        with m.If(self.start):
            m.d.sync += [busy.eq(1), inside.eq(0), self.slot.eq(0)]
        return m
