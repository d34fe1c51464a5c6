"""Bank: some of the registers that keep what the host writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.registers import SPAN_BYTES, Register

WORD_BITS = (SPAN_BYTES // 4 - 1).bit_length()


class Bank(wiring.Component):
    """Registers that are written by bytes; zero after reset.

    Parameters
    ----------
    registers : sequence of Register
        Which ones. Addresses and arguments keep 40 bits, WATCHDOG 64, others the bits of their fields.

    Members
    -------
    hit : In(1)
        A word is written; the registers have it in the next cycle.
    word : In(10)
        Its number in the address space.
    data : In(32), strobe : In(4)
    <name> : Out
        What each register keeps, by its name in small letters.
    """

    def __init__(self, registers: Sequence[Register]) -> None:
        self._registers = registers
        values = {register.name.lower(): Out(_bits(register)) for register in registers}
        super().__init__({"hit": In(1), "word": In(WORD_BITS), "data": In(32), "strobe": In(4), **values})

    def elaborate(self, _: Any) -> Module:
        """Compare the number of the word with that of each register."""
        m = Module()
        for register in self._registers:
            kept = getattr(self, register.name.lower())
            for byte in range(-(-len(kept) // 8)):
                part = kept[8 * byte : 8 * byte + 8]
                mine = self.hit & (self.word == register.offset // 4 + byte // 4)
                with m.If(mine & self.strobe[byte % 4]):
                    m.d.sync += part.eq(self.data[8 * (byte % 4) :][: len(part)])
        return m


def _bits(register: Register) -> int:
    """Bits that are kept of a register."""
    if register.bits == 32:
        return max(field.low + field.bits for field in register.fields)
    return 64 if register.name == "WATCHDOG" else REGISTER_BITS
