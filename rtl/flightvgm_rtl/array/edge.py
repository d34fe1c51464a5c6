"""The operand edge: formats a piece of a bank's word for the pre-adder and port B of a cascade."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.align import Align
from flightvgm_rtl.array.ports import B_BITS, PRE_BITS, Mode, operands
from flightvgm_rtl.buffers.bank import feed
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.pe.flags import Flags

PRE_LOW_BITS, B_LOW_BITS, HIGH_BITS = 18, 15, 9


class Edge(wiring.Component):
    """Format one feed a cycle, ``latency`` cycles later, as :func:`flightvgm_rtl.array.ports.operands` describes.

    FP16 values are aligned with the exponent that came with the first feed; in both modes values from ``count`` on are
    zero. Outputs keep their values between feeds.

    Parameters
    ----------
    depth : int
        Slices of the cascade.
    column : bool
        Operands of a column, else of a row.

    Members
    -------
    i : In(feed())
    o : Out(operands(depth))
    o_flags : Out(Flags)
    """

    latency = 4

    def __init__(self, *, depth: int, column: bool) -> None:
        self._depth, self._column = depth, column
        super().__init__({"i": In(feed()), "o": Out(operands(depth)), "o_flags": Out(Flags)})

    def elaborate(self, platform: Any) -> Module:
        """Select the piece, then align and pack side by side."""
        m = Module()
        bits = 32 * self._depth
        piece = Signal(bits, reset_less=True)
        behind = Signal(4 * self._depth, reset_less=True)  # Values behind the last valid one.
        exponent = Signal.like(self.i.exponent, reset_less=True)
        flags = self._flags(m)
        with m.If(self.i.valid):
            m.d.sync += [
                piece.eq(self.i.word.word_select(self.i.piece[: (256 // bits).bit_length() - 1], bits)),
                behind.eq(Cat(number >= self.i.count for number in range(4 * self._depth))),
                exponent.eq(self.i.exponent),
            ]
        aligned = []
        for number in range(2 * self._depth):
            m.submodules[f"align_{number}"] = lane = Align()
            m.d.comb += [
                lane.i.eq(piece.word_select(number, 16)),
                lane.i_mask.eq(behind[number]),
                lane.i_exponent.eq(exponent),
            ]
            aligned.append(lane.o)
        packed = self._pack(m, piece, behind, flags[0].valid)
        chosen = Signal(operands(self._depth))
        swap = int(self._column)
        for slice_ in range(self._depth):
            m.d.comb += [
                chosen.pre[slice_].eq(Mux(flags[2].mode == Mode.FP16, aligned[2 * slice_ + swap], packed.pre[slice_])),
                chosen.b[slice_].eq(Mux(flags[2].mode == Mode.FP16, aligned[2 * slice_ + 1 - swap], packed.b[slice_])),
            ]
        out = Signal(operands(self._depth), reset_less=True)
        with m.If(flags[2].valid):
            m.d.sync += out.eq(chosen)
        m.d.comb += [self.o.eq(out), self.o_flags.eq(flags[3])]
        return m

    def _flags(self, m: Module) -> list[Any]:
        """Flags after each cycle."""
        stages: list[Any] = []
        source: Any = self.i
        for stage in range(self.latency):
            later = Signal(Flags, name=f"flags_{stage}")
            m.d.sync += [
                later.valid.eq(source.valid),
                later.mode.eq(source.mode),
                later.first.eq(source.first),
                later.last.eq(source.last),
            ]
            stages.append(later)
            source = later
        return stages

    def _pack(self, m: Module, piece: Signal, behind: Signal, valid: Any) -> Any:
        """INT8 values, two to an operand, two cycles behind the piece."""
        masked = Signal(Vector(8, 4 * self._depth), reset_less=True)
        packed = Signal(operands(self._depth), reset_less=True)
        with m.If(valid):
            for number in range(4 * self._depth):
                m.d.sync += masked[number].eq(Mux(behind[number], 0, piece.word_select(number, 8)))
        swap = int(self._column)
        for slice_ in range(self._depth):
            pre_low, b_low = masked[4 * slice_ + swap], masked[4 * slice_ + 1 - swap]
            pre_high, b_high = masked[4 * slice_ + 2 + swap], masked[4 * slice_ + 3 - swap]
            m.d.sync += [
                packed.pre[slice_].eq(_two(pre_low, pre_high, PRE_LOW_BITS)),
                packed.b[slice_].eq(_two(b_low, b_high, B_LOW_BITS)),
            ]
        return packed


def _two(low: Any, high: Any, low_bits: int) -> Any:
    """``high 2^low_bits + low`` of two INT8 values: the upper part is one less where ``low`` is negative."""
    upper = high.as_signed() - low[7]
    return Cat(low, low[7].replicate(low_bits - 8), upper[:HIGH_BITS])


assert PRE_LOW_BITS + HIGH_BITS == PRE_BITS
assert B_LOW_BITS + HIGH_BITS == B_BITS
