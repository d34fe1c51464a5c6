"""The normaliser: a 58-bit integer times a power of two, rounded to FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import SUM_BITS

HALF_BITS = 29
WIDE_BITS = 64
SCALE_BITS = 7
SCALE_BIAS = 72  # Twice the bias of the unit of an aligned operand: 15 + 10 + 11.
FP32_BIAS = 127
FRACTION_BITS = 23


class Normalise(wiring.Component):
    """``o = fp32(i * 2^(i_scale - 72))``, rounded to nearest even; zero gives +0.

    ``i_scale`` lies in 0..72, so that no result is subnormal. One value a cycle, ``latency`` cycles later; values
    without ``i_valid`` are not computed.

    Members
    -------
    i_valid : In(1)
    i : In(signed(58))
    i_scale : In(7)
    o_valid : Out(1)
    o : Out(32)
    """

    latency = 7

    def __init__(self) -> None:
        super().__init__(
            {
                "i_valid": In(1),
                "i": In(signed(SUM_BITS)),
                "i_scale": In(SCALE_BITS),
                "o_valid": Out(1),
                "o": Out(32),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Magnitude in two stages, shift in three, round in two."""
        m = Module()
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.i_valid, valid[:-1]))
        m.d.comb += self.o_valid.eq(valid[-1])
        signs = [Signal(name=f"sign_{stage}", reset_less=True) for stage in range(self.latency - 1)]
        scales = [Signal(SCALE_BITS, name=f"scale_{stage}", reset_less=True) for stage in range(5)]
        m.d.sync += [later.eq(sooner) for later, sooner in zip(signs[1:], signs, strict=False)]
        m.d.sync += [later.eq(sooner) for later, sooner in zip(scales[1:], scales, strict=False)]
        m.d.sync += [signs[0].eq(self.i[-1]), scales[0].eq(self.i_scale)]
        magnitude = self._magnitude(m, valid)
        normal, zeros, some = self._shift(m, valid, magnitude)
        exponent, mantissa, carry = (
            Signal(8, reset_less=True),
            Signal(FRACTION_BITS, reset_less=True),
            Signal(reset_less=True),
        )
        nonzero = Signal(reset_less=True)
        low = WIDE_BITS - 1 - FRACTION_BITS
        with m.If(valid[4]):
            m.d.sync += [
                exponent.eq(scales[4] + (FP32_BIAS - SCALE_BIAS + WIDE_BITS - 1) - zeros),
                mantissa.eq(normal[low : low + FRACTION_BITS]),
                carry.eq(normal[low - 1] & (normal[low] | normal[: low - 1].any())),
                nonzero.eq(some),
            ]
        number = Signal(32, reset_less=True)
        with m.If(valid[5]):
            m.d.sync += number.eq(Mux(nonzero, Cat((Cat(mantissa, exponent) + carry)[:31], signs[5]), 0))
        m.d.comb += self.o.eq(number)
        return m

    def _magnitude(self, m: Module, valid: Signal) -> Signal:
        """Magnitude after two cycles, a half of the carry chain in each."""
        low, high = Signal(HALF_BITS + 1, reset_less=True), Signal(HALF_BITS, reset_less=True)
        magnitude = Signal(SUM_BITS, reset_less=True)
        sign = self.i[-1]
        with m.If(self.i_valid):
            m.d.sync += [
                low.eq((self.i[:HALF_BITS] ^ sign.replicate(HALF_BITS)) + sign),
                high.eq(self.i[HALF_BITS:] ^ sign.replicate(HALF_BITS)),
            ]
        with m.If(valid[0]):
            m.d.sync += magnitude.eq(Cat(low[:HALF_BITS], (high + low[HALF_BITS])[:HALF_BITS]))
        return magnitude

    def _shift(self, m: Module, valid: Signal, magnitude: Signal) -> tuple[Signal, Signal, Signal]:
        """Magnitude shifted to the top of 64 bits, the zeros that were above it, and whether there is a one."""
        held, coarse = Signal(SUM_BITS, reset_less=True), Signal(3, reset_less=True)
        wide, coarse_2 = Signal(WIDE_BITS, reset_less=True), Signal(3, reset_less=True)
        normal, zeros = Signal(WIDE_BITS, reset_less=True), Signal(6, reset_less=True)
        some = [Signal(name=f"some_{stage}", reset_less=True) for stage in range(3)]
        extended = Signal(WIDE_BITS)
        fine = Signal(3)
        groups = Signal(8)
        m.d.comb += [
            extended.eq(magnitude),
            groups.eq(Cat(extended.word_select(7 - group, 8).any() for group in range(8))),
            fine.eq(_first_one(Cat(*reversed(wide[-8:])))),
        ]
        with m.If(valid[1]):
            m.d.sync += [held.eq(magnitude), coarse.eq(_first_one(groups)), some[0].eq(groups.any())]
        with m.If(valid[2]):
            m.d.sync += [
                wide.eq(Cat(held, Const(0, WIDE_BITS - SUM_BITS)) << Cat(Const(0, 3), coarse)),
                coarse_2.eq(coarse),
                some[1].eq(some[0]),
            ]
        with m.If(valid[3]):
            m.d.sync += [normal.eq(wide << fine), zeros.eq(Cat(fine, coarse_2)), some[2].eq(some[1])]
        return normal, zeros, some[2]


def _first_one(bits: Any) -> Any:
    """Number of the lowest one of eight bits."""
    number: Any = Const(7, 3)
    for index in reversed(range(7)):
        number = Mux(bits[index], index, number)
    return number
