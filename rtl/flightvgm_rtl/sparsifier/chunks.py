"""Columns of a plane, chunk by chunk, ahead of the walk."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS
from flightvgm_rtl.target.ram import Ram


class Chunks(wiring.Component):
    """Keep the columns of two chunks: while cells of one are issued, the next one is filled.

    A column a cycle is taken from the odometer, plane after plane without end, until ``clear``.

    Members
    -------
    clear : In(1)
        Forget all columns.
    run : In(1)
        Take columns.
    columns : In(4)
        Columns of a chunk.
    value, end : In
        Share of the token number of the odometer's column, and whether it is the last one of a plane.
    step : Out(1)
        A column was taken.
    full, wide, last : Out
        A chunk is there; its columns; it is the last one of its plane.
    free : In(1)
        Go on to the next chunk.
    read, column : In
        Look up a column of the chunk; may come with ``free``.
    data : Out(24)
        What was looked up, a cycle later.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "clear": In(1),
                "run": In(1),
                "columns": In(4),
                "value": In(TOKEN_BITS),
                "end": In(1),
                "step": Out(1),
                "full": Out(1),
                "wide": Out(4),
                "last": Out(1),
                "free": In(1),
                "read": In(1),
                "column": In(4),
                "data": Out(TOKEN_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Fill one half of the memory while the other one is read."""
        m = Module()
        m.submodules.ram = ram = Ram(width=TOKEN_BITS, depth=32, style="distributed")
        filled, wides, lasts = Signal(2), Signal(Vector(4, 2)), Signal(2)
        writing, reading, count = Signal(), Signal(), Signal(4)
        complete = Signal()
        m.d.comb += [
            self.step.eq(self.run & ~filled.bit_select(writing, 1) & ~self.clear),
            complete.eq(self.step & (self.end | (count + 1 == self.columns))),
            ram.write_enable.eq(self.step),
            ram.write_address.eq(Cat(count, writing)),
            ram.write_data.eq(self.value),
            self.full.eq(filled.bit_select(reading, 1)),
            self.wide.eq(wides[reading]),
            self.last.eq(lasts.bit_select(reading, 1)),
            ram.read_enable.eq(self.read),
            ram.read_address.eq(Cat(self.column, reading)),
            self.data.eq(ram.read_data),
        ]
        with m.If(self.clear):
            m.d.sync += [filled.eq(0), writing.eq(0), reading.eq(0), count.eq(0)]
        with m.Else():
            with m.If(self.step):
                m.d.sync += count.eq(Mux(complete, 0, count + 1))
            with m.If(complete):
                m.d.sync += [
                    filled.bit_select(writing, 1).eq(1),
                    wides[writing].eq(count + 1),
                    lasts.bit_select(writing, 1).eq(self.end),
                    writing.eq(~writing),
                ]
            with m.If(self.free):
                m.d.sync += [filled.bit_select(reading, 1).eq(0), reading.eq(~reading)]
        return m
