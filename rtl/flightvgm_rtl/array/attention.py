"""The walk over the tiles of an ATTN."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.attention_scores import SCORE_SLOTS, ScoreWalk
from flightvgm_rtl.array.attention_values import ValueWalk
from flightvgm_rtl.array.sequencer_ports import Shape, attention, plan


class AttentionWalk(wiring.Component):
    """Tiles of an attention: the scores of item i + 2 come before P V of item i.

    So the softmax has the time of two items to make probabilities of scores.

    Parameters
    ----------
    shape : Shape

    Members
    -------
    i : In(stream.Signature(attention()))
        Attentions with at least one item; without keys there are zeros only. The walk reads the payload in place: it
        stays as it is until ``ready`` returns.
    o : Out(stream.Signature(plan(shape)))
    overrun : Out(1)
        Something lies outside of its buffer.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        super().__init__(
            {
                "i": In(stream.Signature(attention())),
                "o": Out(stream.Signature(plan(shape))),
                "overrun": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Begin both walks; let them take turns by items."""
        m = Module()
        m.submodules.scores = scores = ScoreWalk(shape=self._shape)
        m.submodules.values = values = ValueWalk(shape=self._shape)
        idle, begin = Signal(), Signal()
        m.d.sync += idle.eq(scores.i.ready & values.i.ready & ~begin)
        m.d.comb += [
            self.i.ready.eq(idle),
            begin.eq(self.i.valid & idle),
            scores.i.p.eq(self.i.p),
            values.i.p.eq(self.i.p),
            scores.i.valid.eq(begin & self.i.p.some),
            values.i.valid.eq(begin),
            self.overrun.eq(scores.overrun | values.overrun),
        ]
        ahead = Signal(range(SCORE_SLOTS + 1))  # Items whose scores have been given, and not yet P V.
        inside = Signal()  # An item of P V was begun.
        turn = Signal()  # Scores are next; a cycle late, as a walk gives no tile in the two cycles behind one.
        m.d.sync += turn.eq(~inside & (ahead != SCORE_SLOTS) & ~scores.i.ready)
        with m.If(turn):
            m.d.comb += [self.o.p.eq(scores.o.p), self.o.valid.eq(scores.o.valid), scores.o.ready.eq(self.o.ready)]
        with m.Else():
            m.d.comb += [self.o.p.eq(values.o.p), self.o.valid.eq(values.o.valid), values.o.ready.eq(self.o.ready)]
        with m.If(self.o.valid & self.o.ready):
            with m.If(turn):
                m.d.sync += ahead.eq(ahead + self.o.p.final)
            with m.Else():
                m.d.sync += inside.eq(~self.o.p.final)
                with m.If(~self.o.p.empty):
                    m.d.sync += ahead.eq(ahead - self.o.p.final)
        return m
