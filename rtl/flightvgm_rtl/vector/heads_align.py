"""Alignment of a group of FP16 values to 23-bit integers."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.heads_store import EXPONENT_BITS, GROUP

_MAGNITUDE = ALIGNED_BITS - 1
_SIGNIFICAND = 11


class HeadAlign(wiring.Component):
    """``trunc(x / 2^e)`` of eight values; a masked value gives 0.

    ``e + 36`` is the biased exponent that is the largest of their head.
    :func:`golden.align.align` is the reference, bit for bit. One group a cycle.

    Members
    -------
    values : In(128)
    mask : In(8)
    exponent : In(5)
        At least 1, and at least that of each value.
    o : Out(Vector(23, 8))
        Two's complement, ``latency`` cycles later.
    """

    latency = 4

    def __init__(self) -> None:
        super().__init__(
            {
                "values": In(16 * GROUP),
                "mask": In(GROUP),
                "exponent": In(EXPONENT_BITS),
                "o": Out(Vector(ALIGNED_BITS, GROUP)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Distance, two steps of the shift, sign."""
        m = Module()
        for lane in range(GROUP):
            m.d.comb += self.o[lane].eq(self._lane(m, self.values[16 * lane : 16 * lane + 16], self.mask[lane], lane))
        return m

    def _lane(self, m: Module, value: Value, valid: Value, lane: int) -> Signal:
        fraction, exponent = value[:10], value[10:15]
        normal = exponent.any()
        significand = register(m, Mux(valid, Cat(fraction, normal), 0), f"significand_{lane}")
        distance = register(m, (self.exponent - Cat(exponent[0] | ~normal, exponent[1:]))[:5], f"distance_{lane}")
        sign = delay(m, value[15], 3, f"sign_{lane}")
        wide = Cat(Const(0, _MAGNITUDE - _SIGNIFICAND), significand)
        near = register(m, (wide >> distance[:2])[:_MAGNITUDE], f"near_{lane}")
        coarse = register(m, distance[2:], f"coarse_{lane}")
        magnitude = register(m, (near >> (coarse << 2))[:_MAGNITUDE], f"magnitude_{lane}")
        return register(m, Mux(sign, -magnitude, magnitude)[:ALIGNED_BITS], f"aligned_{lane}")
