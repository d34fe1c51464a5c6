"""Reciprocals of the sums of probabilities."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Array, Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.fp.int_to_fp import IntToFp
from flightvgm_rtl.vector.fp.reciprocal import Reciprocal
from flightvgm_rtl.vector.softmax_lane import TOTAL_BITS

_UNIT = -24  # Exponent of the sums.


class SoftmaxReciprocal(wiring.Component):
    """``fp32(1 / fp32(sum))`` of the sums of all lanes, one after another.

    Parameters
    ----------
    lanes : int
        Lanes.
    tag : StructLayout
        What goes beside the sums.

    Members
    -------
    start : In(1)
        The sums of all lanes are there; ``lanes`` cycles after the last time at the earliest.
    total : In(37) of each lane
        In units of 2^-24, positive.
    tag : In
    o : Out(32)
        A reciprocal.
    valid : Out(1)
    lane : Out
        The lane of the reciprocal.
    o_tag : Out
    last : Out(1)
        It is that of the last lane.
    """

    def __init__(self, *, lanes: int, tag: data.StructLayout) -> None:
        self._lanes = lanes
        super().__init__(
            {
                "start": In(1),
                "total": In(TOTAL_BITS).array(lanes),
                "tag": In(tag),
                "o": Out(32),
                "valid": Out(1),
                "lane": Out(range(max(2, lanes))),
                "o_tag": Out(tag),
                "last": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Keep the sums; convert and divide one in each cycle."""
        m = Module()
        m.submodules.convert = convert = IntToFp(width=TOTAL_BITS + 1)
        m.submodules.divide = divide = Reciprocal()
        kept = [Signal(TOTAL_BITS, name=f"total_{lane}", reset_less=True) for lane in range(self._lanes)]
        tag = Signal.like(self.tag, reset_less=True)
        active, lane = Signal(), Signal.like(self.lane)
        with m.If(self.start):
            m.d.sync += [*(word.eq(total) for word, total in zip(kept, self.total, strict=True)), tag.eq(self.tag)]
            m.d.sync += [active.eq(1), lane.eq(0)]
        with m.Elif(lane == self._lanes - 1):
            m.d.sync += active.eq(0)
        with m.Else():
            m.d.sync += lane.eq(lane + 1)
        latency = 1 + convert.latency + Reciprocal.latency
        m.d.comb += [
            convert.i.eq(Cat(register(m, Array(kept)[lane], "chosen"), Const(0, 1)).as_signed()),
            convert.i_exponent.eq(_UNIT),
            divide.i.eq(convert.o),
            self.o.eq(divide.o),
            self.valid.eq(delay(m, active, latency, "active_late")),
            self.lane.eq(delay(m, lane, latency, "lane_late")),
            self.o_tag.eq(delay(m, tag, latency, "tag_late")),
            self.last.eq(self.lane == self._lanes - 1),
        ]
        return m
