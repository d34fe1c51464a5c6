"""The matrix unit: MM and ATTN, around the data path of the array."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_rtl.array.matrix_done import MatrixDone
from flightvgm_rtl.array.matrix_origin import MatrixOrigin
from flightvgm_rtl.array.ports import drained, tile
from flightvgm_rtl.array.ring import RingPort
from flightvgm_rtl.array.sequencer import Sequencer
from flightvgm_rtl.array.sequencer_account import Account
from flightvgm_rtl.array.sequencer_dispatch import Dispatch
from flightvgm_rtl.array.sequencer_ports import Shape
from flightvgm_rtl.buffers.bank import ProbabilityEntry, probability_write
from flightvgm_rtl.buffers.collector import Collector
from flightvgm_rtl.buffers.ports import ResultRead
from flightvgm_rtl.buffers.result import READERS, ResultBuffer
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.control.faults import Faults
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.vector.epilogue_rows import EpilogueRows
from flightvgm_rtl.vector.softmax import Softmax

_PLACES = 32


class MatrixUnit(wiring.Component):
    """Execute MM and ATTN: plan tiles, feed them, turn sums into results, and keep these.

    Instructions begin while results of those before them are under way, and are done in order. Wires only.

    Parameters
    ----------
    shape : Shape
        Sizes of the array and its buffers.

    Members
    -------
    command : In(stream.Signature(command("matrix")))
    done : Out(1)
    fault : Out(Fault)
    busy, active : Out(1)
    post : Out(stream.Signature(Increment))
        An increment of each instruction that multiplies, before its ``done``.
    tile : Out(stream.Signature(tile(...)))
        To the feeder.
    drained : In(drained()) of each row and segment
        From the drain.
    p : Out(probability_write(...)) of each row
        Probabilities.
    p_entry : Out(ProbabilityEntry) of each row
    ring : Out(RingPort(2 * b_words))
        Weight tiles.
    read : In(ResultRead(result_words)) twice
        Readers of the result buffer.
    saturations : Out
        Results that saturated, to be added up in each cycle.
    """

    def __init__(self, *, shape: Shape) -> None:
        self._shape = shape
        super().__init__(
            {
                "command": In(stream.Signature(command("matrix"))),
                "done": Out(1),
                "fault": Out(Fault),
                "busy": Out(1),
                "active": Out(1),
                "post": Out(stream.Signature(Increment)),
                "tile": Out(stream.Signature(tile(shape.a_words, shape.b_words))),
                "drained": In(drained()).array(shape.rows, shape.segments),
                "p": Out(probability_write(shape.p_words)).array(shape.rows),
                "p_entry": Out(ProbabilityEntry).array(shape.rows),
                "ring": Out(RingPort(2 * shape.b_words)),
                "read": In(ResultRead(shape.result_words)).array(READERS),
                "saturations": Out(range(shape.rows + 1)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Place and wire the parts."""
        m = Module()
        shape = self._shape
        sequencer, account = Sequencer(shape=shape), Account(shape=shape)
        dispatch, ending = Dispatch(shape=shape, places=_PLACES), MatrixDone()
        collector = Collector(rows=shape.rows, words=shape.result_words, places=_PLACES)
        add_with_own_reset(m, "sequencer", sequencer)
        add_with_own_reset(m, "account", account)
        add_with_own_reset(m, "dispatch", dispatch)
        add_with_own_reset(m, "ending", ending)
        add_with_own_reset(m, "collector", collector)
        wiring.connect(m, wiring.flipped(self.command), sequencer.command)
        wiring.connect(m, sequencer.account, account.i)
        wiring.connect(m, sequencer.o, dispatch.i)
        wiring.connect(m, dispatch.o, wiring.flipped(self.tile))
        wiring.connect(m, dispatch.ring, wiring.flipped(self.ring))
        wiring.connect(m, dispatch.block, collector.block)
        wiring.connect(m, account.o, ending.sum)
        wiring.connect(m, ending.post, wiring.flipped(self.post))
        epilogue = self._results(m, collector, dispatch)
        m.d.comb += [
            dispatch.written.eq(collector.written),
            dispatch.drained.eq(Cat(result.valid & result.last for result in self.drained[0])),
            ending.written.eq(collector.done),
            self.done.eq(ending.done),
            sequencer.stop.valid.eq(dispatch.mismatch | collector.overrun | epilogue.beyond),
            sequencer.stop.code.eq(Mux(dispatch.mismatch, ErrorCode.RING_MISMATCH, ErrorCode.BUFFER_OVERRUN)),
            sequencer.stop.pc.eq(Mux(dispatch.mismatch, dispatch.pc, collector.pc)),
            self.busy.eq(sequencer.busy | dispatch.busy | ending.busy),
            self.active.eq(collector.written | dispatch.o.valid & dispatch.o.ready | self.drained[0][0].valid),
        ]
        self._faults(m, sequencer, epilogue)
        return m

    def _faults(self, m: Module, sequencer: Sequencer, epilogue: EpilogueRows) -> None:
        """Report what the sequencer finds, or factors of results that are no numbers."""
        origin = MatrixOrigin(segments=self._shape.segments, late=epilogue.beyond_latency)
        add_with_own_reset(m, "origin", origin)
        m.submodules.faults = faults = Faults(sources=2)
        for segment, result in zip(origin.i, self.drained[0], strict=True):
            m.d.comb += segment.eq(result)
        m.d.comb += [
            origin.begins.eq(sequencer.account.valid & sequencer.account.ready),
            origin.command.eq(sequencer.account.p),
            faults.i[0].valid.eq(epilogue.beyond),
            faults.i[0].code.eq(ErrorCode.FIELD_RANGE),
            faults.i[0].pc.eq(origin.pc),
            faults.i[1].eq(sequencer.fault),
            self.fault.eq(faults.o),
        ]

    def _results(self, m: Module, collector: Collector, dispatch: Dispatch) -> EpilogueRows:
        """From sums to the result buffer, by way of the softmax for scores; gives the epilogue."""
        shape = self._shape
        epilogue = EpilogueRows(
            rows=shape.rows, columns=shape.columns, segments=shape.segments, gelu_rows=shape.gelu_rows
        )
        softmax = Softmax(
            rows=shape.rows,
            columns=shape.columns,
            segments=shape.segments,
            keys=shape.score_keys,
            lanes=shape.exp_lanes,
        )
        result = ResultBuffer(words=shape.result_words)
        add_with_own_reset(m, "epilogue", epilogue)
        add_with_own_reset(m, "softmax", softmax)
        add_with_own_reset(m, "result", result)
        m.d.comb += [
            softmax.item.eq(dispatch.item),
            softmax.p_free.eq(dispatch.p_free),
            dispatch.p_ready.eq(softmax.p_ready),
            dispatch.scores_free.eq(softmax.scores_free),
            self.saturations.eq(epilogue.saturations),
            result.write.eq(collector.write),
        ]
        for row in range(shape.rows):
            for segment in range(shape.segments):
                m.d.comb += [
                    epilogue.i[row][segment].eq(self.drained[row][segment]),
                    softmax.i[row][segment].eq(self.drained[row][segment]),
                ]
            m.d.comb += [
                epilogue.reciprocal[row].eq(softmax.reciprocal[row]),
                collector.i[row].eq(epilogue.o[row]),
                self.p[row].eq(softmax.p[row]),
                self.p_entry[row].eq(softmax.p_entry[row]),
            ]
        for outer, inner in zip(self.read, result.read, strict=True):
            wiring.connect(m, wiring.flipped(outer), inner)
        return epilogue
