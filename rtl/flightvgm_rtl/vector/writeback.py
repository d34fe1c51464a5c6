"""Rows of FP16 values back to memory."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, BEAT_BITS, BEAT_BYTES, Answer, WritePort
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.vector.flow import group
from flightvgm_rtl.vector.rowlocate import PITCH_BITS, Place

_ROWS = 64  # Rows that are not answered yet.
_VALUES = BEAT_BITS // 16


class WriteBack(wiring.Component):
    """Write rows to their places; bytes behind the last value of a row stay.

    Places may come ahead of their rows; up to 64 rows are not answered. ``lanes`` values go a cycle.

    Parameters
    ----------
    lanes : int
        Values of a group: 4, 8 or 16.

    Members
    -------
    beats : In(10)
        Beats of a row. This and the tail must stay as they are while a row is inside.
    tail : In(lanes)
        Which values of the last group belong to the row.
    stop : In(1)
        No request begins.
    i_place : In(stream.Signature(Place))
    i : In(stream.Signature(group(lanes)))
    write : Out(WritePort())
    done : Out(1)
        Pulse: a row is answered.
    error : Out(2)
        How a write failed: with ``done``, or for as long as a place is no address.
    address : Out(40)
        Of the row that failed.
    """

    def __init__(self, *, lanes: int) -> None:
        self._lanes = lanes
        super().__init__(
            {
                "beats": In(PITCH_BITS),
                "tail": In(lanes),
                "stop": In(1),
                "i_place": In(stream.Signature(Place)),
                "i": In(stream.Signature(group(lanes))),
                "write": Out(WritePort()),
                "done": Out(1),
                "error": Out(2),
                "address": Out(ADDRESS_BITS),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Requests, beats, answers."""
        m = Module()
        m.submodules.asked = asked = Fifo(ADDRESS_BITS, depth=_ROWS, style="distributed")
        place, request, answer = self.i_place, self.write.request, self.write.done
        free, beyond, failed = Signal(), Signal(), Signal()
        m.d.comb += [
            free.eq(asked.i.ready & ~self.stop & ~place.p.beyond),
            request.valid.eq(place.valid & free),
            request.p.address.eq(place.p.address),
            request.p.beats.eq(self.beats),
            place.ready.eq(request.ready & free),
            asked.i.valid.eq(place.valid & place.ready),
            asked.i.payload.eq(place.p.address),
            asked.o.ready.eq(answer.valid),
            self.done.eq(answer.valid),
            beyond.eq(place.valid & place.p.beyond),
            failed.eq(answer.valid & (answer.error != Answer.OK)),
            self.error.eq(Mux(failed, answer.error, Mux(beyond, Answer.WINDOW, Answer.OK))),
            self.address.eq(Mux(failed, asked.o.payload, place.p.address)),
        ]
        self._beats(m)
        return m

    def _beats(self, m: Module) -> None:
        """Join groups to beats."""
        lanes = self._lanes
        pieces = _VALUES // lanes
        piece, full = Signal(range(max(2, pieces))), Signal()
        held, strobe = Signal(BEAT_BITS, reset_less=True), Signal(BEAT_BYTES, reset_less=True)
        move, whole = Signal(), Signal()
        beat = self.write.beat
        m.d.comb += [
            self.i.ready.eq(~full | beat.ready),
            move.eq(self.i.valid & self.i.ready),
            whole.eq(self.i.p.last | (piece == pieces - 1)),
            beat.valid.eq(full),
            beat.p.data.eq(held),
            beat.p.strobe.eq(strobe),
        ]
        mask, bytes_of = Signal(lanes), Signal(2 * lanes)
        m.d.comb += [
            mask.eq(Mux(self.i.p.last, self.tail, Const((1 << lanes) - 1, lanes))),
            bytes_of.eq(Cat(*(mask[lane].replicate(2) for lane in range(lanes)))),
        ]
        values = self.i.p.values.as_value()
        for number in range(pieces):
            with m.If(move & (piece == number)):
                m.d.sync += held[16 * lanes * number : 16 * lanes * (number + 1)].eq(values)
                m.d.sync += strobe[2 * lanes * number :].eq(bytes_of)
        with m.If(move):
            m.d.sync += piece.eq(Mux(whole, 0, piece + 1))
        m.d.sync += full.eq(move & whole | full & ~beat.ready)
