"""Exact sums of products over a head."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector

PRODUCT_BITS = 2 * ALIGNED_BITS
SUM_BITS = 58
_LOW = 28  # Bits of the lower part of a sum; parts keep carry chains short.


class HeadSum(wiring.Component):
    """Sum of products of two aligned values each, over all groups of a head, modulo 2^58.

    ``sum_g sum_i a[i] b[i]``; products and sums are exact, so the result is, where it fits 58 bits. One group a
    cycle; groups of a head need not follow each other.

    Parameters
    ----------
    products : int
        Products of a group; a power of two.

    Members
    -------
    valid, first, last : In(1)
    a, b : In(Vector(23, products))
        Two's complement.
    o_valid : Out(1)
        A head's last group was taken ``latency`` cycles ago.
    o : Out(58)
        Two's complement.
    """

    def __init__(self, *, products: int) -> None:
        self._products = products
        self._levels = products.bit_length() - 1
        self.latency = 2 + self._levels + 3
        vector = Vector(ALIGNED_BITS, products)
        super().__init__(
            {
                "valid": In(1),
                "first": In(1),
                "last": In(1),
                "a": In(vector),
                "b": In(vector),
                "o_valid": Out(1),
                "o": Out(SUM_BITS),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Multiply, add by a tree, accumulate the lower and, a cycle later, the upper parts."""
        m = Module()
        low, high = self._tree(m)
        before = 2 + self._levels
        valid = Signal(before + 3)
        m.d.sync += valid.eq((valid << 1) | self.valid)
        first = delay(m, self.first, before, "first_sum")
        last = delay(m, self.last, before + 3, "last_sum")
        part, carry = Signal(_LOW, reset_less=True), Signal(_LOW)
        total = Signal(_LOW + self._levels + 1)
        m.d.comb += total.eq(low + Mux(first, 0, part))
        with m.If(valid[before - 1]):
            m.d.sync += part.eq(total[:_LOW])
        carry = register(m, total[_LOW:], "carry")
        upper = register(m, high, "upper")
        whole = register(m, (upper + carry).as_signed(), "whole")
        result = Signal(SUM_BITS - _LOW, reset_less=True)
        begins = delay(m, first, 2, "begins")
        with m.If(valid[before + 1]):
            m.d.sync += result.eq(whole + Mux(begins, 0, result))
        m.d.comb += [
            self.o_valid.eq(valid[before + 2] & last),
            self.o.eq(Cat(delay(m, part, 2, "part_of_result"), result)),
        ]
        return m

    def _tree(self, m: Module) -> tuple[Value, Value]:
        """Sums of the lower and of the upper parts of the products."""
        lows: list[Value] = []
        highs: list[Value] = []
        for lane in range(self._products):
            a = register(m, self.a[lane].as_signed(), f"a_{lane}")
            b = register(m, self.b[lane].as_signed(), f"b_{lane}")
            product = Signal(signed(PRODUCT_BITS), name=f"product_{lane}", reset_less=True)
            m.d.sync += product.eq(a * b)
            lows.append(product[:_LOW])
            highs.append(product[_LOW:].as_signed())
        for level in range(self._levels):
            pairs = range(0, len(lows), 2)
            lows = [register(m, lows[pair] + lows[pair + 1], f"low_{level}_{pair}") for pair in pairs]
            highs = [register(m, highs[pair] + highs[pair + 1], f"high_{level}_{pair}") for pair in pairs]
        return lows[0], highs[0]
