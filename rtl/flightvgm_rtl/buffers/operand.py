"""Operand buffers A and B: banks, what loaders write and read back, and what the array reads."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.bank import (
    COLUMN_LABEL_BITS,
    OperandBank,
    ProbabilityEntry,
    bank_write,
    command,
    feed,
    label,
    probability_write,
)
from flightvgm_rtl.buffers.ports import ENTRY_BITS, WORD_BITS, BackPort, Kind, operand_write
from flightvgm_rtl.lib.tree import either
from flightvgm_rtl.lib.unit import place

VALUE_BITS = 16
VALUES_MOST = 8
PATIENCE = 7  # Writes that may pass a read-back that waits.


class OperandBuffer(wiring.Component):
    """Buffer of ``banks`` banks: one access of a loader a cycle, and a read of all banks a cycle.

    A write is in the memories two cycles after its transfer. Writers take turns. A read-back is refused while there are
    writes, but after seven of them; it finds all writes that were taken before. A VALUES write begins at a bank that is
    a multiple of ``min(8, banks)``, a PAIR write at an even one. The command for bank 0 hops: bank i has it i cycles
    later, and its feed ``OperandBank.latency`` cycles after that.

    Parameters
    ----------
    banks, words : int
        Banks, and words of 32 bytes in each; a buffer of columns has an even number of banks.
    writers : int
        Write streams.
    columns : bool
        Buffer B: it takes PAIR and VALUES, and labels from the data.
    p_words : int
        Words of a slot of probabilities in each bank; 0 without.

    Members
    -------
    i : In(stream.Signature(operand_write(banks, words))).array(writers)
    back : In(BackPort(banks, words))
    i_command : In(command(words))
    o_feed : Out(feed()).array(banks)
    o_label : Out(label(...)).array(banks)
    i_p, i_p_entry : In(...).array(banks)
        With ``p_words``: writes of the softmax, for each bank.
    """

    latency = OperandBank.latency

    def __init__(self, *, banks: int, words: int, writers: int, columns: bool, p_words: int = 0) -> None:
        if columns and banks % 2:
            raise ValueError(f"a buffer of columns with {banks} banks has no pairs; give an even number")
        self._banks, self._words, self._writers = banks, words, writers
        self._columns, self._p_words = columns, p_words
        self._write = operand_write(banks, words)
        members: dict[str, Any] = {
            "i": In(stream.Signature(self._write)).array(writers),
            "back": In(BackPort(banks, words)),
            "i_command": In(command(words)),
            "o_feed": Out(feed()).array(banks),
            "o_label": Out(label(COLUMN_LABEL_BITS if columns else ENTRY_BITS)).array(banks),
        }
        if p_words:
            members["i_p"] = In(probability_write(p_words)).array(banks)
            members["i_p_entry"] = In(ProbabilityEntry).array(banks)
        super().__init__(members)

    def elaborate(self, platform: Any) -> Module:
        """Choose an access, register it, and spread it over the banks."""
        m = Module()
        write, write_valid, kinds = self._choose(m)
        back = Signal(self.back.request.p.shape(), reset_less=True)
        back_valid = Signal()
        taken = Signal()
        m.d.comb += taken.eq(self.back.request.valid & self.back.request.ready)
        m.d.sync += back_valid.eq(taken)
        with m.If(taken):
            m.d.sync += back.eq(self.back.request.p)
        word = Signal(range(self._words))
        m.d.comb += word.eq(Mux(back_valid, back.word, write.word))
        spread = self._spread(m, write, kinds)
        hop: Any = self.i_command
        read_back = []
        name = f"operand_bank_w{self._words}_{'columns' if self._columns else 'rows'}_p{self._p_words}"
        for number in range(self._banks):
            unit = OperandBank(words=self._words, columns=self._columns, p_words=self._p_words)
            access = Signal(bank_write(self._words), name=f"access_{number}")
            m.d.comb += [
                access.back.eq(back_valid & (back.bank == number)),
                access.word.eq(word),
                access.strobe.eq(Mux(write_valid & self._hit(write, number), write.strobe, 0)),
                access.data.eq(spread[number % len(spread)]),
                access.entry.eq(write.entry),
                access.entry_enable.eq(write_valid & write.entry_enable & (write.bank == number)),
                unit.i_write.eq(access),
                unit.i_command.eq(hop),
                self.o_feed[number].eq(unit.o_feed),
                self.o_label[number].eq(unit.o_label),
            ]
            if self._p_words:
                m.d.comb += [unit.i_p.eq(self.i_p[number]), unit.i_p_entry.eq(self.i_p_entry[number])]
            place(m, platform, name, unit, f"bank_{number}")
            hop = unit.o_command
            read_back.append(unit.o_back)
        self._give_back(m, back_valid, back.bank, read_back)
        return m

    def _choose(self, m: Module) -> tuple[Any, Signal, list[Signal]]:
        """Access of this cycle: the write whose turn it is, or a read-back.

        Gives the registered write, and its kind for each remainder of banks: one register would drive too many loads.
        """
        turn = Signal(range(max(2, self._writers)))
        grant = Signal(self._writers)
        waiting, some, passed = Signal(self._writers), Signal(), Signal(range(PATIENCE + 1))
        impatient = Signal()
        write, write_valid = Signal(self._write, reset_less=True), Signal()
        kinds = [
            Signal(Kind, name=f"kind_{number}", reset_less=True, attrs={"keep": "true"})
            for number in range(min(VALUES_MOST, self._banks) if self._columns else 0)
        ]
        half = WORD_BITS // 2  # All that VALUES has.
        m.d.comb += [
            waiting.eq(Cat(port.valid for port in self.i)),
            some.eq(waiting.any() & ~impatient),
            impatient.eq((passed == PATIENCE) & self.back.request.valid),
            self.back.request.ready.eq(~waiting.any() | impatient),
        ]
        with m.If(~impatient), m.Switch(turn):
            for first in range(self._writers):
                with m.Case(first):
                    for step in range(self._writers):
                        number = (first + step) % self._writers
                        with (m.Elif if step else m.If)(waiting[number]):
                            m.d.comb += grant[number].eq(1)
        m.d.sync += write_valid.eq(some)
        for number, port in enumerate(self.i):
            m.d.comb += port.ready.eq(grant[number])
            with m.If(grant[number]):
                m.d.sync += [
                    *(write[name].eq(port.p[name]) for name in ("kind", "bank", "word", "strobe", "entry_enable")),
                    *(kind.eq(port.p.kind) for kind in kinds),
                    write.data[:half].eq(port.p.data[:half]),
                    turn.eq((number + 1) % self._writers),
                ]
            with m.If(grant[number] & (port.p.kind != Kind.VALUES)):
                m.d.sync += write.data[half:].eq(port.p.data[half:])
            with m.If(grant[number] & port.p.entry_enable):
                m.d.sync += write.entry.eq(port.p.entry)
        with m.If(self.back.request.ready):
            m.d.sync += passed.eq(0)
        with m.Elif(some & self.back.request.valid):
            m.d.sync += passed.eq(passed + 1)
        return write, write_valid, kinds

    def _spread(self, m: Module, write: Any, kinds: list[Signal]) -> list[Signal]:
        """Data for the banks of each remainder modulo ``min(8, banks)``."""
        if not self._columns:
            return [write.data]
        spread = []
        half, values = WORD_BITS // 2, WORD_BITS // VALUE_BITS
        for number, kind in enumerate(kinds):
            word = Signal(WORD_BITS, name=f"spread_{number}")
            with m.Switch(kind):
                with m.Case(Kind.PAIR):
                    m.d.comb += word.eq(write.data.word_select(number % 2, half).replicate(2))
                with m.Case(Kind.VALUES):
                    m.d.comb += word.eq(write.data.word_select(number, VALUE_BITS).replicate(values))
                with m.Default():
                    m.d.comb += word.eq(write.data)
            spread.append(word)
        return spread

    def _hit(self, write: Any, number: int) -> Any:
        """Whether a write reaches bank ``number``."""
        if not self._columns:
            return write.bank == number
        group = min(VALUES_MOST, self._banks).bit_length() - 1
        return Mux(
            write.kind == Kind.ROW,
            write.bank == number,
            Mux(write.kind == Kind.PAIR, write.bank[1:] == number >> 1, write.bank[group:] == number >> group),
        )

    def _give_back(self, m: Module, valid: Signal, bank: Any, words: list[Any]) -> None:
        """Select the word that a bank has read, and register it."""
        later, given, word = Signal(), Signal(), Signal(WORD_BITS, reset_less=True)
        m.d.sync += [later.eq(valid), given.eq(later)]
        half = WORD_BITS // 2
        for part in range(2):  # The choice for each half of the word, since one would drive too many loads.
            chosen = Signal(len(words), name=f"chosen_{part}", attrs={"keep": "true"})
            parts = [each.word_select(part, half) for each in words]
            m.d.sync += [
                chosen.eq(Cat(valid & (bank == number) for number in range(len(words)))),
                word.word_select(part, half).eq(
                    either(each & hit.replicate(half) for each, hit in zip(parts, chosen, strict=True))
                ),
            ]
        m.d.comb += [self.back.valid.eq(given), self.back.data.eq(word)]
