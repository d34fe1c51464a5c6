"""Residues: the low bits of INT8 products that overlap in the P register of a cascade."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import B_BITS, PRE_BITS

MIDDLE, UPPER = 15, 18
_CROSSED = 3  # Bits that the second cross product lies above the first.


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
        row, column, v1 = Signal(top), Signal(top), Signal(top)
        # The upper field of a packed operand is one less where the lower one is negative.
        m.d.comb += [
            row.eq(self.i_row[UPPER : UPPER + top] + self.i_row[UPPER - 1]),
            column.eq(self.i_column[UPPER : UPPER + top] + self.i_column[UPPER - 1]),
            v1.eq(self.i_v[MIDDLE : MIDDLE + top] + self.i_v[MIDDLE - 1]),
        ]
        m.d.sync += [u0.eq(self.i_row[:middle] + self.i_column[:middle]), u1.eq(row + column)]
        outer = self._partial_products(m, "outer", u0, v1[:middle], 2)
        inner = self._partial_products(m, "inner", u1, v1, 3)
        if middle > _CROSSED:
            crossed, count = Signal(middle, reset_less=True), middle - _CROSSED
            m.d.sync += crossed[_CROSSED:].eq(u1[:count] * self.i_v[:count])
            outer.append(crossed)
        chains = (("middle", outer, self.i_middle, self.o_middle), ("top", inner, self.i_top, self.o_top))
        for name, terms, before, after in chains:
            total = before
            for term in terms:
                total = (total + term)[: len(after)]
            held = Signal(len(after), name=f"{name}_sum", reset_less=True)
            m.d.sync += held.eq(total)
            m.d.comb += after.eq(held)
        return m

    @staticmethod
    def _partial_products(m: Module, name: str, left: Value, right: Value, low: int) -> list[Value]:
        """Low bits of a product as one or two terms: of the ``low`` first bits of ``right``, and of the rest."""
        width = len(left)
        parts: list[Value] = []
        for begin, end in ((0, low), (low, width)):
            if begin < end:
                part = Signal(width, name=f"{name}_{begin}", reset_less=True)
                m.d.sync += part[begin:].eq(left[: width - begin] * right[begin:end])
                parts.append(part)
        return parts
