"""The load unit: rows to A, B or the parameter buffer, as bytes or prepared for products."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import enum, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_rtl.buffers.ports import BackPort, operand_write, parameter_write
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.dma.load_back import ChannelBack, where
from flightvgm_rtl.dma.load_fields import LoadFields
from flightvgm_rtl.dma.load_pieces import RowPieces
from flightvgm_rtl.dma.load_places import SLOT_BITS, TABLE_BITS, RowPlaces
from flightvgm_rtl.dma.load_values import ValueWrites
from flightvgm_rtl.dma.load_writes import LoadWrites
from flightvgm_rtl.dma.ports import Answer, ReadPort
from flightvgm_rtl.dma.walker import RowWalker
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.vector.headnorm import HeadNorm
from flightvgm_rtl.vector.heads import HeadEntries

ROTATION = 2
GROUPS_MOST = 1024  # Of a head of 8,191 channels, or a channel of 8,192 keys.


class State(enum.Enum, shape=3):
    """What the unit does with its instruction."""

    IDLE = 0
    CHECK = 1
    BEGIN = 2
    ROWS = 3
    CHANNELS = 4
    DONE = 5


class Load(wiring.Component):
    """Unit of the queue ``load``: LOADA.

    One instruction at a time: its fields are checked, its rows asked for as fast as the port takes requests,
    and ``done`` follows when the buffer has taken the last write. Bytes move at 32 a cycle, heads at eight
    values a cycle, a transform included. A problem of V takes as long again, after its last key, to come back
    by channel.

    A fault stops the unit. Rows that overlap weight tiles in flight are not found here.

    Parameters
    ----------
    rows, columns : int
        Banks of A and B.
    a_words, b_words, p_words : int
        Words of 32 bytes in each bank of A and B, and in the parameter buffer.

    Members
    -------
    command : In(stream.Signature(command("load")))
    done, busy, active : Out(1)
    fault : Out(Fault)
    map, row : Out(ReadPort())
    write_a, write_b : Out(stream.Signature(operand_write(...)))
    back_b : Out(BackPort(columns, b_words))
    parameters : Out(parameter_write(p_words))
    saturations : Out(4)
        Values that saturated, in this cycle.
    """

    def __init__(self, *, rows: int, columns: int, a_words: int, b_words: int, p_words: int) -> None:
        self._sizes = {"rows": rows, "columns": columns, "a_words": a_words, "b_words": b_words, "p_words": p_words}
        super().__init__(
            {
                "command": In(stream.Signature(command("load"))),
                "done": Out(1),
                "busy": Out(1),
                "active": Out(1),
                "fault": Out(Fault),
                "map": Out(ReadPort()),
                "row": Out(ReadPort()),
                "write_a": Out(stream.Signature(operand_write(rows, a_words))),
                "write_b": Out(stream.Signature(operand_write(columns, b_words))),
                "back_b": Out(BackPort(columns, b_words)),
                "parameters": Out(parameter_write(p_words)),
                "saturations": Out(4),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Sequence an instruction, and wire the parts."""
        m = Module()
        parts = _Parts(m, self._sizes)
        now, state, stop = Signal(command("load"), reset_less=True), Signal(State), Signal()
        self._wire_rows(m, parts, now)
        self._wire_pieces(m, parts, now)
        self._wire_norm(m, parts, now)
        self._wire_channels(m, parts, now)
        self._sequence(m, parts, now, state, stop)
        self._watch(m, parts, now, state, stop)
        return m

    def _wire_rows(self, m: Module, parts: _Parts, now: Any) -> None:
        """Ask for rows, and tell where they go."""
        fields, walker, places, plan = now.body.loada, parts.walker, parts.places, parts.fields.plan
        wiring.connect(m, wiring.flipped(self.map), walker.read)
        job = walker.job.p
        m.d.comb += [
            parts.fields.fields.eq(fields),
            job.base.eq(fields.source),
            job.mapped.eq(fields.flag_mapped),
            self.row.request.valid.eq(walker.o.valid & (walker.o.p.error == Answer.OK) & ~self.fault.valid),
            self.row.request.p.address.eq(walker.o.p.address),
            self.row.request.p.beats.eq(plan.row_beats),
            walker.o.ready.eq(self.row.request.ready & (walker.o.p.error == Answer.OK) & ~self.fault.valid),
            places.plan.eq(plan),
            places.count.eq(fields.count),
            places.outer.eq(fields.outer),
            places.by_outer.eq(fields.position),
            places.rotates.eq(fields.transform == ROTATION),
            places.rope.eq(fields.rope[5:]),
        ]
        m.d.comb += [job[name].eq(fields[name]) for name in ("pitch", "start", "count", "stride", "outer")]
        m.d.comb += [job[name].eq(fields[name]) for name in ("outer_stride", "map")]

    def _wire_pieces(self, m: Module, parts: _Parts, now: Any) -> None:
        """Cut rows, and send what they are to the buffer, through the transform or by channel."""
        fields, pieces, writes, by_channel = now.body.loada, parts.pieces, parts.writes, parts.values
        in_norm = Signal()
        wiring.connect(m, parts.places.o, pieces.place)
        m.d.comb += [
            pieces.beat.valid.eq(self.row.beat.valid & ~self.fault.valid),
            pieces.beat.p.eq(self.row.beat.p),
            self.row.beat.ready.eq(pieces.beat.ready & ~self.fault.valid),
            pieces.transposed.eq(fields.flag_transposed),
            pieces.row_values.eq(fields.row_bytes[1:]),
            pieces.heads.eq(fields.heads),
            pieces.head_dim.eq(fields.head_dim),
            in_norm.eq(fields.transform.any() & pieces.o.p.in_head),
            by_channel.key_words.eq(parts.fields.plan.key_words),
            by_channel.i.p.eq(pieces.o.p),
            by_channel.i.valid.eq(pieces.o.valid & fields.flag_transposed),
            writes.i_piece.p.eq(pieces.o.p),
            writes.i_piece.valid.eq(pieces.o.valid & ~fields.flag_transposed & ~in_norm),
            parts.norm.i.valid.eq(pieces.o.valid & in_norm),
            pieces.o.ready.eq(
                Mux(in_norm, parts.norm.i.ready, Mux(fields.flag_transposed, by_channel.i.ready, writes.i_piece.ready))
            ),
            writes.target.eq(fields.target),
            writes.by_bytes.eq(~fields.heads.any()),
            self.parameters.eq(writes.parameters),
        ]
        wiring.connect(m, by_channel.o, writes.i_values)
        wiring.connect(m, parts.entries.o, writes.i_entry)
        wiring.connect(m, wiring.flipped(self.write_a), writes.write_a)
        wiring.connect(m, wiring.flipped(self.write_b), writes.write_b)

    def _wire_norm(self, m: Module, parts: _Parts, now: Any) -> None:
        """Heads of a transform, and what comes of them."""
        fields, norm, normed, piece = now.body.loada, parts.norm, parts.writes.i_normed, parts.pieces.o.p
        group = norm.i.p
        m.d.comb += [
            norm.start.eq(parts.places.start),
            norm.head_dim.eq(fields.head_dim),
            norm.rotates.eq(fields.transform == ROTATION),
            norm.norm.eq(fields.norm[5:]),
            norm.rope.eq(fields.rope[5:]),
            norm.parameters.eq(parts.writes.parameters),
            group.values.eq(piece.data),
            group.mask.eq(piece.mask),
            group.first.eq(piece.head_first),
            group.last.eq(piece.head_last),
            group.tag.place.eq(Cat(piece.slot, piece.place)),
            group.tag.table.eq(piece.table),
            normed.valid.eq(norm.o.valid),
            norm.o.ready.eq(normed.ready),
            normed.p.values.eq(norm.o.p.values),
            normed.p.first.eq(norm.o.p.first),
            normed.p.last.eq(norm.o.p.last),
            normed.p.slot.eq(norm.o.p.place),
            normed.p.place.eq(norm.o.p.place[SLOT_BITS:] + norm.o.p.number),
            self.saturations.eq(norm.saturations),
        ]

    def _wire_channels(self, m: Module, parts: _Parts, now: Any) -> None:
        """Prepare heads of rows, or channels that come back."""
        fields, channels, entries, group = now.body.loada, parts.channels, parts.entries, parts.writes.o_group
        wiring.connect(m, wiring.flipped(self.back_b), channels.back)
        m.d.comb += [
            channels.key_words.eq(parts.fields.plan.key_words),
            channels.keys.eq(fields.count),
            channels.channels.eq(fields.row_bytes[1:]),
            entries.i.valid.eq(Mux(channels.busy, channels.o.valid, group.valid)),
            entries.i.p.eq(Mux(channels.busy, channels.o.p, group.p)),
            channels.o.ready.eq(entries.i.ready),
            group.ready.eq(entries.i.ready),
        ]

    def _sequence(self, m: Module, parts: _Parts, now: Any, state: Any, stop: Signal) -> None:
        """Check, rows, and for V the channels of each problem behind its rows."""
        fields, plan = now.body.loada, parts.fields.plan
        waited, quiet, begin, again, back = (
            Signal(range(LoadFields.latency + 2)),
            Signal(),
            Signal(),
            Signal(),
            Signal(),
        )
        m.d.comb += [
            self.command.ready.eq((state == State.IDLE) & ~self.fault.valid),
            self.busy.eq(state != State.IDLE),
            quiet.eq(~parts.pieces.o.valid & ~parts.norm.busy & ~parts.entries.busy & ~parts.writes.busy),
            parts.walker.job.valid.eq((state == State.BEGIN) & ~stop),
            begin.eq(parts.walker.job.valid & parts.walker.job.ready),
            parts.places.start.eq(begin),
            parts.pieces.resume.eq(begin | again),
            parts.channels.start.eq(back),
            self.done.eq((state == State.DONE) & ~stop),
        ]
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(self.command.valid & self.command.ready):
                m.d.sync += [now.eq(self.command.p), state.eq(State.CHECK), waited.eq(0)]
            with m.Case(State.CHECK):
                m.d.sync += waited.eq(waited + 1)
                with m.If(~fields.count.any() | ~fields.outer.any()):
                    m.d.sync += state.eq(State.DONE)
                with m.Elif(waited == LoadFields.latency + 1):
                    m.d.sync += state.eq(State.BEGIN)
            with m.Case(State.BEGIN), m.If(begin):
                m.d.sync += [state.eq(State.ROWS), parts.channels.word.eq(plan.word)]
            with m.Case(State.ROWS), m.If(parts.pieces.held & quiet):
                m.d.comb += back.eq(fields.flag_transposed)
                m.d.sync += state.eq(Mux(fields.flag_transposed, State.CHANNELS, State.DONE))
            with m.Case(State.CHANNELS), m.If(~parts.channels.busy & quiet):
                m.d.comb += again.eq(~parts.pieces.last)
                m.d.sync += [
                    state.eq(Mux(parts.pieces.last, State.DONE, State.ROWS)),
                    parts.channels.word.eq(parts.channels.word + plan.outer_step),
                ]
            with m.Case(State.DONE), m.If(self.done):
                m.d.sync += state.eq(State.IDLE)

    def _watch(self, m: Module, parts: _Parts, now: Any, state: Any, stop: Signal) -> None:
        """Raise the first fault, and tell that data moves."""
        walker, pieces = parts.walker, parts.pieces
        code, lost = Signal(5), Signal()
        m.d.comb += lost.eq(walker.o.valid & (walker.o.p.error != Answer.OK))
        with m.If((state == State.BEGIN) & parts.fields.code.any()):
            m.d.comb += code.eq(parts.fields.code)
        with m.Elif(pieces.error != Answer.OK):
            m.d.comb += code.eq(_code(pieces.error))
        with m.Elif(lost):
            m.d.comb += code.eq(_code(walker.o.p.error))
        with m.Elif(parts.places.overrun):
            m.d.comb += code.eq(ErrorCode.BUFFER_OVERRUN)
        with m.Elif(parts.places.overlap | parts.entries.infinite | parts.norm.infinite | parts.norm.improper):
            m.d.comb += code.eq(ErrorCode.FIELD_RANGE)
        m.d.comb += [
            stop.eq(code.any() | self.fault.valid),
            self.active.eq(
                (self.row.beat.valid & self.row.beat.ready)
                | parts.writes.active
                | (self.back_b.request.valid & self.back_b.request.ready)
            ),
        ]
        with m.If(code.any() & ~self.fault.valid):
            m.d.sync += [
                self.fault.valid.eq(1),
                self.fault.code.eq(code),
                self.fault.pc.eq(now.pc),
                self.fault.address.eq(Mux(lost, walker.o.p.address, now.body.loada.source)),
            ]


class _Parts:
    """The components of the unit."""

    def __init__(self, m: Module, sizes: dict[str, int]) -> None:
        columns, b_words, p_words = sizes["columns"], sizes["b_words"], sizes["p_words"]
        words = max(sizes["a_words"], b_words, p_words)
        m.submodules.fields = self.fields = LoadFields(**sizes)
        m.submodules.walker = self.walker = RowWalker()
        m.submodules.places = self.places = RowPlaces(words=words, p_words=p_words)
        m.submodules.pieces = self.pieces = RowPieces(words=words)
        m.submodules.values = self.values = ValueWrites(columns=columns, words=words)
        m.submodules.channels = self.channels = ChannelBack(columns=columns, b_words=b_words, words=words)
        m.submodules.writes = self.writes = LoadWrites(**sizes)
        m.submodules.norm = self.norm = HeadNorm(
            groups=GROUPS_MOST,
            p_words=p_words,
            where_bits=SLOT_BITS + (2 * words - 1).bit_length(),
            table_bits=TABLE_BITS,
        )
        m.submodules.entries = self.entries = HeadEntries(where(words), groups=GROUPS_MOST)


def _code(error: Value) -> Value:
    """The error code of an answer."""
    others = Mux(error == Answer.SLVERR, ErrorCode.AXI_SLVERR, ErrorCode.AXI_DECERR)
    return Mux(error == Answer.WINDOW, ErrorCode.ADDRESS_WINDOW, others)
