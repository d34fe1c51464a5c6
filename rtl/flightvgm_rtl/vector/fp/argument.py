"""Fixed-point arguments of function tables."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from flightvgm_rtl.lib.pipeline import delay, register

_BIAS = 127
_SIGNIFICAND_BITS = 24
ARGUMENT_LATENCY = 2
BLOCK = {"rom_style": "block"}
"""Attributes of a function table, which is a block RAM: in LUTs its words would take levels."""


def fixed_point(m: Module, value: Value, *, end: int, fraction_bits: int) -> tuple[Signal, Signal]:
    """``|value|`` of an FP32, truncated, and whether it is ``end`` or more, ``ARGUMENT_LATENCY`` cycles later.

    Parameters
    ----------
    m : Module
        Where the two stages are placed.
    value : Value
        FP32; a subnormal counts as zero.
    end : int
        End of the domain, a power of two. The argument of what lies beyond is meaningless.
    fraction_bits : int
        Fractional bits of the argument, at least those that a significand just below ``end`` has.
    """
    above = end.bit_length() - 1
    width = above + fraction_bits
    exponent = value[23:31]
    top = _BIAS + above - 1  # Exponent of the numbers just below the end.
    distance = Signal(9, name="distance")
    m.d.comb += distance.eq((top - exponent)[:9])
    inside = exponent <= top
    shift = register(m, Mux(distance[5:8].any(), 31, distance[:5]), "shift")
    significand = register(m, Cat(value[:23], exponent.any()), "significand")
    wide = Cat(Const(0, width - _SIGNIFICAND_BITS), significand)
    beyond = delay(m, ~inside, ARGUMENT_LATENCY, "beyond")
    return register(m, (wide >> shift)[:width], "argument"), beyond
