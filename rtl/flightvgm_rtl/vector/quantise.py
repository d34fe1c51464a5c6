"""Quantisation of rows to INT8 with one scale each."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay
from flightvgm_rtl.sparsifier.ports import QuantisedRow, Token, quantised_group
from flightvgm_rtl.vector.flow import credits_left, group, history
from flightvgm_rtl.vector.quantlane import PairSum, QuantiseLane
from flightvgm_rtl.vector.rowscale import RowScale

_GROUPS = 16  # Places of the FIFO behind the lanes: more than their latency and that of the FIFO.
_ROWS = 16


class Quantise(wiring.Component):
    """Quantise rows of FP16 values: ``round(127 v / m)`` to nearest even, and scale ``fp32(m / 127)``.

    As :func:`golden.quantize.quantize` and :func:`golden.quantize.correction`, bit for bit; a row of zeros gives
    zeros and the scale 0. A row begins when its maximum and its token are there; then ``lanes`` values go a cycle.
    Rows of at least 5 groups follow each other without a gap. What belongs to a row leaves behind its last group;
    each output may wait without the other.

    Parameters
    ----------
    lanes : int
        Values a cycle; a power of two of at least 2.

    Members
    -------
    i : In(stream.Signature(group(lanes)))
        Rows; values behind the last one of a row are zero.
    i_maximum : In(stream.Signature(15))
        Largest magnitude of each row, in their order.
    i_token : In(stream.Signature(Token))
        Token of each row, in their order.
    o_values : Out(stream.Signature(quantised_group(lanes)))
    o_row : Out(stream.Signature(QuantisedRow))
    """

    def __init__(self, *, lanes: int) -> None:
        self._lanes = lanes
        super().__init__(
            {
                "i": In(stream.Signature(group(lanes))),
                "i_maximum": In(stream.Signature(15)),
                "i_token": In(stream.Signature(Token)),
                "o_values": Out(stream.Signature(quantised_group(lanes))),
                "o_row": Out(stream.Signature(QuantisedRow)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Start groups where a row is known and there is room; lanes; outputs."""
        m = Module()
        m.submodules.scale = factors = RowScale()
        m.submodules.values = values = Fifo(quantised_group(self._lanes), depth=_GROUPS)
        m.submodules.rows = rows = Fifo(QuantisedRow, depth=_ROWS)
        wiring.connect(m, wiring.flipped(self.o_values), values.o)
        wiring.connect(m, wiring.flipped(self.o_row), rows.o)
        go, last = Signal(), Signal()
        m.d.comb += [
            factors.i.payload.eq(self.i_maximum.payload),
            factors.i.valid.eq(self.i_maximum.valid),
            self.i_maximum.ready.eq(factors.i.ready),
        ]
        taken = values.o.valid & values.o.ready
        room = credits_left(m, depth=_GROUPS, taken=go, freed=taken, name="room_for_group")
        row_taken = rows.o.valid & rows.o.ready
        row_room = credits_left(m, depth=_ROWS, taken=last, freed=row_taken, name="room_for_row")
        known = Signal()
        m.d.comb += [
            known.eq(factors.o.valid & self.i_token.valid & room & row_room),
            go.eq(self.i.valid & known),
            self.i.ready.eq(known),
            last.eq(go & self.i.p.last),
            factors.o.ready.eq(last),
            self.i_token.ready.eq(last),
        ]
        first = Signal(init=1)
        with m.If(go):
            m.d.sync += first.eq(self.i.p.last)
        quantised = self._values(m, factors.o.p, values, go, first)
        self._row(m, factors.o.p.scale, rows, quantised, go, last, first)
        return m

    def _values(self, m: Module, factor: Any, values: Fifo, go: Signal, first: Signal) -> Signal:
        """Lanes, and their results with the flags of their group; returns the results."""
        result = Signal(8 * self._lanes)
        parts = []
        for number in range(self._lanes):
            m.submodules[f"lane_{number}"] = lane = QuantiseLane()
            m.d.comb += [
                lane.i.eq(self.i.p.values[number]),
                lane.i_multiplier.eq(factor.multiplier),
                lane.i_offset.eq(factor.offset),
            ]
            parts.append(lane.o)
        m.d.comb += result.eq(Cat(*parts))
        flags = delay(m, Cat(first, self.i.p.last, self.i_token.p.info), QuantiseLane.latency, "flags")
        m.d.comb += [
            values.i.valid.eq(history(m, go, QuantiseLane.latency, "group_valid")),
            values.i.p.values.eq(result),
            values.i.p.first.eq(flags[0]),
            values.i.p.last.eq(flags[1]),
            values.i.p.info.eq(flags[2:]),
        ]
        return result

    def _row(
        self, m: Module, scale: Any, rows: Fifo, quantised: Signal, go: Signal, last: Signal, first: Signal
    ) -> None:
        """Sum the corrections of groups, and hand a row on behind its last one."""
        m.submodules.pairs = pairs = PairSum(lanes=self._lanes)
        m.d.comb += pairs.i.eq(quantised)
        behind = QuantiseLane.latency + pairs.latency
        total = Signal(signed(32), reset_less=True)
        here = history(m, go, behind, "sum_valid")
        fresh = delay(m, first, behind, "sum_first")
        with m.If(here):
            with m.If(fresh):
                m.d.sync += total.eq(pairs.o)
            with m.Else():
                m.d.sync += total.eq(total + pairs.o)
        token = self.i_token.p
        of_row = delay(m, Cat(token.token, token.last, scale), behind + 1, "of_row")
        m.d.comb += [
            rows.i.valid.eq(history(m, last, behind + 1, "row_valid")),
            Cat(rows.i.p.token, rows.i.p.last, rows.i.p.scale).eq(of_row),
            rows.i.p.correction.eq(total),
        ]
