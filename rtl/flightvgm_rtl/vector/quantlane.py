"""Quantisation of one value, and the correction of a quantised row."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.flow import tree, tree_latency
from flightvgm_rtl.vector.rowscale import MULTIPLIER_BITS, POINT, SHIFT_BITS

_VALUE_BITS = 11 + SHIFT_BITS
_HALF = POINT + SHIFT_BITS - 1  # The bit of the product that counts a half.
_LOWEST = 11  # Bits of the product below this one say nothing.


class QuantiseLane(wiring.Component):
    """``round(127 i / m)`` of the exact quotient to nearest even, m being the row's maximum; one a cycle.

    The significand V of ``i``, shifted left by h places, is a multiple of 2^-8 of the maximum's last place. Its
    product P with the row's multiplier exceeds the exact quotient by less than V 2^h, hence by less than the bit 11
    + h of P, and a quotient that is no tie lies further from one than that. So P shows a tie: all bits between the
    half and the bit ``min(11 + h, 19)`` are zero.

    Members
    -------
    i : In(16)
        FP16, at most m in magnitude.
    i_multiplier, i_offset : In
        Of :data:`flightvgm_rtl.vector.rowscale.RowFactor`.
    o : Out(signed(8))
        ``latency`` cycles later.
    """

    latency = 7

    i: In(16)
    i_multiplier: In(MULTIPLIER_BITS)
    i_offset: In(signed(6))
    o: Out(signed(8))

    def elaborate(self, _platform: Any) -> Module:
        """Shift in three stages, multiply in two, decide on rounding, then round and apply the sign."""
        m = Module()
        value, sure = self._shift(m)
        product = delay(m, value * delay(m, self.i_multiplier, 3, "multiplier"), 2, "product")
        sure = delay(m, sure, 2, "sure_product")
        whole = product[_HALF + 1 : _HALF + 8]
        above = Signal()  # Something that counts lies between the half and the bits that do not count.
        m.d.comb += above.eq(product[_VALUE_BITS:_HALF].any() | (product[_LOWEST:_VALUE_BITS] & sure).any())
        up = register(m, product[_HALF] & (above | whole[0]), "up")
        magnitude = register(m, whole, "magnitude")
        negative = delay(m, self.i[15], 6, "negative")
        # Of a negative value all bits are flipped: -(w + u) is ~w + ~u + 1 in two's complement, with u of one bit.
        flipped = Signal(8)
        m.d.comb += flipped.eq(Cat(magnitude, 0) ^ negative.replicate(8))
        m.d.sync += self.o.eq((flipped + (up ^ negative))[:8].as_signed())
        return m

    def _shift(self, m: Module) -> tuple[Signal, Signal]:
        """Three stages: the shifted significand, and which bits from 11 on of the product are sure."""
        exponent = self.i[10:15]
        normal = exponent.any()
        shift = Signal(signed(7))
        m.d.comb += shift.eq(Mux(normal, exponent, 1) + self.i_offset)
        places = register(m, Mux(shift[-1], 0, shift[:5]), "places")
        significand = register(m, Mux(shift[-1], 0, Cat(self.i[:10], normal)), "significand")
        coarse = Signal(_VALUE_BITS)
        m.d.comb += coarse.eq(significand << Cat(Const(0, 2), places[2:]))
        steps = register(m, coarse, "coarse")
        fine = register(m, places[:2], "fine")
        value = Signal(_VALUE_BITS)
        m.d.comb += value.eq(steps << fine)
        sure = Signal(SHIFT_BITS)
        m.d.comb += sure.eq(
            Mux(places[3:].any(), 0, (Const((1 << SHIFT_BITS) - 1, SHIFT_BITS) << places[:3])[:SHIFT_BITS])
        )
        return register(m, value, "value"), delay(m, sure, 2, "sure")


class PairSum(wiring.Component):
    """``sum_j i[2j] i[2j + 1]`` of ``lanes`` values, an even number; ``latency`` cycles later.

    Parameters
    ----------
    lanes : int
        Values; a power of two of at least 2.

    Members
    -------
    i : In(Vector(8, lanes))
        Two's complement.
    o : Out(signed(24))
    """

    def __init__(self, *, lanes: int) -> None:
        self._lanes = lanes
        self.latency = 1 + tree_latency(lanes // 2)
        super().__init__({"i": In(Vector(8, lanes)), "o": Out(signed(24))})

    def elaborate(self, _platform: Any) -> Module:
        """Multiply pairs, then add in a tree."""
        m = Module()
        products = [
            register(m, self.i[lane].as_signed() * self.i[lane + 1].as_signed(), f"product_{lane // 2}")
            for lane in range(0, self._lanes, 2)
        ]
        m.d.comb += self.o.eq(tree(m, products, lambda a, b: a + b, "sum"))
        return m
