"""A lane of the drain: both corrections are subtracted, and the sum becomes FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.normalise import HALF_BITS, SCALE_BITS, Normalise
from flightvgm_rtl.array.ports import SUM_BITS, Mode

INT8_SUM_BITS = 28


class DrainLane(wiring.Component):
    """``o = fp32((i - i_row - i_column) * 2^(i_scale - 72))``, rounded once.

    The difference is taken modulo 2^58 in FP16, modulo 2^28 in INT8, and counts as signed. One value a cycle,
    ``latency`` cycles later; values without ``i_valid`` are not computed.

    Members
    -------
    i_valid : In(1)
    i_mode : In(Mode)
    i, i_row, i_column : In(58)
        Sum of the grid, and corrections of its row and column.
    i_scale : In(7)
        72 in INT8; the sum of both biased exponents in FP16.
    o_valid : Out(1)
    o : Out(32)
    """

    latency = Normalise.latency + 2

    def __init__(self) -> None:
        super().__init__(
            {
                "i_valid": In(1),
                "i_mode": In(Mode),
                "i": In(SUM_BITS),
                "i_row": In(SUM_BITS),
                "i_column": In(SUM_BITS),
                "i_scale": In(SCALE_BITS),
                "o_valid": Out(1),
                "o": Out(32),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Reduce three terms to two, add the lower half, then the upper one; then normalise."""
        m = Module()
        m.submodules.normalise = normalise = Normalise()
        ones, twos = Signal(SUM_BITS), Signal(SUM_BITS)  # i - row - column = ones + twos + 1.
        low = Signal(HALF_BITS + 1, reset_less=True)
        high_ones, high_twos = Signal(HALF_BITS, reset_less=True), Signal(HALF_BITS, reset_less=True)
        valid, mode, scale = Signal(2), Signal(Mode, reset_less=True), Signal(2 * SCALE_BITS, reset_less=True)
        row, column = Signal(SUM_BITS), Signal(SUM_BITS)
        high = Signal(HALF_BITS)
        total = Signal(SUM_BITS, reset_less=True)
        m.d.comb += [
            row.eq(~self.i_row),
            column.eq(~self.i_column),
            ones.eq(self.i ^ row ^ column),
            twos.eq(Cat(Const(1, 1), (self.i & row | self.i & column | row & column)[:-1])),
            high.eq(high_ones + high_twos + low[-1]),
        ]
        m.d.sync += [valid.eq(Cat(self.i_valid, valid[0])), scale.eq(Cat(self.i_scale, scale[:SCALE_BITS]))]
        with m.If(self.i_valid):
            m.d.sync += [
                low.eq((Cat(Const(1, 1), ones[:HALF_BITS]) + Cat(Const(1, 1), twos[:HALF_BITS]))[1:]),
                high_ones.eq(ones[HALF_BITS:]),
                high_twos.eq(twos[HALF_BITS:]),
                mode.eq(self.i_mode),
            ]
        with m.If(valid[0]):
            m.d.sync += total.eq(
                Mux(
                    mode == Mode.INT8,
                    Cat(low[:INT8_SUM_BITS], low[INT8_SUM_BITS - 1].replicate(SUM_BITS - INT8_SUM_BITS)),
                    Cat(low[:HALF_BITS], high),
                )
            )
        m.d.comb += [
            normalise.i_valid.eq(valid[1]),
            normalise.i.eq(total.as_signed()),
            normalise.i_scale.eq(scale[SCALE_BITS:]),
            self.o_valid.eq(normalise.o_valid),
            self.o.eq(normalise.o),
        ]
        return m
