"""Correctly rounded quotient of two integers, as FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.zeros import leading_zeros

DIGITS = 26  # The first may be zero: 24 of the significand, one to round with.
_DIGITS_AT_ONCE = 2
_BIAS = 127


class MeanDivide(wiring.Component):
    """``fp32(i / i_count) 2^i_exponent``: the exact quotient, rounded once to nearest even.

    Both magnitudes are shifted until their highest bit is set; then restoring division gives two digits a stage.
    What remains and the digits that are dropped tell whether the quotient lies above, on or below a tie. The result
    must be normal, or zero; a zero is positive. One quotient a cycle.

    Parameters
    ----------
    sum_bits : int
        Bits of the dividend, two's complement.
    count_bits : int
        Bits of the divisor; at most those of the dividend, less one.

    Members
    -------
    i : In(signed(sum_bits))
    i_count : In(count_bits)
        At least 1.
    i_exponent : In(signed(8))
    o : Out(32)
        ``latency`` cycles later.
    """

    latency = 5 + DIGITS // _DIGITS_AT_ONCE + 2

    def __init__(self, *, sum_bits: int = 36, count_bits: int = 14) -> None:
        if not 2 <= count_bits < sum_bits:
            raise ValueError(
                f"a divisor of {count_bits} bits does not fit a dividend of {sum_bits}; give it fewer bits"
            )
        self._sum_bits = sum_bits
        self._count_bits = count_bits
        super().__init__(
            {
                "i": In(signed(sum_bits)),
                "i_count": In(count_bits),
                "i_exponent": In(signed(8)),
                "o": Out(32),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Normalise, divide, round."""
        m = Module()
        dividend, divisor, exponent, zero = self._normalise(m)
        digits, rest = self._divide(m, dividend, divisor)
        cycles = DIGITS // _DIGITS_AT_ONCE
        negative = delay(m, self.i[-1], 5 + cycles, "negative")
        self._round(m, digits, rest, delay(m, exponent, cycles, "exponent"), negative, delay(m, zero, cycles, "zero"))
        return m

    def _normalise(self, m: Module) -> tuple[Signal, Signal, Signal, Signal]:
        """Five cycles: magnitudes with their highest bit set, exponent of the first digit, and whether it is zero."""
        bits, count_bits = self._sum_bits, self._count_bits
        half = bits // 2
        low, negative = register(m, self.i.as_unsigned(), "signed_sum"), register(m, self.i[-1], "signed_negative")
        pattern, lower, upper = Signal(bits), Signal(half + 1), Signal(bits - half)
        m.d.comb += [pattern.eq(Mux(negative, ~low, low)), lower.eq(pattern[:half] + negative)]
        lower_one, upper_one = register(m, lower, "lower_one"), register(m, pattern[half:], "upper_one")
        m.d.comb += upper.eq(upper_one + lower_one[half])
        sum_one, count_one = (
            register(m, Cat(lower_one[:half], upper), "sum_one"),
            delay(m, self.i_count, 3, "count_one"),
        )
        sum_zeros = register(m, leading_zeros(m, sum_one, "sum_leading"), "sum_zeros")
        count_zeros = register(m, leading_zeros(m, count_one, "count_leading"), "count_zeros")
        sum_two, count_two = register(m, sum_one, "sum_two"), register(m, count_one, "count_two")
        exponent_two = delay(m, self.i_exponent, 4, "exponent_two")
        # The quotient of the normalised magnitudes, taken as fractions of one, has its first digit in the place of one.
        exponent = Signal(signed(10))
        m.d.comb += exponent.eq(exponent_two + (bits - count_bits + _BIAS) - sum_zeros + count_zeros)
        sum_shifted, count_shifted = Signal(bits), Signal(count_bits)
        m.d.comb += [sum_shifted.eq(sum_two << sum_zeros), count_shifted.eq(count_two << count_zeros)]
        return (
            register(m, sum_shifted, "dividend"),
            register(m, count_shifted, "divisor"),
            register(m, exponent, "first_exponent"),
            register(m, sum_two == 0, "is_zero"),
        )

    def _divide(self, m: Module, dividend: Signal, divisor: Signal) -> tuple[Value, Value]:
        """Digits of the quotient, the highest first, and whether anything remains."""
        count_bits = self._count_bits
        # Above: what is left of the dividend so far. Below: digits of the dividend that have not been taken.
        rest: Value = dividend[-count_bits:]
        below: Value = dividend[:-count_bits]
        digits: Value = Const(0, 0)
        for stage in range(DIGITS // _DIGITS_AT_ONCE):
            for step in range(_DIGITS_AT_ONCE):
                name = f"{stage}_{step}"
                wide = Signal(count_bits + 1, name=f"rest_{name}")
                less = Signal(signed(count_bits + 2), name=f"less_{name}")
                fits = Signal(name=f"fits_{name}")
                left = Signal(count_bits, name=f"left_{name}")
                m.d.comb += [
                    wide.eq(rest),
                    less.eq(wide - divisor),
                    fits.eq(~less[-1]),
                    left.eq(Mux(fits, less[:count_bits], wide[:count_bits])),
                ]
                digits = Cat(fits, digits)
                following = below[-1] if len(below) else Const(0, 1)
                below = below[:-1] if len(below) else below
                rest = Cat(following, left)
            rest, digits = register(m, rest, f"rest_{stage}"), register(m, digits, f"digits_{stage}")
            below = register(m, below, f"below_{stage}") if len(below) else below
            divisor = register(m, divisor, f"divisor_{stage}")
        below_any = below.any() if len(below) else Const(0, 1)
        return digits, rest.any() | below_any

    def _round(self, m: Module, digits: Value, more: Value, exponent: Signal, negative: Signal, zero: Signal) -> None:
        """Nearest even: 2 cycles."""
        first = Signal()
        significand = Signal(25)  # 24 bits and the one to round with.
        sticky = Signal()
        m.d.comb += [
            first.eq(digits[-1]),
            significand.eq(Mux(first, digits[1:], digits[:-1])),
            sticky.eq(more | first & digits[0]),
        ]
        rounded = Signal(25)
        m.d.comb += rounded.eq(significand[1:] + (significand[0] & (sticky | significand[1])))
        kept = register(m, rounded, "kept")
        kept_exponent = register(m, exponent - ~first, "kept_exponent")
        kept_sign, kept_zero = register(m, negative & ~zero, "kept_sign"), register(m, zero, "kept_zero")
        carried = kept[24]
        biased = Signal(8)
        m.d.comb += biased.eq(kept_exponent + carried)
        packed = Signal(32)
        with m.If(~kept_zero):
            m.d.comb += packed.eq(Cat(Mux(carried, 0, kept[:23]), biased, kept_sign))
        m.d.comb += self.o.eq(register(m, packed, "packed"))
