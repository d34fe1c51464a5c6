"""Where the rows of a LOADA go, and whether they fit."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.config import RANGES
from flightvgm_rtl.dma.load_fields import EXTENT_LINES, plan
from flightvgm_rtl.dma.ports import COUNT_BITS
from flightvgm_rtl.lib.pipeline import register

SLOT_BITS = RANGES["columns"][1].bit_length() - 1
TABLE_BITS = 16


def place(words: int) -> data.StructLayout:
    """Place of a row: its slot of the round, its word, and that of its rotations behind the table's first."""
    return data.StructLayout(
        {"slot": SLOT_BITS, "word": range(words), "table": TABLE_BITS, "problem_last": 1, "last": 1}
    )


class RowPlaces(wiring.Component):
    """Places of the rows of both loops, one a cycle, in order.

    A problem whose last round ends beyond the buffer, one that reaches into the next, and a position beyond the
    table raise a flag within three cycles of the row's place, at the latest; flags hold until the next start.

    Parameters
    ----------
    words : int
        Words in a bank of the largest buffer.
    p_words : int
        Words of the parameter buffer.

    Members
    -------
    start : In(1)
        Begin with the first row; the other inputs are still from here on.
    plan, count, outer : In
    by_outer : In(1)
        The position is the outer index.
    rotates : In(1)
    rope : In
        First word of the table.
    o : Out(stream.Signature(place(words)))
    overrun, overlap : Out(1)
    """

    def __init__(self, *, words: int, p_words: int) -> None:
        self._words, self._p_words = words, p_words
        super().__init__(
            {
                "start": In(1),
                "plan": In(plan(words)),
                "count": In(COUNT_BITS),
                "outer": In(COUNT_BITS),
                "by_outer": In(1),
                "rotates": In(1),
                "rope": In(TABLE_BITS),
                "o": Out(stream.Signature(place(words))),
                "overrun": Out(1),
                "overlap": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Count rows and rounds; check the extent of each round behind the counters."""
        m = Module()
        plan_ = self.plan
        running, step = Signal(), Signal()
        inner, problem = (Signal(COUNT_BITS, name=name, reset_less=True) for name in ("inner", "problem"))
        slot, out = Signal(SLOT_BITS, reset_less=True), Signal(place(self._words), reset_less=True)
        word, base = (Signal(range(self._words), name=name, reset_less=True) for name in ("word", "base"))
        inner_last, outer_last, wrap = Signal(), Signal(), Signal()
        m.d.comb += [
            inner_last.eq(inner == register(m, (self.count - 1)[:COUNT_BITS], "inner_end")),
            outer_last.eq(problem == register(m, (self.outer - 1)[:COUNT_BITS], "outer_end")),
            wrap.eq(slot == register(m, (plan_.unit - 1)[:SLOT_BITS], "slot_end")),
            step.eq(running & (~self.o.valid | self.o.ready)),
            self.o.p.eq(out),
        ]
        with m.If(self.start):
            m.d.sync += [
                running.eq(1),
                inner.eq(0),
                problem.eq(0),
                slot.eq(0),
                word.eq(plan_.word),
                base.eq(plan_.word),
            ]
        with m.Elif(step & inner_last):
            following = Signal(range(self._words))
            m.d.comb += following.eq(base + plan_.outer_step)
            m.d.sync += [
                running.eq(~outer_last),
                inner.eq(0),
                problem.eq(problem + 1),
                slot.eq(0),
                word.eq(following),
                base.eq(following),
            ]
        with m.Elif(step):
            m.d.sync += [
                inner.eq(inner + 1),
                slot.eq(Mux(wrap, 0, slot + 1)),
                word.eq(Mux(wrap, word + plan_.step, word)),
            ]
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(1),
                out.slot.eq(slot),
                out.word.eq(word),
                out.problem_last.eq(inner_last),
                out.last.eq(inner_last & outer_last),
            ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        self._check(m, step, inner_last, wrap, self._table(m, out, step, inner_last))
        return m

    def _check(self, m: Module, step: Signal, inner_last: Signal, wrap: Signal, beyond: Value) -> None:
        """Compare the end of each round with the buffer and the next problem: lines so far of problems and rounds."""
        plan_ = self.plan
        line, done = (Signal(EXTENT_LINES + 1, name=name, reset_less=True) for name in ("line", "done"))
        with m.If(self.start):
            m.d.sync += [line.eq(plan_.line), done.eq(0)]
        with m.Elif(step & inner_last):
            m.d.sync += [line.eq(line + plan_.outer_lines), done.eq(0)]
        with m.Elif(step & wrap):
            m.d.sync += done.eq(done + plan_.advance)
        several = Signal()
        m.d.sync += several.eq(self.outer != 1)
        end = register(m, (done + plan_.reach)[: EXTENT_LINES + 1], "end")
        begin = register(m, line, "begin")
        top = register(m, begin + end, "top")
        wide = register(m, several & (end > plan_.outer_lines), "wide")
        valid, valid_top = Signal(), Signal()
        m.d.sync += [valid.eq(step), valid_top.eq(valid)]
        with m.If(self.start):
            m.d.sync += [self.overrun.eq(0), self.overlap.eq(0), valid.eq(0), valid_top.eq(0)]
        with m.Elif(valid_top):
            m.d.sync += [
                self.overrun.eq(self.overrun | (top > plan_.limit) | beyond),
                self.overlap.eq(self.overlap | wide),
            ]

    def _table(self, m: Module, out: Any, step: Signal, inner_last: Signal) -> Value:
        """The rotations of the row's position; gives two cycles later whether they end beyond the buffer."""
        table = Signal(TABLE_BITS, reset_less=True)
        forward = Signal()
        m.d.comb += forward.eq(Mux(self.by_outer, inner_last, 1))
        with m.If(self.start | (step & inner_last & ~self.by_outer)):
            m.d.sync += table.eq(0)
        with m.Elif(step & forward):
            m.d.sync += table.eq(table + self.plan.head_groups)
        with m.If(step):
            m.d.sync += out.table.eq(table)
        end = register(m, table + self.plan.head_groups, "table_end")
        top = register(m, end + self.rope, "table_top")
        return self.rotates & (top > self._p_words)
