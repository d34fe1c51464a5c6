"""GELU in FP32."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.tables import GELU, GELU_END
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.fp.argument import ARGUMENT_LATENCY, BLOCK, fixed_point
from flightvgm_rtl.vector.fp.int_to_fp import IntToFp
from flightvgm_rtl.vector.fp.mul import FpMul

_C0_BITS, _C1_BITS, _C2_BITS = GELU.widths
_PLACE_BITS = GELU.place_bits
_SEGMENT_BITS = (GELU.segments - 1).bit_length()
_FRACTION_BITS = _PLACE_BITS + _SEGMENT_BITS - (GELU_END.bit_length() - 1)
_GATE_LATENCY = ARGUMENT_LATENCY + 6
_CONVERTED_BITS = 32


class Gelu(wiring.Component):
    """GELU in its tanh form, as :func:`golden.functions.gelu`, bit for bit; one a cycle.

    ``fp32(i fp32(g))``: the parabola of the segment of :data:`flightvgm_arch.tables.GELU` at ``|i|`` is the gate g
    where i is negative, and one minus the gate elsewhere; it is 0 from 8 on.

    Members
    -------
    i : In(32)
        FP32, finite.
    o : Out(32)
        FP32, ``latency`` cycles later.
    """

    latency = _GATE_LATENCY + IntToFp(width=_CONVERTED_BITS).latency + FpMul.latency

    def __init__(self) -> None:
        super().__init__({"i": In(32), "o": Out(32)})

    def elaborate(self, _platform: Any) -> Module:
        """Find the tail of the gate, convert the gate, multiply."""
        m = Module()
        m.submodules.convert = convert = IntToFp(width=_CONVERTED_BITS)
        m.submodules.multiply = multiply = FpMul()
        argument, beyond = fixed_point(m, self.i, end=GELU_END, fraction_bits=_FRACTION_BITS)
        tail = self._tail(m, argument)
        kept = Signal(_C0_BITS)
        m.d.comb += kept.eq(Mux(delay(m, beyond, 5, "beyond_tail"), 0, tail))
        negative = delay(m, self.i[31], _GATE_LATENCY - 1, "negative")
        gate = register(m, Mux(negative, kept, ((1 << GELU.value_bits) - kept)[: GELU.value_bits + 1]), "gate")
        m.d.comb += [
            convert.i.eq(gate),
            convert.i_exponent.eq(-GELU.value_bits),
            multiply.i_a.eq(delay(m, self.i, _GATE_LATENCY + convert.latency, "value")),
            multiply.i_b.eq(convert.o),
            self.o.eq(multiply.o),
        ]
        return m

    @staticmethod
    def _tail(m: Module, argument: Value) -> Signal:
        """Gate at ``-|i|`` in units of 2^-30, five cycles behind the argument."""
        words = [
            c0 | -c1 << _C0_BITS | c2 << _C0_BITS + _C1_BITS
            for c0, c1, c2 in zip(GELU.c0, GELU.c1, GELU.c2, strict=True)
        ]
        m.submodules.table = table = memory.Memory(
            shape=_C0_BITS + _C1_BITS + _C2_BITS, depth=GELU.segments, init=words, attrs=BLOCK
        )
        port = table.read_port()
        m.d.comb += port.addr.eq(argument[_PLACE_BITS:])
        place = register(m, argument[:_PLACE_BITS], "place")
        bend = register(m, port.data[_C0_BITS + _C1_BITS :] * place, "bend")
        fall = register(m, port.data[_C0_BITS : _C0_BITS + _C1_BITS], "fall")
        # c1 is never positive: the slope falls, by its magnitude less the floor of the bend.
        slope = register(m, (fall - bend[_PLACE_BITS:])[: _C1_BITS - 1], "slope")
        drop = register(m, slope * delay(m, place, 2, "place_slope"), "drop")
        start = delay(m, port.data[:_C0_BITS], 3, "start")
        # The floor of a negative number is the negative of the ceiling of its magnitude.
        ceiling = Signal(_C1_BITS + 1)
        m.d.comb += ceiling.eq(drop[_PLACE_BITS:] + drop[:_PLACE_BITS].any())
        return register(m, (start - ceiling)[:_C0_BITS], "tail")
