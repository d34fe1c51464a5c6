"""Rows that wait until their largest magnitude is known."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.flow import group, history, tree, tree_latency
from flightvgm_rtl.vector.rowroom import room_left

MAGNITUDE_BITS = 15
_ROWS = 64  # Places for rows.

RowMaximum = data.StructLayout({"magnitude": MAGNITUDE_BITS, "slot": 1})
"""Largest magnitude of a row, FP16 without sign, and the row's instruction."""


class RowStore(wiring.Component):
    """Store rows, and find the largest magnitude of each.

    Groups enter without handshake: ``set_out`` says that one is on its way, which ``room`` must allow, and ``i_valid``
    that it is here. A row's maximum is there ``2 + log2(lanes)`` cycles behind its last group, and can wait; so can
    groups.

    Parameters
    ----------
    lanes : int
        Values of a group; a power of two.
    depth : int
        Places for groups; a power of two, two more at least than the groups of the longest row.

    Members
    -------
    room : Out(1)
        A group may set out.
    set_out, set_out_last : In(1)
        A group sets out in this cycle; the last one of a row.
    i_valid : In(1)
    i : In(group(lanes))
    o : Out(stream.Signature(group(lanes)))
    o_row : Out(stream.Signature(RowMaximum))
    """

    def __init__(self, *, lanes: int, depth: int) -> None:
        self._lanes = lanes
        self._depth = depth
        super().__init__(
            {
                "room": Out(1),
                "set_out": In(1),
                "set_out_last": In(1),
                "i_valid": In(1),
                "i": In(group(lanes)),
                "o": Out(stream.Signature(group(lanes))),
                "o_row": Out(stream.Signature(RowMaximum)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Count what is inside or on its way; store; find maxima."""
        m = Module()
        m.submodules.groups = groups = Fifo(group(self._lanes), depth=self._depth)
        m.submodules.rows = rows = Fifo(RowMaximum, depth=_ROWS, style="distributed")
        wiring.connect(m, wiring.flipped(self.o), groups.o)
        wiring.connect(m, wiring.flipped(self.o_row), rows.o)
        group_room = room_left(
            m, depth=self._depth, taken=self.set_out, freed=groups.o.valid & groups.o.ready, name="group_room"
        )
        row_room = room_left(
            m, depth=_ROWS, taken=self.set_out_last, freed=rows.o.valid & rows.o.ready, name="row_room"
        )
        m.d.comb += [
            self.room.eq(group_room & row_room),
            groups.i.valid.eq(self.i_valid),
            groups.i.p.eq(self.i),
        ]
        levels = tree_latency(self._lanes)
        of_group = tree(m, [self.i.values[lane][:MAGNITUDE_BITS] for lane in range(self._lanes)], _larger, "largest")
        here = history(m, self.i_valid, levels, "here")
        first = Signal(init=1)
        with m.If(self.i_valid):
            m.d.sync += first.eq(self.i.last)
        flags = delay(m, Cat(first, self.i.last, self.i.slot), levels, "flags")
        largest = Signal(MAGNITUDE_BITS, reset_less=True)
        with m.If(here):
            m.d.sync += largest.eq(Mux(flags[0], of_group, _larger(largest, of_group)))
        m.d.comb += [
            rows.i.valid.eq(history(m, here & flags[1], 1, "row_ends")),
            rows.i.p.magnitude.eq(largest),
            rows.i.p.slot.eq(register(m, flags[2], "slot")),
        ]
        return m


def _larger(left: Value, right: Value) -> Value:
    return Mux(left > right, left, right)
