"""Decoder: whether a word is an instruction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTERS, WORD_BYTES
from flightvgm_arch.operations import EXTENT_BITS, HEADER_BITS, OPERATIONS, Operation
from flightvgm_rtl.control.commands import Word, raw

_WORD_BITS = 8 * WORD_BYTES
_ALL = (1 << _WORD_BITS) - 1
_CHUNK = 32
_REGISTER_BITS = (REGISTERS - 1).bit_length()


def reserved(operation: Operation) -> int:
    """Bits of a word that are zero in every instruction of an operation."""
    header, layout = Word["header"], raw(operation)
    free = header.shape["flags"].offset + len(operation.flags), header.shape["waits"].offset
    mask = (1 << free[1]) - (1 << free[0])
    mask |= (1 << HEADER_BITS) - (1 << header.shape["rest"].offset)
    return mask | _ALL - ((1 << HEADER_BITS + layout.size) - 1)


class Decoder(wiring.Component):
    """Tell whether a word is an instruction of the table.

    ``illegal`` is set where the opcode is unknown, a reserved bit is set, an extent names a register that does not
    exist, or a field exceeds its choices. It holds for the word of ``latency`` cycles before; ``word`` is taken where
    ``start`` is set, and must stay until the next start.

    Members
    -------
    start : In(1)
    word : In(Word)
    illegal : Out(1)
    """

    latency = 2

    def __init__(self) -> None:
        super().__init__({"start": In(1), "word": In(Word), "illegal": Out(1)})

    def elaborate(self, _: Any) -> Module:
        """Select the reserved bits of the opcode, then look at them."""
        m = Module()
        mask, odd = Signal(_WORD_BITS, reset_less=True), Signal(reset_less=True)
        with m.If(self.start), m.Switch(self.word.header.opcode):
            for operation in OPERATIONS:
                with m.Case(operation.opcode):
                    m.d.sync += [mask.eq(reserved(operation)), odd.eq(self._odd(m, operation))]
            with m.Default():
                m.d.sync += [mask.eq(_ALL), odd.eq(1)]
        bits = Signal(_WORD_BITS)
        found = Signal(_WORD_BITS // _CHUNK)
        m.d.comb += [
            bits.eq(self.word.as_value() & mask),
            found.eq(Cat(bits[low : low + _CHUNK].any() for low in range(0, _WORD_BITS, _CHUNK))),
        ]
        m.d.sync += self.illegal.eq(found.any() | odd)
        return m

    def _odd(self, m: Module, operation: Operation) -> Signal:
        """Whether a field of an operation holds what it cannot hold."""
        layout, parts = raw(operation), []
        for item in operation.fields:
            low = layout[item.name].offset
            value = self.word.body[low : low + item.bits]
            if item.kind == "extent":
                parts.append(value[EXTENT_BITS] & value[_REGISTER_BITS:EXTENT_BITS].any())
            elif item.choices and len(item.choices) < 1 << item.bits:
                parts.append(value >= len(item.choices))
        odd = Signal(name=f"odd_{operation.name.lower()}")
        m.d.comb += odd.eq(Cat(*parts).any() if parts else 0)
        return odd
