"""The data path of a core's array: tiles in, results in FP32 out. Wires only."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, ResetSignal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.drain import Drain
from flightvgm_rtl.array.edge import Edge
from flightvgm_rtl.array.feeder import Feeder
from flightvgm_rtl.array.grid import Grid
from flightvgm_rtl.array.ports import drained, tile
from flightvgm_rtl.buffers.bank import ProbabilityEntry, probability_write
from flightvgm_rtl.buffers.operand import OperandBuffer
from flightvgm_rtl.buffers.ports import BackPort, operand_write
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.unit import place


class Datapath(wiring.Component):
    """Feeder, operand buffers, edges, grid and drain.

    A result of row r and column c leaves ``latency + r + c`` cycles after the last feed of its tile was issued, column
    0 of each tile at least ``columns / segments`` cycles after that of the tile before. There is no back-pressure
    behind ``i_allow``.

    Parameters
    ----------
    rows, columns, depth, segments : int
        The array.
    a_words, b_words : int
        Words of 32 bytes in a bank of A and of B.
    p_words : int
        Words of 16 probabilities in a slot of a row.
    a_writers, b_writers : int
        Write streams of both buffers.

    Members
    -------
    i : In(stream.Signature(tile(a_words, b_words)))
    i_allow : In(1)
        See :class:`flightvgm_rtl.array.feeder.Feeder`.
    i_a, i_b : In(stream.Signature(operand_write(...))).array(writers)
    a_back, b_back : In(BackPort(...))
    i_p, i_p_entry : In(...).array(rows)
        Writes of the softmax.
    o : Out(drained()).array(rows, segments)
    active : Out(1)
        A feed was issued.
    """

    def __init__(
        self,
        *,
        rows: int,
        columns: int,
        depth: int,
        segments: int,
        a_words: int,
        b_words: int,
        p_words: int,
        a_writers: int = 1,
        b_writers: int = 1,
    ) -> None:
        self._rows, self._columns, self._depth, self._segments = rows, columns, depth, segments
        self.feeder = Feeder(a_words=a_words, b_words=b_words, depth=depth, least=columns // segments)
        self.a = OperandBuffer(banks=rows, words=a_words, writers=a_writers, columns=False, p_words=p_words)
        self.b = OperandBuffer(banks=columns, words=b_words, writers=b_writers, columns=True)
        self.grid = Grid(rows=rows, columns=columns, depth=depth, segments=segments)
        self.drain = Drain(rows=rows, columns=columns, segments=segments, delay=Edge.latency + self.grid.latency)
        self.latency = OperandBuffer.latency + Edge.latency + self.grid.latency + Drain.latency
        super().__init__(
            {
                "i": In(stream.Signature(tile(a_words, b_words))),
                "i_allow": In(1),
                "i_a": In(stream.Signature(operand_write(rows, a_words))).array(a_writers),
                "i_b": In(stream.Signature(operand_write(columns, b_words))).array(b_writers),
                "a_back": In(BackPort(rows, a_words)),
                "b_back": In(BackPort(columns, b_words)),
                "i_p": In(probability_write(p_words)).array(rows),
                "i_p_entry": In(ProbabilityEntry).array(rows),
                "o": Out(drained()).array(rows, segments),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Place and wire the parts."""
        m = Module()
        m.submodules.feeder, m.submodules.a, m.submodules.b = self.feeder, self.a, self.b
        m.submodules.grid, m.submodules.drain = self.grid, self.drain
        wiring.connect(m, wiring.flipped(self.i), self.feeder.i)
        wiring.connect(m, wiring.flipped(self.a_back), self.a.back)
        wiring.connect(m, wiring.flipped(self.b_back), self.b.back)
        for ours, theirs in ((self.i_a, self.a.i), (self.i_b, self.b.i)):
            for outer, inner in zip(ours, theirs, strict=True):
                wiring.connect(m, wiring.flipped(outer), inner)
        m.d.comb += [
            self.feeder.i_allow.eq(self.i_allow),
            self.active.eq(self.feeder.active),
            self.a.i_command.eq(self.feeder.o_a),
            self.b.i_command.eq(self.feeder.o_b),
            self.drain.i_start.eq(self.feeder.o_start),
        ]
        self._edges(m, platform)
        for row in range(self._rows):
            m.d.comb += [
                self.a.i_p[row].eq(self.i_p[row]),
                self.a.i_p_entry[row].eq(self.i_p_entry[row]),
                self.drain.i_rows[row].eq(self.a.o_label[row]),
            ]
            for segment in range(self._segments):
                m.d.comb += [
                    self.drain.i_results[row][segment].eq(self.grid.o_results[row][segment]),
                    self.o[row][segment].eq(self.drain.o[row][segment]),
                ]
        for column in range(self._columns):
            m.d.comb += self.drain.i_columns[column].eq(self.b.o_label[column])
        return m

    def _edges(self, m: Module, platform: Any) -> None:
        """Place an edge between each bank and the grid."""
        reset: Value = ResetSignal()
        for row in range(self._rows):
            edge = Edge(depth=self._depth, column=False)
            place(m, platform, f"edge_row_d{self._depth}", edge, f"edge_row_{row}", reset=reset)
            reset = register(m, reset, f"reset_row_{row}")  # Hops as operands do.
            m.d.comb += [
                edge.i.eq(self.a.o_feed[row]),
                self.grid.i_rows[row].eq(edge.o),
                self.grid.i_flags[row].eq(edge.o_flags),
            ]
        reset = ResetSignal()
        for column in range(self._columns):
            edge = Edge(depth=self._depth, column=True)
            place(m, platform, f"edge_column_d{self._depth}", edge, f"edge_column_{column}", reset=reset)
            reset = register(m, reset, f"reset_column_{column}")
            m.d.comb += [edge.i.eq(self.b.o_feed[column]), self.grid.i_columns[column].eq(edge.o)]
