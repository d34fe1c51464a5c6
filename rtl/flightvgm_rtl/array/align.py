"""Alignment of an FP16 value to a 23-bit integer."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_rtl.buffers.bank import EXPONENT_BITS

FRACTION_BITS = 10
MAGNITUDE_BITS = ALIGNED_BITS - 1


class Align(wiring.Component):
    """``o = trunc(i / 2^(i_exponent - 36))``, the value as a multiple of the unit of its row or column.

    ``i_exponent`` is the biased exponent of the largest magnitude, at least 1, and at least that of ``i``; a subnormal
    has exponent 1 and no hidden one. :func:`flightvgm_sim.golden.align.align` is the reference. A value with ``i_mask``
    gives zero whatever it is. One value a cycle, ``latency`` cycles later; ``o`` is the negation, one carry chain,
    behind the last registers.

    Members
    -------
    i : In(16)
        FP16, finite.
    i_mask : In(1)
    i_exponent : In(6)
    o : Out(signed(23))
    """

    latency = 2

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(16),
                "i_mask": In(1),
                "i_exponent": In(EXPONENT_BITS),
                "o": Out(signed(ALIGNED_BITS)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Find the shift, shift, negate."""
        m = Module()
        exponent, normal = Signal(5), Signal()
        shift, significand = Signal(5, reset_less=True), Signal(FRACTION_BITS + 1, reset_less=True)
        signs = Signal(2, reset_less=True)
        magnitude = Signal(MAGNITUDE_BITS, reset_less=True)
        m.d.comb += [
            exponent.eq(self.i[FRACTION_BITS:15]),
            normal.eq(exponent != 0),
            self.o.eq((Cat(magnitude, Const(0, 1)) ^ signs[1].replicate(ALIGNED_BITS)) + signs[1]),
        ]
        m.d.sync += [
            shift.eq(self.i_exponent - Mux(normal, exponent, 1)),
            significand.eq(Mux(self.i_mask, 0, Cat(self.i[:FRACTION_BITS], normal))),
            signs.eq(Cat(self.i[15], signs[0])),
            magnitude.eq(Cat(Const(0, MAGNITUDE_BITS - FRACTION_BITS - 1), significand) >> shift),
        ]
        return m
