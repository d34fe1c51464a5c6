"""Labels on their way beside the grid: what the drain must know of a row, column or tile when its results come."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.normalise import SCALE_BIAS
from flightvgm_rtl.array.ports import SUM_BITS, Mode
from flightvgm_rtl.buffers.bank import COLUMN_LABEL_BITS, CORRECTION_BITS, EXPONENT_BITS, label
from flightvgm_rtl.lib.tree import either
from flightvgm_rtl.target.ram import Ram

Sum = data.StructLayout({"correction": SUM_BITS, "exponent": EXPONENT_BITS})
"""What turns a row's or column's sums into numbers: its correction and biased exponent; 36 in INT8."""
Factors = data.StructLayout({"scale": 32, "bias": 32})
"""Scale and bias of a column; of no meaning in FP16."""


def decode(mode: Value, entry: Any, correction: Any) -> Any:
    """:data:`Sum` of an FP16 entry, or of an INT32 correction."""
    sign = correction[-1].replicate(SUM_BITS - len(correction))
    return Mux(
        mode == Mode.FP16,
        entry[: CORRECTION_BITS + EXPONENT_BITS],
        Cat(correction, sign, Const(SCALE_BIAS // 2, EXPONENT_BITS)),
    )


class Queue(wiring.Component):
    """First in, first out, without flow control: from the cycle after an ``i_take`` to the next one ``o`` holds.

    At least two cycles lie between put and take, and at most ``depth`` are inside: whoever places it keeps that.

    Parameters
    ----------
    width, depth : int
        Bits, and places.

    Members
    -------
    i_put : In(1)
    i : In(width)
    i_take : In(1)
    o : Out(width)
    """

    def __init__(self, *, width: int, depth: int) -> None:
        self._width, self._depth = width, depth
        super().__init__({"i_put": In(1), "i": In(width), "i_take": In(1), "o": Out(width)})

    def elaborate(self, platform: Any) -> Module:
        """Write and read round and round."""
        m = Module()
        m.submodules.ram = ram = Ram(width=self._width, depth=self._depth, style="distributed")
        write, read = Signal(range(self._depth)), Signal(range(self._depth))
        m.d.comb += [
            ram.write_enable.eq(self.i_put),
            ram.write_address.eq(write),
            ram.write_data.eq(self.i),
            ram.read_enable.eq(self.i_take),
            ram.read_address.eq(read),
            self.o.eq(ram.read_data),
        ]
        for enable, place in ((self.i_put, write), (self.i_take, read)):
            with m.If(enable):
                m.d.sync += place.eq(Mux(place == self._depth - 1, 0, place + 1))
        return m


class ColumnLabels(wiring.Component):
    """Labels of the columns of a segment, which come one a cycle and are taken in the same order, twice.

    Parameters
    ----------
    columns, tiles : int
        Columns of a segment, and tiles under way at most.

    Members
    -------
    i : In(label(96)).array(columns)
        That of column c of a tile comes ``c`` cycles after that of column 0.
    i_sum, i_factors : In(1)
        Takes the next column's :data:`Sum`, and :data:`Factors`; it is there in the next cycle.
    o_sum : Out(Sum)
    o_factors : Out(Factors)
    """

    def __init__(self, *, columns: int, tiles: int) -> None:
        self._columns, self._tiles = columns, tiles
        super().__init__(
            {
                "i": In(label(COLUMN_LABEL_BITS)).array(columns),
                "i_sum": In(1),
                "i_factors": In(1),
                "o_sum": Out(Sum),
                "o_factors": Out(Factors),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Take the label that comes, of which there is one at most, and queue what it brings."""
        m = Module()
        chosen, came = Signal(label(COLUMN_LABEL_BITS)), Signal()
        held, held_valid = Signal(label(COLUMN_LABEL_BITS), reset_less=True), Signal()
        values = [Value.cast(each) for each in self.i]
        m.d.comb += [
            chosen.eq(
                either(value & each.valid.replicate(len(value)) for value, each in zip(values, self.i, strict=True))
            ),
            came.eq(chosen.valid),
        ]
        m.d.sync += held_valid.eq(came)
        with m.If(came):
            m.d.sync += held.eq(chosen)
        places = self._columns * self._tiles
        m.submodules.sums = sums = Queue(width=CORRECTION_BITS + EXPONENT_BITS, depth=places)
        m.submodules.factors = factors = Queue(width=64, depth=places)
        m.d.comb += [
            sums.i_put.eq(held_valid),
            sums.i.eq(decode(held.mode, held.data, held.data[64:])),
            sums.i_take.eq(self.i_sum),
            self.o_sum.eq(sums.o),
            factors.i_put.eq(held_valid),
            factors.i.eq(held.data),
            factors.i_take.eq(self.i_factors),
            self.o_factors.eq(factors.o),
        ]
        return m
