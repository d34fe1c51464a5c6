"""A lane of the softmax: from scores to probabilities, their sum and their correction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.bank import CORRECTION_BITS
from flightvgm_rtl.buffers.ports import WORD_BITS
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.exp2 import Exp2Half
from flightvgm_rtl.vector.softmax_sum import SplitSum

TOTAL_BITS = 37  # 4,096 probabilities, as multiples of 2^-24.
VALUES = 16  # Of a word.
_UNIT_BITS = 25  # A probability of one.
_ALIGNED_BITS = 22
_SPLIT = 24
_PRODUCT_SPLIT = 30
_OWN = {"keep": "true"}  # Lanes have registers of their own, though they hold the same.

Key = data.StructLayout({"valid": 1, "first": 1, "last": 1, "place": range(VALUES)})
"""What a probability is: the first or last one of a row, and its place in a word."""


class SoftmaxLane(wiring.Component):
    """``p = fp16(exp2(fp32(s - m)))`` of a score s and the largest score m, one a cycle.

    Beside p there are words of p, and what follows from all p of a row.

    The scores of a row come one after another. Each p is a multiple of 2^-24, so that the sum is exact; the
    correction is the sum of the products of neighbours, which are aligned to the exponent of one. Behind the last p
    the word holds zeros.

    Parameters
    ----------
    rows : int
        Rows that share the lane.

    Members
    -------
    row : In
        The row of which there is a score in the next cycle.
    score, most : In(32) of each row
        Score, and the largest one with the other sign.
    key : In(Key)
        What the probability of the score of ``latency - 1`` cycles ago is.
    word : Out(256)
        A word of probabilities, a cycle after its last one.
    total : Out(37)
        Sum of all probabilities, ``total_latency`` cycles after the last one was there.
    correction : Out(58)
        At the same time.
    """

    latency = 1 + FpAdd.latency + Exp2Half.latency
    total_latency = 2 + SplitSum.latency

    def __init__(self, *, rows: int) -> None:
        self._rows = rows
        super().__init__(
            {
                "row": In(range(max(2, rows))),
                "score": In(32).array(rows),
                "most": In(32).array(rows),
                "key": In(Key),
                "word": Out(WORD_BITS),
                "total": Out(TOTAL_BITS),
                "correction": Out(CORRECTION_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Subtract, take the power, then collect."""
        m = Module()
        row = Signal.like(self.row, reset_less=True, attrs=_OWN)
        m.d.sync += row.eq(self.row)
        m.submodules.subtract = subtract = FpAdd()
        m.submodules.power = power = Exp2Half()
        m.d.comb += [
            subtract.i_a.eq(register(m, Array(self.score)[row], "chosen_score")),
            subtract.i_b.eq(register(m, Array(self.most)[row], "chosen_most")),
            power.i.eq(subtract.o),
        ]
        self._collect(m, power.o)
        self._sum(m, power.o)
        return m

    def _collect(self, m: Module, p: Any) -> None:
        """Join probabilities to words; each one clears the places behind it."""
        word = Signal(Vector(16, VALUES), reset_less=True)
        begins = [Signal(name=f"begins_{half}", attrs=_OWN) for half in range(2)]  # One drives too much.
        mine = Signal(VALUES)
        m.d.sync += [begin.eq(self.key.valid & (self.key.place == 0)) for begin in begins]
        m.d.sync += mine.eq(Mux(self.key.valid, 1 << self.key.place, 0))
        for place in range(VALUES):
            with m.If(begins[2 * place // VALUES]):
                m.d.sync += word[place].eq(0 if place else p)
            with m.Elif(mine[place]):
                m.d.sync += word[place].eq(p)
        m.d.comb += self.word.eq(word)

    def _sum(self, m: Module, p: Any) -> None:
        """Add probabilities, and products of neighbours."""
        m.submodules.total = total = SplitSum(width=_UNIT_BITS, total=TOTAL_BITS, split=_SPLIT)
        m.submodules.products = products = SplitSum(
            width=2 * _ALIGNED_BITS, total=CORRECTION_BITS, split=_PRODUCT_SPLIT
        )
        exponent = p[10:15]
        normal = exponent.any()
        shift = Signal(4)
        m.d.comb += shift.eq(Mux(normal, exponent - 1, 0)[:4])
        units = register(m, (Cat(p[:10], normal, Const(0, 14)) << shift)[:_UNIT_BITS], "units")
        key = Signal(Key)
        m.d.comb += key.eq(delay(m, self.key, 2, "key_late"))
        aligned = units[_UNIT_BITS - _ALIGNED_BITS :]
        even = Signal(_ALIGNED_BITS, reset_less=True)
        with m.If(key.valid & ~key.place[0]):
            m.d.sync += even.eq(aligned)
        first = Signal()  # The even number of the row's first pair, or of a row of one, came last.
        with m.If(key.valid & ~key.place[0]):
            m.d.sync += first.eq(key.first)
        product = register(m, even * Mux(key.place[0], aligned, 0), "product")
        # A row of one probability has no product: the product with zero makes the sum forget.
        alone = key.first & key.last
        counts, begins = Signal(), Signal()
        m.d.sync += [counts.eq(key.valid & (key.place[0] | alone)), begins.eq(Mux(key.place[0], first, alone))]
        m.d.comb += [
            total.i.eq(delay(m, units, 1, "units_late")),
            total.valid.eq(delay(m, key.valid, 1, "valid_late")),
            total.first.eq(delay(m, key.first, 1, "first_late")),
            products.i.eq(product),
            products.valid.eq(counts),
            products.first.eq(begins),
            self.total.eq(total.o),
            self.correction.eq(products.o),
        ]
