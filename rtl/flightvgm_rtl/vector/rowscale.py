"""What a row's quantisation multiplies with, and the scale of the quantised row."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import INT8_MOST
from flightvgm_rtl.lib.zeros import leading_zeros

POINT = 24  # Fractional bits of a multiplier.
MULTIPLIER_BITS = 21
SHIFT_BITS = 8  # Fractional bits of a value that is aligned to the maximum: smaller ones quantise to zero.
_FRACTION_BITS = 23
_HIDDEN = 1 << 10

RowFactor = data.StructLayout({"multiplier": MULTIPLIER_BITS, "offset": signed(6), "scale": 32})
"""Factors of a row: the multiplier ``ceil(127 2^24 / M)`` of the maximum's normalised significand M, the offset that,
added to a value's exponent, gives how far its significand is shifted left, and the scale. Multiplier and scale of a
row of zeros are zero."""


def multiplier(significand: int) -> int:
    """``ceil(127 2^24 / significand)`` of a significand of 11 bits, the highest one set."""
    return -(-(INT8_MOST << POINT) // significand)


def scale(significand: int) -> int:
    """FP32 of ``significand / 127``: its fraction, and above that its exponent less the exponent of 8."""
    quotient = Fraction(significand, INT8_MOST)
    exponent = 1 if quotient >= 16 else 0
    rounded = round(quotient * (1 << _FRACTION_BITS - 3 - exponent))  # Nearest even; no quotient is rounded up to 16.
    return exponent << _FRACTION_BITS | rounded & (1 << _FRACTION_BITS) - 1


class RowScale(wiring.Component):
    """Factors of rows from their largest magnitudes.

    A table of the 1,024 normalised significands holds multiplier and fraction of ``fp32(m / 127)``. A row's factors
    are there 3 cycles after its maximum was taken; one row is
    in work while the factors of another one wait.

    Members
    -------
    i : In(stream.Signature(15))
        Largest magnitude of a row, FP16 without sign.
    o : Out(stream.Signature(RowFactor))
    """

    def __init__(self) -> None:
        super().__init__({"i": In(stream.Signature(15)), "o": Out(stream.Signature(RowFactor))})

    def elaborate(self, _platform: Any) -> Module:
        """Normalise, look up, pack."""
        m = Module()
        looked, found_there = Signal(), Signal()  # In work: the magnitude is here, and then the table's word.
        held = Signal()  # Factors wait at the output.
        take, load = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~looked & (~found_there | load)),
            take.eq(self.i.valid & self.i.ready),
            load.eq(found_there & (~held | self.o.ready)),
            self.o.valid.eq(held),
        ]
        m.d.sync += [
            looked.eq(take),
            found_there.eq(looked | found_there & ~load),
            held.eq(load | held & ~self.o.ready),
        ]
        magnitude = Signal(15, reset_less=True)
        with m.If(take):
            m.d.sync += magnitude.eq(self.i.payload)
        index, exponent = self._normalise(m, magnitude)
        words = [multiplier(_HIDDEN + low) | scale(_HIDDEN + low) << MULTIPLIER_BITS for low in range(_HIDDEN)]
        m.submodules.table = table = memory.Memory(
            shape=MULTIPLIER_BITS + _FRACTION_BITS + 1, depth=_HIDDEN, init=words
        )
        port = table.read_port()
        m.d.comb += [port.addr.eq(index), port.en.eq(looked)]
        unbiased = Signal(signed(6), reset_less=True)
        empty = Signal(reset_less=True)
        with m.If(looked):
            m.d.sync += [unbiased.eq(exponent), empty.eq(~magnitude.any())]
        factor, high = port.data[:MULTIPLIER_BITS], port.data[-1]
        biased = Signal(8)
        found = Signal(RowFactor, reset_less=True)
        m.d.comb += biased.eq(unbiased + (127 + 3 - 25) + high)
        with m.If(load):
            m.d.sync += [
                found.multiplier.eq(Mux(empty, 0, factor)),
                found.offset.eq(SHIFT_BITS - unbiased),
                found.scale.eq(Mux(empty, 0, Cat(port.data[MULTIPLIER_BITS:-1], biased, Const(0, 1)))),
            ]
        m.d.comb += self.o.payload.eq(found)
        return m

    @staticmethod
    def _normalise(m: Module, magnitude: Signal) -> tuple[Signal, Signal]:
        """Fraction and exponent of the maximum; a subnormal one is shifted up to have a hidden one."""
        fraction, exponent = magnitude[:10], magnitude[10:]
        zeros = leading_zeros(m, fraction, "zeros")
        index, result = Signal(10), Signal(signed(6))
        with m.If(exponent.any()):
            m.d.comb += [index.eq(fraction), result.eq(exponent)]
        with m.Else():
            m.d.comb += [index.eq((fraction << 1) << zeros), result.eq(0 - zeros)]
        return index, result
