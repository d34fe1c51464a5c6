"""Rotary position embedding of interleaved pairs."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.mul import FpMul


class Rope(wiring.Component):
    """Turn each pair ``(a, b)``; one group a cycle.

    It becomes ``(fp32(fp32(a cos) - fp32(b sin)), fp32(fp32(b cos) + fp32(a sin)))``.
    :func:`golden.rope.rotate` is the reference, bit for bit.

    Parameters
    ----------
    pairs : int
        Pairs of a group.

    Members
    -------
    i : In(Vector(32, 2 * pairs))
        FP32: a and b of each pair.
    table : In(Vector(32, 2 * pairs))
        FP32: cos and sin of each pair.
    o : Out(Vector(32, 2 * pairs))
        ``latency`` cycles later.
    """

    latency = FpMul.latency + FpAdd.latency

    def __init__(self, *, pairs: int) -> None:
        self._pairs = pairs
        vector = Vector(32, 2 * pairs)
        super().__init__({"i": In(vector), "table": In(vector), "o": Out(vector)})

    def elaborate(self, platform: Any) -> Module:
        """Four products and two sums a pair."""
        m = Module()
        for pair in range(self._pairs):
            a, b = self.i[2 * pair], self.i[2 * pair + 1]
            cosine, sine = self.table[2 * pair], self.table[2 * pair + 1]
            operands = {"a_cos": (a, cosine), "b_sin": (b, sine), "b_cos": (b, cosine), "a_sin": (a, sine)}
            products = {}
            for name, (value, factor) in operands.items():
                m.submodules[f"{name}_{pair}"] = product = FpMul()
                m.d.comb += [product.i_a.eq(value), product.i_b.eq(factor)]
                products[name] = product.o
            m.submodules[f"first_{pair}"] = first = FpAdd()
            m.submodules[f"second_{pair}"] = second = FpAdd()
            subtrahend = products["b_sin"]
            m.d.comb += [
                first.i_a.eq(products["a_cos"]),
                first.i_b.eq(Cat(subtrahend[:31], ~subtrahend[31])),
                second.i_a.eq(products["b_cos"]),
                second.i_b.eq(products["a_sin"]),
                self.o[2 * pair].eq(first.o),
                self.o[2 * pair + 1].eq(second.o),
            ]
        return m
