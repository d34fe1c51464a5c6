"""Function tables of the machine, which gateware and golden model share: contents, index and interpolation.

Contents follow from decimal arithmetic of 40 digits, rounded to nearest even integers: they depend on no platform's
mathematical library. A table is indexed by the upper bits of a fixed-point argument, the *segment*; the lower bits are
the *place* inside it, from 0 to just below 1. Values count units of ``2^-value_bits``.

| table | function | argument | segment, place | words |
|---|---|---|---|---|
| ``EXP2`` | ``2^-f``, f in [0, 1) | f with 22 fractional bits | 8, 14 bits | 256 of 25 + 16 bits |
| ``RSQRT`` | ``1 / sqrt(s)``, s in [1, 4) | binade, then fraction of s | 9, 15 bits | 512 of 31 + 22 + 13 bits |
| ``GELU`` | gate at ``-a``, a in [0, 8) | a with 22 fractional bits | 8, 17 bits | 256 of 30 + 25 + 17 bits |
| ``SILU`` | gate at ``-a``, a in [0, 32) | a with 21 fractional bits | 9, 17 bits | 512 of 30 + 26 + 18 bits |

``EXP2`` holds :class:`Chords`, the others are :class:`Quadratic`. Everywhere c0 and c2 are never negative and c1 is
never positive, so that hardware may drop the sign of c1.

* ``exp2(x)`` of x <= 0: ``-x`` is truncated to 22 fractional bits; with n its integer part the result is the value
  times ``2^-n``, exact in FP32; from -32 downwards it is 0.
* ``rsqrt(x)`` of x > 0: ``x = s 4^j``; the binade of s is the last bit of the unbiased exponent of x, the fraction has
  23 bits. The value is rounded to FP32 and multiplied by ``2^-j``.
* ``gelu(x)``: ``a = |x|`` is truncated. The gate g is the value where x is negative, and one minus the value elsewhere;
  the value is 0 from the end of the domain on. The result is ``fp32(x fp32(g))``; from -8 downwards it is -0.
* ``silu(x)``: as ``gelu``, and -0 from -32 downwards. No instruction uses it: the host computes the SiLUs of an STDiT3.

Sources: the definitions of the functions. The gate of GELU is that of its tanh form,
``(1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``; the gate of SiLU is the logistic function. How far results are from
the functions is in ``docs/reference/error-budgets.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext

_CONTEXT = Context(prec=40, rounding=ROUND_HALF_EVEN)
_SQRT_2_OVER_PI = Decimal("0.7978845608028653558798921198687637369517")
_CUBIC = Decimal("0.044715")

Function = Callable[[Decimal], Decimal]


@dataclass(frozen=True)
class Chords:
    """Chords of a falling function: with ``u`` the place, ``nodes[s] - (drops[s] u >> place_bits)``.

    Parameters
    ----------
    nodes : tuple of int
        Value at the start of each segment, and at the end of the last one.
    value_bits : int
        Fractional bits of the value.
    place_bits : int
        Bits of the place inside a segment.
    """

    nodes: tuple[int, ...]
    value_bits: int
    place_bits: int

    @property
    def segments(self) -> int:
        """Segments of the domain; a power of two."""
        return len(self.nodes) - 1

    @property
    def drops(self) -> tuple[int, ...]:
        """Value at the start of each segment less that at its end; not negative."""
        return tuple(self.nodes[number] - self.nodes[number + 1] for number in range(self.segments))

    @property
    def widths(self) -> tuple[int, int]:
        """Bits of a node and of a drop, both unsigned."""
        return _width(self.nodes), _width(self.drops)

    def at(self, argument: int) -> int:
        """Value at a segment's number followed by ``place_bits`` of the place."""
        segment, place = argument >> self.place_bits, argument & (1 << self.place_bits) - 1
        return self.nodes[segment] - (self.drops[segment] * place >> self.place_bits)


@dataclass(frozen=True)
class Quadratic:
    """A parabola for each segment: with ``u`` the place, ``c0 + ((c1 + (c2 u >> place_bits)) u >> place_bits)``.

    Both shifts round down. Each parabola meets its function at the start, the middle and the end of the segment.

    Parameters
    ----------
    c0, c1, c2 : tuple of int
        Coefficients of each segment, in units of the value's last bit.
    value_bits : int
        Fractional bits of the value.
    place_bits : int
        Bits of the place inside a segment.
    """

    c0: tuple[int, ...]
    c1: tuple[int, ...]
    c2: tuple[int, ...]
    value_bits: int
    place_bits: int

    @property
    def segments(self) -> int:
        """Segments of the domain; a power of two."""
        return len(self.c0)

    @property
    def widths(self) -> tuple[int, int, int]:
        """Bits of ``c0``, ``c1`` and ``c2``: two's complement where a coefficient may be negative, else unsigned."""
        return _width(self.c0), _width(self.c1), _width(self.c2)

    def at(self, argument: int) -> int:
        """Value at a segment's number followed by ``place_bits`` of the place."""
        segment, place = argument >> self.place_bits, argument & (1 << self.place_bits) - 1
        slope = self.c1[segment] + (self.c2[segment] * place >> self.place_bits)
        return self.c0[segment] + (slope * place >> self.place_bits)


def _width(values: Sequence[int]) -> int:
    """Bits that hold all values; with a sign where one of them is negative."""
    return max((value if value >= 0 else ~value).bit_length() for value in values) + (min(values) < 0)


def _integers(values: Sequence[Decimal], bits: int) -> tuple[int, ...]:
    return tuple(int((value * (1 << bits)).to_integral_value(ROUND_HALF_EVEN)) for value in values)


def _chords(function: Function, *, segments: int, value_bits: int, place_bits: int) -> Chords:
    """Chords of a function over [0, 1)."""
    with localcontext(_CONTEXT):
        values = [function(Decimal(number) / segments) for number in range(segments + 1)]
        return Chords(_integers(values, value_bits), value_bits, place_bits)


def _quadratic(function: Function, *, starts: Sequence[Decimal], widths: Sequence[Decimal], place_bits: int,
               value_bits: int = 30) -> Quadratic:  # fmt: skip
    """Parabolas of a function over segments of the given starts and widths."""
    c0, c1, c2 = [], [], []
    with localcontext(_CONTEXT):
        for start, width in zip(starts, widths, strict=True):
            low, middle, high = (function(start + width * part / 2) for part in range(3))
            c0.append(low)
            c1.append(4 * middle - 3 * low - high)
            c2.append(2 * (low + high) - 4 * middle)
        integers = [_integers(values, value_bits) for values in (c0, c1, c2)]
        return Quadratic(integers[0], integers[1], integers[2], value_bits, place_bits)


def _gate(tail: Function, *, end: int, segments: int) -> Quadratic:
    """Gate at ``-a`` over segments of equal width of [0, end)."""
    width = Decimal(end) / segments
    starts = [number * width for number in range(segments)]
    return _quadratic(tail, starts=starts, widths=[width] * segments, place_bits=17)


def _rsqrt() -> Quadratic:
    """Segments of [1, 2), then of [2, 4), 256 each."""
    starts = [binade * (1 + Decimal(number) / 256) for binade in (1, 2) for number in range(256)]
    widths = [Decimal(binade) / 256 for binade in (1, 2) for _ in range(256)]
    return _quadratic(lambda s: 1 / s.sqrt(), starts=starts, widths=widths, place_bits=15)


def _gelu_tail(a: Decimal) -> Decimal:
    """``(1 - tanh z) / 2 = 1 / (1 + e^2z)`` with ``z = sqrt(2 / pi) (a + 0.044715 a^3)``."""
    return 1 / (1 + (2 * _SQRT_2_OVER_PI * (a + _CUBIC * a**3)).exp())


def _logistic_tail(a: Decimal) -> Decimal:
    return 1 / (1 + a.exp())


GELU_END, SILU_END = 8, 32  # From here on the gate at -a is zero.
EXP2 = _chords(lambda f: (-f * Decimal(2).ln()).exp(), segments=256, value_bits=24, place_bits=14)
RSQRT = _rsqrt()
GELU = _gate(_gelu_tail, end=GELU_END, segments=256)
SILU = _gate(_logistic_tail, end=SILU_END, segments=512)
