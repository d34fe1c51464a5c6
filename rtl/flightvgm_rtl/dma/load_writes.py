"""Writes of a LOADA: of pieces, normed groups, values and entries, to the buffer that is its target."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.ports import ENTRY_BITS, GRANULES, WORD_BITS, Kind, operand_write, parameter_write
from flightvgm_rtl.dma.load_back import where
from flightvgm_rtl.dma.load_fields import TARGET_A, TARGET_B, TARGET_P
from flightvgm_rtl.dma.load_pieces import GROUP, GROUP_BITS, piece
from flightvgm_rtl.dma.load_places import SLOT_BITS
from flightvgm_rtl.dma.load_values import values
from flightvgm_rtl.vector.heads import entry
from flightvgm_rtl.vector.heads_store import group


def normed(words: int) -> data.StructLayout:
    """A group of a transformed head, and where it lies: its slot, its word and the half."""
    return data.StructLayout(
        {"values": GROUP_BITS, "first": 1, "last": 1, "slot": SLOT_BITS, "place": range(2 * words)}
    )


class LoadWrites(wiring.Component):
    """Join the writes of an instruction to one stream, and give groups of heads on to be prepared.

    Entries go first, then normed groups, then values or pieces. A group of a head is taken when both the buffer
    and the unit that prepares heads take it. Writes leave through a register, one a cycle.

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
        """Grant one source, register its write, and show it to the target."""
        m = Module()
        valid, taken, free = Signal(), Signal(), Signal()
        write = Signal(
            data.StructLayout(
                {
                    "kind": Kind,
                    "bank": SLOT_BITS,
                    "word": range(self._words),
                    "data": WORD_BITS,
                    "strobe": GRANULES,
                    "entry": ENTRY_BITS,
                    "entry_enable": 1,
                }
            ),
            reset_less=True,
        )
        m.d.comb += [
            self.write_a.valid.eq(valid & (self.target == TARGET_A)),
            self.write_b.valid.eq(valid & (self.target == TARGET_B)),
            self.parameters.valid.eq(valid & (self.target == TARGET_P)),
            self.parameters.word.eq(write.word),
            self.parameters.data.eq(write.data),
            self.parameters.strobe.eq(write.strobe),
            taken.eq(Mux(self.target == TARGET_A, self.write_a.ready, (self.target != TARGET_B) | self.write_b.ready)),
            free.eq(~valid | taken),
            self.busy.eq(valid),
            self.active.eq(valid & taken),
        ]
        for port in (self.write_a, self.write_b):
            m.d.comb += [getattr(port.p, name).eq(getattr(write, name)) for name, _ in write.shape()]
        put = self._grant(m, free)
        with m.If(free):
            m.d.sync += valid.eq(put)
        with m.If(put):
            self._take(m, write)
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
        m.d.sync += [
            write.entry.eq(Mux(self.i_entry.valid, self.i_entry.p.entry, piece_.data[WORD_BITS - ENTRY_BITS :])),
            write.entry_enable.eq(self.i_entry.valid | self.by_bytes),
            write.kind.eq(Mux(~self.i_entry.valid & ~self.i_normed.valid & self.i_values.valid, Kind.VALUES, Kind.ROW)),
        ]
        with m.If(self.i_normed.valid):
            m.d.sync += write.data.eq(Cat(normed_.values, normed_.values))
        with m.Elif(self.i_values.valid):
            m.d.sync += write.data.eq(values_.data)
        with m.Else():
            m.d.sync += write.data.eq(piece_.data)
        with m.If(self.i_entry.valid):
            tag = self.i_entry.p.tag
            m.d.sync += [write.bank.eq(tag.slot), write.word.eq(tag.word), write.strobe.eq(0)]
        with m.Elif(self.i_normed.valid):
            halves = Mux(normed_.place[0], ((1 << GROUP) - 1) << GROUP, (1 << GROUP) - 1)
            m.d.sync += [
                write.bank.eq(normed_.slot),
                write.word.eq(normed_.place[1:]),
                write.strobe.eq(halves),
            ]
        with m.Elif(self.i_values.valid):
            m.d.sync += [
                write.bank.eq(values_.slot),
                write.word.eq(values_.word),
                write.strobe.eq(values_.strobe),
            ]
        with m.Else():
            m.d.sync += [
                write.bank.eq(piece_.slot),
                write.word.eq(piece_.place[1:]),
                write.strobe.eq(piece_.strobe),
            ]
