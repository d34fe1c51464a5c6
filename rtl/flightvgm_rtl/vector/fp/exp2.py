"""Powers of two, in FP16."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.tables import EXP2
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.fp.argument import BLOCK, fixed_point

_NODE_BITS, _DROP_BITS = EXP2.widths
_PLACE_BITS = EXP2.place_bits
_SEGMENT_BITS = (EXP2.segments - 1).bit_length()
_FRACTION_BITS = _PLACE_BITS + _SEGMENT_BITS
_DROPPED = EXP2.value_bits - 11  # Bits below the significand of a normal FP16 number.
_END = 32


class Exp2Half(wiring.Component):
    """``fp16(exp2(i))`` of ``i <= 0``, as :func:`golden.functions.exp2`, bit for bit; one a cycle.

    With n the integer part of ``-i`` the chord of the segment of :data:`flightvgm_arch.tables.EXP2` gives the value
    of the fraction, of 24 fractional bits; its shift by n and the rounding to nearest even are one step, as the
    FP32 number between them is exact. From -32 downwards the result is 0.

    Members
    -------
    i : In(32)
        FP32, not positive.
    o : Out(16)
        FP16, ``latency`` cycles later.
    """

    latency = 7

    def __init__(self) -> None:
        super().__init__({"i": In(32), "o": Out(16)})

    def elaborate(self, _platform: Any) -> Module:
        """Find the argument, look up, interpolate, shift, round."""
        m = Module()
        argument, beyond = fixed_point(m, self.i, end=_END, fraction_bits=_FRACTION_BITS)
        value = self._value(m, argument)
        sooner = delay(m, argument[_FRACTION_BITS:], 2, "sooner")
        is_normal = Signal()
        m.d.comb += is_normal.eq(sooner <= _DROPPED)
        whole, normal = register(m, sooner, "whole"), register(m, is_normal, "normal")
        # Places below those of a normal number.
        subnormal = register(m, Mux(is_normal, 0, sooner - _DROPPED)[:5], "subnormal")
        wide, kept = Signal(_NODE_BITS), Signal(_NODE_BITS)  # Kept are the bits above the sticky ones.
        ones = (1 << _NODE_BITS - _DROPPED + 1) - 1
        m.d.comb += [wide.eq(value >> subnormal), kept.eq(ones << _DROPPED - 1 << subnormal)]
        upper = register(m, wide[_DROPPED:], "upper")
        half, sticky = register(m, wide[_DROPPED - 1], "half"), register(m, (value & ~kept).any(), "sticky")
        increment = half & (upper[0] | sticky)
        base = register(m, Mux(normal, (_DROPPED - whole)[:4], 0), "base")
        magnitude = Signal(15)
        m.d.comb += magnitude.eq(Cat(Const(0, 10), base) + upper + increment)
        zero = delay(m, beyond, 4, "zero")
        m.d.comb += self.o.eq(register(m, Mux(zero, 0, magnitude), "rounded"))
        return m

    @staticmethod
    def _value(m: Module, argument: Value) -> Signal:
        """Value on the chord in units of 2^-24, three cycles behind the argument."""
        words = [node | drop << _NODE_BITS for node, drop in zip(EXP2.nodes[:-1], EXP2.drops, strict=True)]
        m.submodules.table = table = memory.Memory(
            shape=_NODE_BITS + _DROP_BITS, depth=EXP2.segments, init=words, attrs=BLOCK
        )
        port = table.read_port()
        m.d.comb += port.addr.eq(argument[_PLACE_BITS:_FRACTION_BITS])
        place = register(m, argument[:_PLACE_BITS], "place")
        product = register(m, port.data[_NODE_BITS:] * place, "product")
        node = register(m, port.data[:_NODE_BITS], "node")
        return register(m, (node - product[_PLACE_BITS:])[:_NODE_BITS], "value")
