"""Residues: the low bits of INT8 products that overlap in the P register of a cascade."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import B_BITS, PRE_BITS

MIDDLE, UPPER = 15, 18


def growth(depth: int) -> int:
    """Bits by which sums over a cascade grow."""
    return depth.bit_length() - 1


def middle_bits(depth: int) -> int:
    """Bits of the middle products that lie over the low ones."""
    return 2 + growth(depth)


def top_bits(depth: int) -> int:
    """Bits of the top products that lie under the middle ones."""
    return 3 + growth(depth)


class Residues(wiring.Component):
    """Low bits of the products of one slice, added to those of the slices before it.

    With ``u = u1 2^18 + u0`` the sum of ``i_row`` and ``i_column``, and ``v = v1 2^15 + v0``::

        o_middle = i_middle + u0 v1 + 8 u1 v0   mod 2^(2 + g)
        o_top = i_top + u1 v1                   mod 2^(3 + g)        g = log2(depth)

    ``i_v`` comes one cycle after the other operands, ``i_middle`` and ``i_top`` two cycles. ``latency`` counts from the
    operands.

    Parameters
    ----------
    depth : int
        Slices of the cascade: 1, 2, 4 or 8.

    Members
    -------
    enable : In(1)
        The operands count in this cycle.
    i_row, i_column : In(27)
        Operands of the pre-adder.
    i_v : In(24)
    i_middle, o_middle : In, Out
    i_top, o_top : In, Out
    """

    latency = 3

    def __init__(self, *, depth: int) -> None:
        self._middle, self._top = middle_bits(depth), top_bits(depth)
        super().__init__(
            {
                "enable": In(1),
                "i_row": In(PRE_BITS),
                "i_column": In(PRE_BITS),
                "i_v": In(B_BITS),
                "i_middle": In(self._middle),
                "i_top": In(self._top),
                "o_middle": Out(self._middle),
                "o_top": Out(self._top),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Add, multiply, add to the chain: a cycle each."""
        m = Module()
        middle, top = self._middle, self._top
        u0, u1 = Signal(middle, reset_less=True), Signal(top, reset_less=True)
        with m.If(self.enable):
            # The upper field of a packed operand is one less where the lower one is negative.
            row, column = Signal(top), Signal(top)
            m.d.comb += row.eq(self.i_row[UPPER : UPPER + top] + self.i_row[UPPER - 1])
            m.d.comb += column.eq(self.i_column[UPPER : UPPER + top] + self.i_column[UPPER - 1])
            m.d.sync += u0.eq(self.i_row[:middle] + self.i_column[:middle])
            m.d.sync += u1.eq(row + column)
        v1 = Signal(top)
        m.d.comb += v1.eq(self.i_v[MIDDLE : MIDDLE + top] + self.i_v[MIDDLE - 1])
        outer, inner = Signal(middle, reset_less=True), Signal(top, reset_less=True)
        crossed = Signal(middle)
        if middle > 3:
            low = middle - 3
            m.d.comb += crossed[3:].eq(u1[:low] * self.i_v[:low])
        m.d.sync += [
            outer.eq(u0 * v1[:middle] + crossed),
            inner.eq(u1 * v1),
        ]
        middle_sum, top_sum = Signal(middle, reset_less=True), Signal(top, reset_less=True)
        m.d.sync += [middle_sum.eq(outer + self.i_middle), top_sum.eq(inner + self.i_top)]
        m.d.comb += [self.o_middle.eq(middle_sum), self.o_top.eq(top_sum)]
        return m
