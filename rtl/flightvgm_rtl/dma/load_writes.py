"""Writes of a LOADA: of pieces, normed groups, values and entries, to the buffer that is its target."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import ENTRY_BITS, GRANULES, WORD_BITS, Kind, operand_write, parameter_write
from flightvgm_rtl.dma.load_back import where
from flightvgm_rtl.dma.load_fields import TARGET_A, TARGET_B, TARGET_P
from flightvgm_rtl.dma.load_pieces import GROUP, GROUP_BITS, piece
from flightvgm_rtl.dma.load_places import SLOT_BITS
from flightvgm_rtl.dma.load_values import values
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.vector.heads import entry
from flightvgm_rtl.vector.heads_store import group

_WAITING = 4


def normed(words: int) -> data.StructLayout:
    """A group of a transformed head, and where it lies: its slot, its word and the half."""
    return data.StructLayout(
        {"values": GROUP_BITS, "first": 1, "last": 1, "slot": SLOT_BITS, "place": range(2 * words)}
    )


def _write(words: int) -> data.StructLayout:
    """A write to either buffer."""
    return data.StructLayout(
        {
            "kind": Kind,
            "bank": SLOT_BITS,
            "word": range(words),
            "data": WORD_BITS,
            "strobe": GRANULES,
            "entry": ENTRY_BITS,
            "entry_enable": 1,
        }
    )


class LoadWrites(wiring.Component):
    """Join the writes of an instruction to one stream, and give groups of heads on to be prepared.

    Entries go first, then normed groups, then values or pieces. A group of a head is taken when both the buffer
    and the unit that prepares heads take it. Writes leave through a FIFO, one a cycle, so that a buffer's stall
    does not reach the sources in its cycle.

    Parameters
    ----------
    rows, columns, a_words, b_words, p_words : int
        Sizes of A, B and the parameter buffer; of A and B, words of each bank.

    Members
    -------
    target : In(2)
    by_bytes : In(1)
        The last eight bytes of each piece are its entry.
    i_piece, i_normed, i_values, i_entry : In(stream)
    o_group : Out(stream.Signature(group(where(words))))
    write_a, write_b : Out(stream.Signature(operand_write(...)))
    parameters : Out(parameter_write(p_words))
    busy : Out(1)
        A write waits.
    active : Out(1)
        A write leaves.
    """

    def __init__(self, *, rows: int, columns: int, a_words: int, b_words: int, p_words: int) -> None:
        self._words = words = max(a_words, b_words, p_words)
        super().__init__(
            {
                "target": In(2),
                "by_bytes": In(1),
                "i_piece": In(stream.Signature(piece(words))),
                "i_normed": In(stream.Signature(normed(words))),
                "i_values": In(stream.Signature(values(words))),
                "i_entry": In(stream.Signature(entry(where(words)))),
                "o_group": Out(stream.Signature(group(where(words)))),
                "write_a": Out(stream.Signature(operand_write(rows, a_words))),
                "write_b": Out(stream.Signature(operand_write(columns, b_words))),
                "parameters": Out(parameter_write(p_words)),
                "busy": Out(1),
                "active": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Grant one source, and show its write to the target."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(_write(self._words), depth=_WAITING, style="distributed")
        valid, taken, write = fifo.o.valid, fifo.o.ready, fifo.o.p
        m.d.comb += [
            self.write_a.valid.eq(valid & (self.target == TARGET_A)),
            self.write_b.valid.eq(valid & (self.target == TARGET_B)),
            self.parameters.valid.eq(valid & (self.target == TARGET_P)),
            self.parameters.word.eq(write.word),
            self.parameters.data.eq(write.data),
            self.parameters.strobe.eq(write.strobe),
            taken.eq(Mux(self.target == TARGET_A, self.write_a.ready, (self.target != TARGET_B) | self.write_b.ready)),
            self.busy.eq(fifo.level != 0),
            self.active.eq(valid & taken),
            fifo.i.valid.eq(self._grant(m, fifo.i.ready)),
        ]
        for port in (self.write_a, self.write_b):
            m.d.comb += [getattr(port.p, name).eq(getattr(write, name)) for name, _ in write.shape()]
        self._take(m, fifo.i.p)
        return m

    def _grant(self, m: Module, free: Signal) -> Signal:
        """One source a cycle; heads need their second taker."""
        put, heads = Signal(), Signal()
        piece_, normed_ = self.i_piece.p, self.i_normed.p
        behind_entry, behind_normed, of_head = Signal(), Signal(), Signal()
        head_piece = Signal()
        m.d.comb += [
            of_head.eq(piece_.in_head),
            behind_entry.eq(free & ~self.i_entry.valid),
            behind_normed.eq(behind_entry & ~self.i_normed.valid),
            self.i_entry.ready.eq(free),
            self.i_normed.ready.eq(behind_entry & self.o_group.ready),
            self.i_values.ready.eq(behind_normed),
            head_piece.eq(self.i_piece.valid & of_head),
            self.i_piece.ready.eq(behind_normed & (~of_head | self.o_group.ready)),
            heads.eq(Mux(self.i_normed.valid, behind_entry, behind_normed & head_piece)),
            self.o_group.valid.eq(heads),
            put.eq(
                free & self.i_entry.valid
                | self.i_normed.valid & self.i_normed.ready
                | self.i_values.valid & self.i_values.ready
                | self.i_piece.valid & self.i_piece.ready
            ),
        ]
        with m.If(self.i_normed.valid):
            m.d.comb += [
                self.o_group.p.values.eq(normed_.values),
                self.o_group.p.mask.eq((1 << GROUP) - 1),
                self.o_group.p.first.eq(normed_.first),
                self.o_group.p.last.eq(normed_.last),
                self.o_group.p.tag.slot.eq(normed_.slot),
                self.o_group.p.tag.word.eq(normed_.place[1:]),
            ]
        with m.Else():
            m.d.comb += [
                self.o_group.p.values.eq(piece_.data),
                self.o_group.p.mask.eq(piece_.mask),
                self.o_group.p.first.eq(piece_.head_first),
                self.o_group.p.last.eq(piece_.head_last),
                self.o_group.p.tag.slot.eq(piece_.slot),
                self.o_group.p.tag.word.eq(piece_.place[1:]),
            ]
        return put

    def _take(self, m: Module, write: Any) -> None:
        """The write of the source that is granted."""
        piece_, normed_, values_ = self.i_piece.p, self.i_normed.p, self.i_values.p
        chosen = {name: Signal(write.shape()[name].shape, name=name) for name in ("bank", "word", "strobe")}
        tag, low = self.i_entry.p.tag, (1 << GROUP) - 1
        halves = Mux(normed_.place[0], low << GROUP, low)
        sources = (
            (self.i_entry.valid, tag.slot, tag.word, 0),
            (self.i_normed.valid, normed_.slot, normed_.place[1:], halves),
            (self.i_values.valid, values_.slot, values_.word, values_.strobe),
            (Const(1), piece_.slot, piece_.place[1:], piece_.strobe),
        )
        for number, (valid, *parts) in enumerate(sources):
            with (m.Elif if number else m.If)(valid):
                m.d.comb += [signal.eq(part) for signal, part in zip(chosen.values(), parts, strict=True)]
        m.d.comb += [write[name].eq(signal) for name, signal in chosen.items()]
        lower = Signal(GROUP_BITS)  # A group goes to both halves of its word; an entry needs no data.
        upper = Mux(self.by_bytes, piece_.data[GROUP_BITS:], lower)
        m.d.comb += [
            lower.eq(
                Mux(
                    self.i_normed.valid,
                    normed_.values,
                    Mux(self.i_values.valid, values_.data, piece_.data[:GROUP_BITS]),
                )
            ),
            write.data.eq(Cat(lower, upper)),
            write.entry.eq(Mux(self.i_entry.valid, self.i_entry.p.entry, piece_.data[WORD_BITS - ENTRY_BITS :])),
            write.entry_enable.eq(self.i_entry.valid | self.by_bytes),
            write.kind.eq(Mux(~self.i_entry.valid & ~self.i_normed.valid & self.i_values.valid, Kind.VALUES, Kind.ROW)),
        ]
