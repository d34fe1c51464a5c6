"""What becomes of quantised rows: records, map, count and the ledger's entry."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value, ValueLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import METADATA_BYTES
from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.buffers.ports import GRANULES, operand_write
from flightvgm_rtl.control.commands import Increment, command
from flightvgm_rtl.control.ports import CountWrite
from flightvgm_rtl.dma.ports import BEAT_BITS, BEAT_BYTES, WritePort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.hold import hold
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.recovery.answers import Answers
from flightvgm_rtl.recovery.map import Entry, MapWriter
from flightvgm_rtl.recovery.pack import RowBeats
from flightvgm_rtl.recovery.place import RecordPlace
from flightvgm_rtl.recovery.stop import FirstFault
from flightvgm_rtl.recovery.tally import Tally
from flightvgm_rtl.sparsifier.compare import Compare
from flightvgm_rtl.sparsifier.ports import QuantisedRow, quantised_group

_REST = BEAT_BITS - 8 * METADATA_BYTES
_OUT, _MAP, _A = range(3)  # Fields that a fault's address comes from.
_SETTLE = 7  # Cycles of preparation; no less until the last write to A has happened.


class Emit(wiring.Component):
    """Take quantised rows and write records.

    With flag ``compare`` kept rows are appended at row ``base`` of ``out``; each token's entry of the map is the number
    of the kept row that stands for it; count register and ledger get their numbers when all writes are answered.
    Without it all rows are written one after another, to ``out`` or, with ``to_a``, to A. A row that would be kept
    behind the first ``limit`` is a fault before it is written.

    A row of n words of 32 bytes takes n + 2 cycles, but not less than the comparison. Rows of the next instruction may
    come early; they wait. An instruction that quantises nothing is done at once.

    Parameters
    ----------
    lanes, row_channels, reference_bytes : int
        As for :class:`~flightvgm_rtl.sparsifier.compare.Compare`; ``lanes`` is a power of two of at most 32.
    rows : int
        Banks of A.
    a_words : int
        Words of 32 bytes in each.

    Members
    -------
    i : In(stream.Signature(command("rows")))
        Instructions; the next one is taken when the last one is done. Fields that concern rows of x and y are not
        looked at.
    i_values : In(stream.Signature(quantised_group(lanes)))
    i_row : In(stream.Signature(QuantisedRow))
    records, map : Out(WritePort())
    a : Out(stream.Signature(operand_write(rows, a_words)))
    count : Out(CountWrite)
    post : Out(stream.Signature(Increment))
    done : Out(1)
        Pulse for each instruction, in order: all is written, answered and posted.
    fault : Out(Fault)
    active : Out(1)
        Data moved.
    """

    def __init__(self, *, lanes: int, row_channels: int, reference_bytes: int, rows: int, a_words: int) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(command("rows"))),
                "i_values": In(stream.Signature(quantised_group(lanes))),
                "i_row": In(stream.Signature(QuantisedRow)),
                "records": Out(WritePort()),
                "map": Out(WritePort()),
                "a": Out(stream.Signature(operand_write(rows, a_words))),
                "count": Out(CountWrite),
                "post": Out(stream.Signature(Increment)),
                "done": Out(1),
                "fault": Out(Fault),
                "active": Out(1),
            }
        )
        self._compare = Compare(lanes=lanes, row_channels=row_channels, reference_bytes=reference_bytes)
        self._place, self._map = RecordPlace(rows=rows, a_words=a_words), MapWriter()
        self._beats = RowBeats(lanes=lanes, row_channels=row_channels)
        self._entries = Fifo(Entry, depth=8, style="distributed")
        self._offered, self._skipped, self._first = Tally(), Tally(), FirstFault()
        self._issued = Signal(command("rows"), reset_less=True)
        self._settle = Signal(range(_SETTLE + 1))
        self._start, self._begin, self._keep, self._skip = (Signal() for _ in range(4))
        self._asks = Signal()  # The request of a record was not taken yet.
        self._late = Signal()  # The record is written; its place waits for its request.
        self._rows, self._kept = (Signal(EXTENT_BITS, reset_less=True) for _ in range(2))
        self._final, self._extra, self._put, self._taken = (Signal() for _ in range(4))

    def elaborate(self, _platform: Any) -> Module:
        """Wire what the rows pass; then instruction, row and words."""
        m = Module()
        add_with_own_reset(m, "compare", self._compare)
        for name in ("beats", "place", "map", "entries"):
            m.submodules[name] = getattr(self, f"_{name}")
        hold(m, self.i.p, self._issued.as_value(), taken=self.i.valid & self.i.ready, left=self.done)
        self._wire(m)
        self._records(m)
        answered = self._answers(m)
        with m.FSM():
            self._instruction(m)
            self._row(m)
            self._end(m, answered)
            with m.State("STOPPED"):
                pass
        return m

    def _wire(self, m: Module) -> None:
        compare, beats, site = self._compare, self._beats, self._issued.site
        fields = self._issued.body.rows
        wiring.connect(m, wiring.flipped(self.i_row), compare.i_row)
        wiring.connect(m, self._entries.o, self._map.i)
        wiring.connect(m, self._map.port, wiring.flipped(self.map))
        m.d.comb += [
            beats.i.p.eq(self.i_values.p),
            compare.i.p.eq(self.i_values.p),
            beats.i.valid.eq(self.i_values.valid & compare.i.ready),
            compare.i.valid.eq(self.i_values.valid & beats.i.ready),
            self.i_values.ready.eq(beats.i.ready & compare.i.ready),
            compare.start.eq(self._start),
            compare.compare.eq(fields.flag_compare),
            compare.theta_group.eq(site.theta_group),
            compare.theta_chunk.eq(site.theta_chunk),
            self._place.fields.eq(fields),
            self._place.load.eq(self._start),
            self._map.base.eq(fields.map_out),
            self._entries.i.p.token.eq(compare.o.p.row.token),
            self._entries.i.p.number.eq(fields.base + compare.o.p.number),
            self._offered.add.eq(self._begin),
            self._skipped.add.eq(self._skip),
        ]
        for tally in (self._offered, self._skipped):
            m.submodules += tally
            m.d.comb += [tally.step.eq(site.macs), tally.clear.eq(self._start)]

    def _records(self, m: Module) -> None:
        """A word of a record to memory or to A."""
        row, to_a = self._compare.o.p.row, self._issued.body.rows.flag_to_a
        word = Signal(BEAT_BITS)
        data = Mux(self._extra, 0, self._beats.o.p.data)
        beat = Signal(range(1 << len(self._place.pitch)))
        m.d.comb += [
            word.eq(Cat(data[:_REST], Mux(self._final, Cat(row.scale, row.correction), data[_REST:]))),
            self.records.request.valid.eq(self._asks),
            self.records.request.p.address.eq(self._place.line << 5),
            self.records.request.p.beats.eq(self._place.pitch),
            self.records.beat.p.data.eq(word),
            self.records.beat.p.strobe.eq((1 << BEAT_BYTES) - 1),
            self.records.beat.valid.eq(self._put & ~to_a),
            self.a.valid.eq(self._put & to_a),
            self.a.p.bank.eq(self._place.bank),
            self.a.p.word.eq(self._place.word + beat),
            self.a.p.data.eq(word),
            self.a.p.strobe.eq((1 << GRANULES) - 1),
            self.a.p.entry.eq(word[_REST:]),
            self.a.p.entry_enable.eq(1),
            self._taken.eq(self._put & Mux(to_a, self.a.ready, self.records.beat.ready)),
            self.active.eq(self._taken | (self.i_values.valid & self.i_values.ready)),
        ]
        with m.If(self._taken):
            m.d.sync += beat.eq(Mux(self._final, 0, beat + 1))
        m.d.sync += self._place.advance.eq((self._keep | self._late) & ~self._asks)
        m.d.sync += self._late.eq((self._keep | self._late) & self._asks)
        with m.If(self.records.request.ready):
            m.d.sync += self._asks.eq(0)

    def _answers(self, m: Module) -> Signal:
        """Whether all that was written is answered; a bad answer is a fault."""
        answered, fields = Signal(), self._issued.body.rows
        rows, entries, first = Answers(), Answers(), self._first
        m.submodules.row_answers, m.submodules.map_answers, m.submodules.first = rows, entries, first
        for unit, port, field in ((rows, self.records, _OUT), (entries, self.map, _MAP)):
            m.d.comb += [unit.asked.eq(port.request.valid & port.request.ready), unit.done.eq(port.done)]
            with m.If(unit.code != ErrorCode.NONE):
                self._stop(m, unit.code, field)
        idle = self._map.idle & (self._entries.level == 0) & ~self._asks
        m.d.sync += answered.eq(rows.none & entries.none & idle & ~first.stopped)
        addresses = Cat(fields.out, fields.map_out, fields.a)
        m.d.comb += [first.pc.eq(self._issued.pc), first.addresses.eq(addresses), self.fault.eq(first.fault)]
        return answered

    def _stop(self, m: Module, code: ValueLike, field: int | Value) -> None:
        m.d.comb += [self._first.stop.eq(1), self._first.code.eq(code), self._first.field.eq(field)]

    def _instruction(self, m: Module) -> None:
        """Take an instruction, wait for the place of its records, check it."""
        fields, nothing = self._issued.body.rows, Signal()
        with m.State("IDLE"):
            m.d.comb += self.i.ready.eq(1)
            m.d.sync += [self._settle.eq(_SETTLE), self._rows.eq(0), self._kept.eq(0), nothing.eq(0)]
            with m.If(self.i.valid):
                m.next = "PREPARE"
        with m.State("PREPARE"):
            m.d.sync += self._settle.eq(self._settle - 1)
            skewed_out = self._place.misaligned & ~fields.flag_to_a
            skewed_map = fields.flag_compare & fields.map_out[:5].any()
            m.d.sync += nothing.eq(~fields.flag_quantise | (fields.count == 0))
            with m.If(nothing):
                m.next = "COUNT"
            with m.Elif(self._settle == 0):
                m.d.comb += self._start.eq(1)
                m.next = "ROW"
                with m.If(skewed_out | skewed_map | (self._place.misaligned_a & fields.flag_to_a)):
                    self._stop(m, ErrorCode.MISALIGNED, Mux(skewed_out, _OUT, _MAP))
                    m.next = "STOPPED"

    def _row(self, m: Module) -> None:
        """Take a verdict; write the row's words, or drop them."""
        fields, verdict, beats = self._issued.body.rows, self._compare.o, self._beats.o
        full, ready, listed = Signal(), Signal(), Signal()
        m.d.sync += full.eq(fields.flag_compare & (self._kept == fields.limit))
        m.d.sync += listed.eq(~fields.flag_compare | self._entries.i.ready)
        with m.State("ROW"):
            m.d.comb += [
                ready.eq(verdict.valid & ~self._asks & ~self._late & ~self._place.advance & listed),
                self._entries.i.valid.eq(ready & fields.flag_compare),
            ]
            with m.If(ready):
                m.d.comb += [self._begin.eq(1), self._skip.eq(~verdict.p.keep)]
                m.d.sync += self._rows.eq(self._rows + 1)
                m.next = "DROP"
                with m.If(verdict.p.keep):
                    m.next = "WORDS"
                    m.d.sync += [self._asks.eq(~fields.flag_to_a & ~full), self._kept.eq(self._kept + 1)]
                    with m.If(full | (fields.flag_to_a & self._place.overrun)):
                        m.next = "OVERRUN"
        with m.State("OVERRUN"):
            self._stop(m, Mux(full, ErrorCode.COUNT_OVERRUN, ErrorCode.BUFFER_OVERRUN), Mux(full, _OUT, _A))
            m.next = "STOPPED"
        with m.State("WORDS"):
            m.d.comb += [
                self._put.eq(beats.valid),
                self._final.eq(beats.p.last & self._place.fits),
                beats.ready.eq(self._taken),
                self._keep.eq(self._taken & self._final),
            ]
            with m.If(self._keep):
                m.next = "NEXT"
            with m.Elif(self._taken & beats.p.last):
                m.next = "METADATA"
        with m.State("METADATA"):
            m.d.comb += [signal.eq(1) for signal in (self._put, self._final, self._extra)]
            m.d.comb += self._keep.eq(self._taken)
            with m.If(self._taken):
                m.next = "NEXT"
        with m.State("DROP"):
            m.d.comb += beats.ready.eq(1)
            with m.If(beats.valid & beats.p.last):
                m.next = "NEXT"
        with m.State("NEXT"):
            m.d.comb += verdict.ready.eq(1)
            m.d.sync += self._settle.eq(_SETTLE)
            m.next = "ROW"
            with m.If(verdict.p.row.last):
                m.next = "FLUSH"

    def _end(self, m: Module, answered: Signal) -> None:
        """Wait for all answers; count, post, done."""
        fields, increment = self._issued.body.rows, self.post.p
        m.d.comb += [
            self.count.counter.eq(fields.counter),
            self.count.value.eq(self._kept),
            increment.place.eq(self._issued.place),
            increment.rows_offered.eq(self._rows),
            increment.rows_kept.eq(self._kept),
            increment.macs_offered.eq(self._offered.total),
            increment.macs_skipped.eq(self._skipped.total),
        ]
        with m.State("FLUSH"):
            m.d.comb += self._map.flush.eq(1)
            with m.If(self._settle != 0):
                m.d.sync += self._settle.eq(self._settle - 1)
            with m.Elif(answered):
                m.next = "COUNT"
        with m.State("COUNT"):
            m.d.comb += self.count.valid.eq(fields.flag_compare)
            m.next = "DONE"
            with m.If(fields.flag_compare & (self._rows != 0)):
                m.next = "POST"
        with m.State("POST"):
            m.d.comb += self.post.valid.eq(1)
            with m.If(self.post.ready):
                m.next = "DONE"
        with m.State("DONE"):
            m.d.comb += self.done.eq(1)
            m.next = "IDLE"
