"""A bank of an operand buffer: words of 32 bytes, their entries, and for rows the probabilities."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.array.ports import Mode
from flightvgm_rtl.buffers.ports import ENTRY_BITS, GRANULES, WORD_BITS
from flightvgm_rtl.target.ram import Ram, RamRW

CORRECTION_BITS = 58
EXPONENT_BITS = 6
LINE_BITS = 128
COLUMN_LABEL_BITS = 96
ALL_VALUES = 31
P_EXPONENT = 15  # Biased FP16 exponent of 1.0, the largest probability of a row.
ULTRA_WORDS = 2048  # From here on a bank fills URAM better than block RAM.


def command(words: int) -> data.StructLayout:
    """What the feeder tells bank 0 in a cycle; it reaches bank i after i cycles.

    ``valid`` is a feed, made of piece ``piece`` of the word that was read last; ``read`` reads ``word`` of the data, or
    of slot ``slot`` of the probabilities with ``from_p``. The first ``count`` values of the feed are valid. With
    ``first`` the entry of word ``entry`` is read. ``meta`` reads the line ``half`` of ``word`` as the column's scale,
    bias and correction, and excludes ``read``.
    """
    return data.StructLayout(
        {
            "valid": 1,
            "read": 1,
            "meta": 1,
            "mode": Mode,
            "first": 1,
            "last": 1,
            "word": range(words),
            "entry": range(words),
            "piece": 3,
            "count": 5,
            "from_p": 1,
            "slot": 1,
            "half": 1,
        }
    )


def feed() -> data.StructLayout:
    """What a bank gives its edge: flags, the word with the piece that counts, and the exponent of its FP16 values."""
    return data.StructLayout(
        {
            "valid": 1,
            "mode": Mode,
            "first": 1,
            "last": 1,
            "piece": 3,
            "count": 5,
            "exponent": EXPONENT_BITS,
            "word": WORD_BITS,
        }
    )


def label(bits: int) -> data.StructLayout:
    """Entry of a row (64 bits) or column (96 bits) of the tile that was fed.

    An INT8 column has FP32 scale, FP32 bias and INT32 correction instead.
    """
    return data.StructLayout({"valid": 1, "mode": Mode, "data": bits})


def bank_write(words: int) -> data.StructLayout:
    """Access of a loader: a write of granules and of the entry, or with ``back`` a read of ``word``."""
    return data.StructLayout(
        {
            "back": 1,
            "word": range(words),
            "strobe": GRANULES,
            "data": WORD_BITS,
            "entry": ENTRY_BITS,
            "entry_enable": 1,
        }
    )


def probability_write(words: int) -> data.StructLayout:
    """Write of a word of probabilities of a row."""
    return data.StructLayout({"enable": 1, "slot": 1, "word": range(words), "data": WORD_BITS})


ProbabilityEntry = data.StructLayout({"enable": 1, "slot": 1, "correction": CORRECTION_BITS})
"""Write of the correction of a row of probabilities; their exponent is that of 1.0."""


def style(words: int) -> str:
    """Memory style of a bank of ``words`` words."""
    return "ultra" if words >= ULTRA_WORDS else "auto"


class OperandBank(wiring.Component):
    """One bank: what loaders write, read back, and what the array reads.

    A command that is at ``i_command`` in cycle t is at ``o_command`` in t + 1, and its feed at ``o_feed`` in t +
    ``latency``. The label is valid for a cycle: for rows with the feed ``last``, for columns a cycle later, so that a
    ``meta`` one cycle behind the last feed still counts.

    Parameters
    ----------
    words : int
        Words of 32 bytes.
    columns : bool
        Bank of B, whose labels may come from the data.
    p_words : int
        Words of a slot of probabilities; 0 without.

    Members
    -------
    i_write : In(bank_write(words))
    o_back : Out(256)
        The word of a ``back``, one cycle later.
    i_command, o_command : command(words)
    o_feed : Out(feed())
    o_label : Out(label(...))
    i_p, i_p_entry : In
        With ``p_words``: writes of the softmax.
    """

    latency = 2

    def __init__(self, *, words: int, columns: bool, p_words: int = 0) -> None:
        self._words, self._columns, self._p_words = words, columns, p_words
        members: dict[str, Any] = {
            "i_write": In(bank_write(words)),
            "o_back": Out(WORD_BITS),
            "i_command": In(command(words)),
            "o_command": Out(command(words)),
            "o_feed": Out(feed()),
            "o_label": Out(label(COLUMN_LABEL_BITS if columns else ENTRY_BITS)),
        }
        if p_words:
            members |= {"i_p": In(probability_write(p_words)), "i_p_entry": In(ProbabilityEntry)}
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Read in the first cycle, register what was read in the second."""
        m = Module()
        now = self._delay(m, self.i_command, "now")  # The command whose words the memories give.
        m.d.comb += self.o_command.eq(now)
        word, entry = self._memories(m)
        if self._p_words:
            word, entry = self._probabilities(m, now, word, entry)
        done = self._delay(m, now, "done")
        held = Signal(WORD_BITS, reset_less=True)
        label_held = Signal(ENTRY_BITS, reset_less=True)
        half = WORD_BITS // 2
        for part in range(2):  # ``now.read`` for each half of the word, since one bit would drive too many loads.
            read = Signal(name=f"read_{part}", attrs={"keep": "true"})
            m.d.sync += read.eq(self.i_command.read)
            with m.If(read):
                m.d.sync += held.word_select(part, half).eq(word.word_select(part, half))
        with m.If(now.valid & now.first):
            m.d.sync += label_held.eq(entry)
        m.d.comb += [
            self.o_feed.valid.eq(done.valid),
            self.o_feed.mode.eq(done.mode),
            self.o_feed.first.eq(done.first),
            self.o_feed.last.eq(done.last),
            self.o_feed.piece.eq(done.piece),
            self.o_feed.count.eq(done.count),
            self.o_feed.word.eq(held),
            self.o_feed.exponent.eq(label_held[CORRECTION_BITS:]),
        ]
        if self._columns:
            self._column_label(m, now, done, word, label_held)
        else:
            m.d.comb += [
                self.o_label.valid.eq(done.valid & done.last),
                self.o_label.mode.eq(done.mode),
                self.o_label.data.eq(label_held),
            ]
        return m

    def _delay(self, m: Module, source: Any, name: str) -> Any:
        """Command of the cycle before, its control bits with a reset."""
        later = Signal(command(self._words), name=f"{name}_command")
        rest = Signal(command(self._words), name=f"{name}_payload", reset_less=True)
        control = Signal(3, name=f"{name}_control")
        m.d.sync += control.eq(Cat(source.valid, source.read, source.meta))
        with m.If(source.valid | source.meta):
            m.d.sync += rest.eq(source)
        m.d.comb += [later.eq(rest), Cat(later.valid, later.read, later.meta).eq(control)]
        return later

    def _memories(self, m: Module) -> tuple[Signal, Signal]:
        kind = style(self._words)
        m.submodules.words = words = RamRW(width=WORD_BITS, depth=self._words, lanes=GRANULES, style=kind)
        m.submodules.entries = entries = Ram(width=ENTRY_BITS, depth=self._words, style=kind)
        asked = self.i_command
        m.d.comb += [
            words.address.eq(self.i_write.word),
            words.write_enable.eq(self.i_write.strobe),
            words.write_data.eq(self.i_write.data),
            words.back_enable.eq(self.i_write.back),
            self.o_back.eq(words.back_data),
            words.read_enable.eq((asked.read & ~asked.from_p) | asked.meta),
            words.read_address.eq(asked.word),
            entries.write_enable.eq(self.i_write.entry_enable),
            entries.write_address.eq(self.i_write.word),
            entries.write_data.eq(self.i_write.entry),
            entries.read_enable.eq(asked.valid & asked.first & ~asked.from_p),
            entries.read_address.eq(asked.entry),
        ]
        return words.read_data, entries.read_data

    def _probabilities(self, m: Module, now: Any, word: Any, entry: Any) -> tuple[Any, Any]:
        bits = (self._p_words - 1).bit_length()
        m.submodules.p = p = Ram(width=WORD_BITS, depth=2 << bits, style="auto")
        m.submodules.p_entries = p_entries = Ram(width=CORRECTION_BITS, depth=2, style="distributed")
        asked = self.i_command
        m.d.comb += [
            p.write_enable.eq(self.i_p.enable),
            p.write_address.eq(Cat(self.i_p.word[:bits], self.i_p.slot)),
            p.write_data.eq(self.i_p.data),
            p.read_enable.eq(asked.read & asked.from_p),
            p.read_address.eq(Cat(asked.word[:bits], asked.slot)),
            p_entries.write_enable.eq(self.i_p_entry.enable),
            p_entries.write_address.eq(self.i_p_entry.slot),
            p_entries.write_data.eq(self.i_p_entry.correction),
            p_entries.read_enable.eq(asked.valid & asked.first & asked.from_p),
            p_entries.read_address.eq(asked.slot),
        ]
        chosen, chosen_entry = Signal(WORD_BITS), Signal(ENTRY_BITS)
        half = WORD_BITS // 2
        for part in range(2):  # ``now.from_p`` for each half of the word, since one bit would drive too many loads.
            from_p = Signal(name=f"from_p_{part}", reset_less=True, attrs={"keep": "true"})
            m.d.sync += from_p.eq(asked.from_p)
            m.d.comb += chosen.word_select(part, half).eq(
                Mux(from_p, p.read_data.word_select(part, half), word.word_select(part, half))
            )
        m.d.comb += [
            chosen_entry.eq(Mux(now.from_p, Cat(p_entries.read_data, Const(P_EXPONENT, EXPONENT_BITS)), entry)),
        ]
        return chosen, chosen_entry

    def _column_label(self, m: Module, now: Any, done: Any, word: Any, entry: Signal) -> None:
        held = Signal(COLUMN_LABEL_BITS, reset_less=True)
        ended, mode = Signal(), Signal(Mode, reset_less=True)
        with m.If(now.meta):
            m.d.sync += held.eq(word.word_select(now.half, LINE_BITS))
        with m.Elif(done.valid & done.last & (done.mode == Mode.FP16)):
            m.d.sync += held.eq(entry)
        m.d.sync += ended.eq(done.valid & done.last)
        with m.If(done.valid):
            m.d.sync += mode.eq(done.mode)
        m.d.comb += [self.o_label.valid.eq(ended), self.o_label.mode.eq(mode), self.o_label.data.eq(held)]
