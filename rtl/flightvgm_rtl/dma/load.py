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
from flightvgm_rtl.dma.load_front import LoadFront, checked
from flightvgm_rtl.dma.load_pieces import RowPieces
from flightvgm_rtl.dma.load_places import SLOT_BITS, TABLE_BITS, RowPlaces
from flightvgm_rtl.dma.load_values import ValueWrites
from flightvgm_rtl.dma.load_writes import LoadWrites
from flightvgm_rtl.dma.ports import Answer, ReadPort
from flightvgm_rtl.lib.fault import Fault
from flightvgm_rtl.lib.hold import hold
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.vector.headnorm import HeadNorm
from flightvgm_rtl.vector.heads import HeadEntries

ROTATION = 2
GROUPS_MOST = 1024  # Of a head of 8,191 channels, or a channel of 8,192 keys.


class State(enum.Enum, shape=3):
    """What the unit does with its instruction."""

    IDLE = 0
    BEGIN = 1
    ROWS = 2
    CHANNELS = 3
    DONE = 4


class Load(wiring.Component):
    """Unit of the queue ``load``: LOADA.

    The buffers take the writes of one instruction at a time, and ``done`` follows its last one; rows of the
    next one are asked for before. Bytes move at 32 a cycle, heads at eight values a cycle, a transform
    included, and a write for each head. A problem of V takes as long again, after its last key, to come back by
    channel.

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
        self._words = max(a_words, b_words, p_words)
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
        now, state, stop = Signal(checked(self._words), reset_less=True), Signal(State), Signal()
        load = now.command.body.loada
        self._wire_rows(m, parts, load, now.plan)
        self._wire_pieces(m, parts, load, now.plan)
        self._wire_norm(m, parts, load)
        self._wire_channels(m, parts, load, now.plan)
        self._sequence(m, parts, now, state, stop)
        self._watch(m, parts, now, state, stop)
        return m

    def _wire_rows(self, m: Module, parts: _Parts, load: Any, plan: Any) -> None:
        """Ask for rows, and tell where they go."""
        front, places = parts.front, parts.places
        wiring.connect(m, wiring.flipped(self.map), front.map)
        wiring.connect(m, wiring.flipped(self.command), front.command)
        wiring.connect(m, wiring.flipped(self.row.request), front.request)
        m.d.comb += [
            front.stop.eq(self.fault.valid),
            places.plan.eq(plan),
            places.count.eq(load.count),
            places.outer.eq(load.outer),
            places.by_outer.eq(load.position),
            places.rotates.eq(load.transform == ROTATION),
            places.rope.eq(load.rope[5:]),
        ]

    def _wire_pieces(self, m: Module, parts: _Parts, load: Any, plan: Any) -> None:
        """Cut rows, and send what they are to the buffer, through the transform or by channel."""
        pieces, writes, by_channel = parts.pieces, parts.writes, parts.values
        in_norm = Signal()
        wiring.connect(m, parts.places.o, pieces.place)
        m.d.comb += [
            pieces.beat.valid.eq(self.row.beat.valid & ~self.fault.valid),
            pieces.beat.p.eq(self.row.beat.p),
            self.row.beat.ready.eq(pieces.beat.ready & ~self.fault.valid),
            pieces.transposed.eq(load.flag_transposed),
            pieces.row_values.eq(load.row_bytes[1:]),
            pieces.heads.eq(load.heads),
            pieces.head_dim.eq(load.head_dim),
            in_norm.eq(load.transform.any() & pieces.o.p.in_head),
            by_channel.key_words.eq(plan.key_words),
            by_channel.i.p.eq(pieces.o.p),
            by_channel.i.valid.eq(pieces.o.valid & load.flag_transposed),
            writes.i_piece.p.eq(pieces.o.p),
            writes.i_piece.valid.eq(pieces.o.valid & ~load.flag_transposed & ~in_norm),
            parts.norm.i.valid.eq(pieces.o.valid & in_norm),
            pieces.o.ready.eq(
                Mux(in_norm, parts.norm.i.ready, Mux(load.flag_transposed, by_channel.i.ready, writes.i_piece.ready))
            ),
            writes.target.eq(load.target),
            writes.by_bytes.eq(~load.heads.any()),
            self.parameters.eq(writes.parameters),
        ]
        wiring.connect(m, by_channel.o, writes.i_values)
        wiring.connect(m, parts.entries.o, writes.i_entry)
        wiring.connect(m, wiring.flipped(self.write_a), writes.write_a)
        wiring.connect(m, wiring.flipped(self.write_b), writes.write_b)

    def _wire_norm(self, m: Module, parts: _Parts, load: Any) -> None:
        """Heads of a transform, and what comes of them."""
        norm, normed, piece = parts.norm, parts.writes.i_normed, parts.pieces.o.p
        group = norm.i.p
        m.d.comb += [
            norm.start.eq(parts.places.start),
            norm.head_dim.eq(load.head_dim),
            norm.rotates.eq(load.transform == ROTATION),
            norm.norm.eq(load.norm[5:]),
            norm.rope.eq(load.rope[5:]),
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

    def _wire_channels(self, m: Module, parts: _Parts, load: Any, plan: Any) -> None:
        """Prepare heads of rows, or channels that come back."""
        channels, entries, group = parts.channels, parts.entries, parts.writes.o_group
        wiring.connect(m, wiring.flipped(self.back_b), channels.back)
        m.d.comb += [
            channels.key_words.eq(plan.key_words),
            channels.keys.eq(load.count),
            channels.channels.eq(load.row_bytes[1:]),
            entries.i.valid.eq(Mux(channels.busy, channels.o.valid, group.valid)),
            entries.i.p.eq(Mux(channels.busy, channels.o.p, group.p)),
            channels.o.ready.eq(entries.i.ready),
            group.ready.eq(entries.i.ready),
        ]

    def _sequence(self, m: Module, parts: _Parts, now: Any, state: Any, stop: Signal) -> None:
        """Rows, and for V the channels of each problem behind its rows."""
        load, given = now.command.body.loada, parts.front.o
        quiet, begin, again, back = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            given.ready.eq((state == State.IDLE) & ~stop),
            self.busy.eq((state != State.IDLE) | parts.front.busy),
            quiet.eq(~parts.pieces.o.valid & ~parts.norm.busy & ~parts.entries.busy & ~parts.writes.busy),
            begin.eq(state == State.BEGIN),
            parts.places.start.eq(begin),
            parts.pieces.resume.eq(begin | again),
            parts.channels.start.eq(back),
            self.done.eq((state == State.DONE) & ~stop),
        ]
        hold(m, given.p, now.as_value(), taken=given.valid & given.ready, left=self.done)
        with m.Switch(state):
            with m.Case(State.IDLE), m.If(given.valid & ~stop):
                m.d.sync += state.eq(Mux(given.p.empty, State.DONE, State.BEGIN))
            with m.Case(State.BEGIN):
                m.d.sync += [state.eq(State.ROWS), parts.channels.word.eq(now.plan.word)]
            with m.Case(State.ROWS), m.If(parts.pieces.held & quiet):
                m.d.comb += back.eq(load.flag_transposed)
                m.d.sync += state.eq(Mux(load.flag_transposed, State.CHANNELS, State.DONE))
            with m.Case(State.CHANNELS), m.If(~parts.channels.busy & quiet):
                m.d.comb += again.eq(~parts.pieces.last)
                m.d.sync += [
                    state.eq(Mux(parts.pieces.last, State.DONE, State.ROWS)),
                    parts.channels.word.eq(parts.channels.word + now.plan.outer_step),
                ]
            with m.Case(State.DONE), m.If(self.done):
                m.d.sync += state.eq(State.IDLE)

    def _watch(self, m: Module, parts: _Parts, now: Any, state: Any, stop: Signal) -> None:
        """Raise the first fault, and tell that data moves."""
        front, pieces = parts.front, parts.pieces
        code, lost, at_once = Signal(5), Signal(), Signal()
        fault, valid = Signal(Fault, reset_less=True), Signal()
        m.d.comb += [
            lost.eq(front.lost != Answer.OK),
            at_once.eq((state == State.IDLE) & front.o.valid & front.o.p.code.any()),
        ]
        with m.If(at_once):
            m.d.comb += code.eq(front.o.p.code)
        with m.Elif(pieces.error != Answer.OK):
            m.d.comb += code.eq(_code(pieces.error))
        with m.Elif(lost):
            m.d.comb += code.eq(_code(front.lost))
        with m.Elif(parts.places.overrun):
            m.d.comb += code.eq(ErrorCode.BUFFER_OVERRUN)
        with m.Elif(parts.places.overlap | parts.entries.infinite | parts.norm.infinite | parts.norm.improper):
            m.d.comb += code.eq(ErrorCode.FIELD_RANGE)
        m.d.comb += [
            stop.eq(code.any() | valid),
            self.fault.eq(fault),
            self.fault.valid.eq(valid),
            self.active.eq(
                (self.row.beat.valid & self.row.beat.ready)
                | parts.writes.active
                | (self.back_b.request.valid & self.back_b.request.ready)
            ),
        ]
        source = Mux(at_once, front.o.p.command.body.loada.source, now.command.body.loada.source)
        with m.If(~valid):
            m.d.sync += [
                valid.eq(code.any()),
                fault.code.eq(code),
                fault.pc.eq(Mux(at_once, front.o.p.command.pc, now.command.pc)),
                fault.address.eq(Mux(lost, front.lost_address, source)),
            ]


class _Parts:
    """The components of the unit."""

    def __init__(self, m: Module, sizes: dict[str, int]) -> None:
        columns, b_words, p_words = sizes["columns"], sizes["b_words"], sizes["p_words"]
        words = max(sizes["a_words"], b_words, p_words)
        self.front = LoadFront(**sizes)
        self.places = RowPlaces(words=words, p_words=p_words)
        self.pieces = RowPieces(words=words)
        self.values = ValueWrites(columns=columns, words=words)
        self.channels = ChannelBack(columns=columns, b_words=b_words, words=words)
        self.writes = LoadWrites(**sizes)
        self.norm = HeadNorm(
            groups=GROUPS_MOST,
            p_words=p_words,
            where_bits=SLOT_BITS + (2 * words - 1).bit_length(),
            table_bits=TABLE_BITS,
        )
        self.entries = HeadEntries(where(words), groups=GROUPS_MOST)
        for name, part in vars(self).items():
            add_with_own_reset(m, name, part)


def _code(error: Value) -> Value:
    """The error code of an answer."""
    others = Mux(error == Answer.SLVERR, ErrorCode.AXI_SLVERR, ErrorCode.AXI_DECERR)
    return Mux(error == Answer.WINDOW, ErrorCode.ADDRESS_WINDOW, others)
