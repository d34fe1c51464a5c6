"""Combinational FP32 arithmetic of the floating-point primitive's twin: nearest even, subnormals flushed.

Operands are finite. A subnormal operand counts as a zero of its sign; a result is rounded to 24 bits and then, below
2^-126, flushed to a zero of its sign; one beyond the largest is an infinity.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

BITS, FRACTION = 32, 23
_INFINITY = 255


def widen_half(half: Value) -> Value:
    """FP32 of an FP16 pattern that lies in FP32 fields: exponent ``{000, e5}``, fraction ``{m10, 13 zeros}``."""
    exponent = half[FRACTION : FRACTION + 5]
    moved = Mux(exponent == 0, 0, exponent + (127 - 15))
    return Cat(half[:FRACTION], moved[:8], half[31])


def multiply(m: Module, a: Value, b: Value) -> Value:
    """Product of two FP32 values."""
    left, right = _unpacked(m, a, "multiplicand"), _unpacked(m, b, "multiplier")
    product, exponent = Signal(48), Signal(signed(10))
    m.d.comb += [
        product.eq(left[2] * right[2]),
        exponent.eq(left[1] + right[1] - 126),
    ]
    return _packed(m, left[0] ^ right[0], exponent, product, "product")


def add(m: Module, a: Value, b: Value) -> Value:
    """Sum of two FP32 values; an exact zero is positive unless both are negative zeros."""
    swap = Signal(name="addends_swapped")
    large, small = Signal(BITS, name="addend_large"), Signal(BITS, name="addend_small")
    m.d.comb += [
        swap.eq(a[:31] < b[:31]),
        large.eq(Mux(swap, b, a)),
        small.eq(Mux(swap, a, b)),
    ]
    upper, lower = _unpacked(m, large, "large"), _unpacked(m, small, "small")
    distance, away = Signal(8, name="addend_distance"), Signal(5, name="addend_shift")
    placed, shifted, lost = Signal(27, name="addend_placed"), Signal(27, name="addend_shifted"), Signal(name="lost")
    total, negative, unlike = Signal(28, name="total"), Signal(name="total_negative"), Signal(name="signs_differ")
    m.d.comb += [
        distance.eq(upper[1] - lower[1]),
        away.eq(Mux(distance > 27, 27, distance)),
        placed.eq(Cat(Const(0, 3), lower[2])),
        shifted.eq(placed >> away),
        lost.eq((placed & ((Const(1, 1) << away) - 1)) != 0),
        unlike.eq(upper[0] ^ lower[0]),
    ]
    aligned = Signal(27, name="addend_aligned")
    m.d.comb += aligned.eq(Cat(shifted[0] | lost, shifted[1:]))
    whole = Cat(Const(0, 3), upper[2])
    m.d.comb += [
        total.eq(Mux(unlike, whole - aligned, whole + aligned)),
        negative.eq(Mux(total == 0, upper[0] & lower[0], upper[0])),
    ]
    return _packed(m, negative, upper[1] + 1, total, "sum")


def _unpacked(m: Module, value: Value, name: str) -> tuple[Value, Value, Value]:
    """Sign, biased exponent, and 24-bit significand; of a subnormal zero."""
    sign, exponent, significand = Signal(name=f"{name}_sign"), Signal(8, name=f"{name}_exponent"), Signal(24, name=name)
    m.d.comb += [
        sign.eq(value[31]),
        exponent.eq(value[FRACTION:31]),
        significand.eq(Mux(value[FRACTION:31] == 0, 0, Cat(value[:FRACTION], Const(1, 1)))),
    ]
    return sign, exponent, significand


def _packed(m: Module, sign: Value, exponent: Value, significand: Value, name: str) -> Value:
    """Normalise, round and pack ``significand``, whose highest bit has the biased ``exponent``."""
    width = len(significand)
    zeros = Signal(range(width + 1), name=f"{name}_zeros")
    normal, power = Signal(width, name=f"{name}_normal"), Signal(signed(11), name=f"{name}_power")
    m.d.comb += zeros.eq(width)
    for bit in range(width):
        with m.If(significand[bit]):
            m.d.comb += zeros.eq(width - 1 - bit)
    kept, guard, rest = normal[width - 24 :], normal[width - 25], normal[: width - 25]
    rounded = Signal(25, name=f"{name}_rounded")
    final = Signal(signed(11), name=f"{name}_final")
    packed = Signal(BITS, name=f"{name}_packed")
    m.d.comb += [
        normal.eq((significand << zeros)[:width]),
        power.eq(exponent - zeros),
        rounded.eq(kept + (guard & (kept[0] | (rest != 0)))),
        final.eq(power + rounded[24]),
        packed.eq(Cat(rounded[:FRACTION], final[:8], sign)),
    ]
    with m.If((significand == 0) | (final <= 0)):
        m.d.comb += packed.eq(Cat(Const(0, 31), sign))
    with m.Elif(final >= _INFINITY):
        m.d.comb += packed.eq(Cat(Const(0, FRACTION), Const(_INFINITY, 8), sign))
    return packed
