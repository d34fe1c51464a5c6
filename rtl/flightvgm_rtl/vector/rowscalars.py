"""Mean and reciprocal deviation of a row from its exact sums."""

import struct
from typing import Any

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import NORM_EPSILON
from flightvgm_rtl.lib.pipeline import delay
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.mean import MeanDivide
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.fp.rsqrt import Rsqrt
from flightvgm_rtl.vector.spread import COUNT_BITS, SQUARES_BITS, TOTAL_BITS, Spread

ONE = 0x3F800000
_UNIT = 36  # An aligned integer counts units of two to the biased exponent of the row's largest value, less this.
_EPSILON = int.from_bytes(struct.pack("<f", NORM_EPSILON), "little")

Scalars = data.StructLayout({"mean": 32, "deviation": 32})
"""Mean of a row, and the reciprocal of its standard deviation, FP32."""


class RowScalars(wiring.Component):
    """Scalars of a row as in steps 1 to 3 of :func:`golden.norm.layer_norm`, bit for bit; one row a cycle.

    Without ``i_norm`` the mean is +0 and the reciprocal deviation 1, which change no value.

    Members
    -------
    i_total, i_squares : In
        Sums of the row's aligned integers and of their squares.
    i_exponent : In(5)
        Biased FP16 exponent of the largest magnitude; zero counts as one.
    i_count : In(14)
        Channels of the row, n.
    i_share : In(32)
        ``fp32(1 / n)``.
    i_norm : In(1)
    o : Out(Scalars)
        ``latency`` cycles later.
    """

    latency = Spread.latency + 2 * FpMul.latency + FpAdd.latency + Rsqrt.latency

    i_total: In(signed(TOTAL_BITS))
    i_squares: In(SQUARES_BITS)
    i_exponent: In(5)
    i_count: In(COUNT_BITS)
    i_share: In(32)
    i_norm: In(1)
    o: Out(Scalars)

    def elaborate(self, _platform: Any) -> Module:
        """The mean beside the variance, which takes longer."""
        m = Module()
        unit = Signal(signed(8))
        m.d.comb += unit.eq(Mux(self.i_exponent.any(), self.i_exponent, 1) - _UNIT)
        m.submodules.divide = divide = MeanDivide(sum_bits=TOTAL_BITS, count_bits=COUNT_BITS)
        m.d.comb += [
            divide.i.eq(self.i_total),
            divide.i_count.eq(self.i_count),
            divide.i_exponent.eq(unit),
        ]
        deviation = self._deviation(m, unit)
        norm = delay(m, self.i_norm, self.latency, "norm")
        mean = delay(m, divide.o, self.latency - divide.latency, "mean")
        m.d.comb += [self.o.mean.eq(Mux(norm, mean, 0)), self.o.deviation.eq(Mux(norm, deviation, ONE))]
        return m

    def _deviation(self, m: Module, unit: Signal) -> Signal:
        """Spread, twice times the share, plus epsilon, reciprocal square root."""
        m.submodules.spread = spread = Spread()
        m.submodules.first = first = FpMul()
        m.submodules.second = second = FpMul()
        m.submodules.add = add = FpAdd()
        m.submodules.rsqrt = rsqrt = Rsqrt()
        share = delay(m, self.i_share, spread.latency, "share")
        m.d.comb += [
            spread.i_squares.eq(self.i_squares),
            spread.i_total.eq(self.i_total),
            spread.i_count.eq(self.i_count),
            spread.i_exponent.eq(unit << 1),  # Scaling by a power of two is exact, so it may come first.
            first.i_a.eq(spread.o),
            first.i_b.eq(share),
            second.i_a.eq(first.o),
            second.i_b.eq(delay(m, share, first.latency, "share_again")),
            add.i_a.eq(second.o),
            add.i_b.eq(Const(_EPSILON, 32)),
            rsqrt.i.eq(add.o),
        ]
        return rsqrt.o
