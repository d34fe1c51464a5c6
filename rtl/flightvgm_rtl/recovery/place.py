"""Where records go."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import METADATA_BYTES
from flightvgm_arch.operations import BY_NAME, EXTENT_BITS
from flightvgm_rtl.control.commands import body
from flightvgm_rtl.dma.ports import ADDRESS_BITS
from flightvgm_rtl.lib.pipeline import register

_LINE_BITS = ADDRESS_BITS - 5
_LOW = 20  # Bits of an address that are added in the first of two cycles.
_PITCH_BITS = 11
_A_LINE_BITS = 19


class RecordPlace(wiring.Component):
    """Place of the next record: in memory, one pitch behind the other from row ``base`` on; in A, bank by bank.

    Parameters
    ----------
    rows : int
        Banks of A.
    a_words : int
        Words of 32 bytes in each.

    Members
    -------
    fields : In(body(ROWS))
        The instruction; holds from ``latency`` cycles before ``load`` on.
    load : In(1)
        Begin with the instruction's first record.
    advance : In(1)
        Go on to the next record; in every third cycle at most. ``line`` follows two cycles later.
    pitch : Out(11)
        Words of 32 bytes of a record.
    fits : Out(1)
        Scale and correction lie in the word of the last values.
    line : Out(35)
        Address in memory, in words of 32 bytes.
    bank, word : Out
        Place in A.
    overrun : Out(1)
        The record would end beyond A.
    misaligned : Out(1)
        The address in memory is no multiple of 32.
    misaligned_a : Out(1)
        The address in A does not lie on bank 0.
    """

    latency = 4

    def __init__(self, *, rows: int, a_words: int) -> None:
        self._rows, self._a_words = rows, a_words
        super().__init__(
            {
                "fields": In(body(BY_NAME["ROWS"])),
                "load": In(1),
                "advance": In(1),
                "pitch": Out(_PITCH_BITS),
                "fits": Out(1),
                "line": Out(_LINE_BITS),
                "bank": Out(range(max(2, rows))),
                "word": Out(_A_LINE_BITS),
                "overrun": Out(1),
                "misaligned": Out(1),
                "misaligned_a": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Multiply once an instruction; then add."""
        m = Module()
        rest = self.fields.width[:5]
        pitch = register(m, (self.fields.width + (METADATA_BYTES + 31))[5:], "pitch_of_width")
        m.d.comb += self.pitch.eq(pitch)
        m.d.sync += [
            self.fits.eq((rest != 0) & (rest <= 32 - METADATA_BYTES)),
            self.misaligned.eq(self.fields.out[:5].any()),
        ]
        self._memory(m, pitch)
        self._buffer(m, pitch)
        return m

    def _memory(self, m: Module, pitch: Signal) -> None:
        """Address in memory, its carry in two steps."""
        offset = Signal(EXTENT_BITS + _PITCH_BITS, reset_less=True)
        m.d.sync += offset.eq(self.fields.base * pitch)
        start = self.fields.out[5:]
        first = register(m, start[:_LOW] + offset[:_LOW], "first_low")
        upper = register(m, start[_LOW:] + offset[_LOW:], "first_high")
        low, carry = Signal(_LOW, reset_less=True), Signal()
        high = Signal(_LINE_BITS - _LOW, reset_less=True)
        m.d.comb += self.line.eq(Cat(low, high))
        with m.If(self.load):
            m.d.sync += [Cat(low, carry).eq(first), high.eq(upper)]
        with m.Else():
            m.d.sync += [carry.eq(0), high.eq(high + carry)]
            with m.If(self.advance):
                m.d.sync += Cat(low, carry).eq(low + pitch)

    def _buffer(self, m: Module, pitch: Signal) -> None:
        """Bank and word in A; the quotient by the banks is a product with the inverse of their odd part."""
        lines = self.fields.a[5:]
        shift = (self._rows & -self._rows).bit_length() - 1
        odd = self._rows >> shift
        quotient = Signal(_A_LINE_BITS, reset_less=True)
        m.d.sync += quotient.eq((lines >> shift) * pow(odd, -1, 1 << _A_LINE_BITS) if odd > 1 else lines >> shift)
        back = register(m, quotient * self._rows, "a_back")
        m.d.sync += self.misaligned_a.eq((back != lines) | self.fields.a[:5].any())
        end = Signal(_A_LINE_BITS + 1, reset_less=True)
        behind = register(m, quotient + pitch, "first_end")
        behind_overrun = register(m, behind > self._a_words, "first_overrun")
        further = register(m, (end + pitch)[: len(end)], "further_end")
        further_overrun = register(m, further > self._a_words, "further_overrun")
        with m.If(self.load):
            m.d.sync += [
                self.bank.eq(0),
                self.word.eq(quotient),
                end.eq(behind),
                self.overrun.eq(behind_overrun),
            ]
        with m.Elif(self.advance):
            m.d.sync += self.bank.eq(self.bank + 1)
            with m.If(self.bank == self._rows - 1):
                m.d.sync += [
                    self.bank.eq(0),
                    self.word.eq(end),
                    end.eq(further),
                    self.overrun.eq(further_overrun),
                ]
