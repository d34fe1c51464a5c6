"""Decoder: whether a word is an instruction."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTERS
from flightvgm_arch.operations import BODY_BITS, EXTENT_BITS, OPERATIONS, Operation
from flightvgm_rtl.control.commands import Word, raw

_REGISTER_BITS = (REGISTERS - 1).bit_length()


class Decoder(wiring.Component):
    """Tell whether a word is an instruction of the table.

    ``illegal`` is set where the opcode is unknown, a reserved bit is set, an extent names a register that does not
    exist, or a field exceeds its choices. It holds for the word of the ``latency`` cycles before.

    Members
    -------
    word : In(Word)
    illegal : Out(1)
    """

    latency = 2

    def __init__(self) -> None:
        super().__init__({"word": In(Word), "illegal": Out(1)})

    def elaborate(self, _: Any) -> Module:
        """Look into all fields and pieces of the word; then judge by the opcode."""
        m = Module()
        count, ends = len(OPERATIONS), sorted({raw(operation).size for operation in OPERATIONS})
        pieces = [self.word.body[low:high] for low, high in zip(ends, [*ends[1:], BODY_BITS], strict=True)]
        odd, chosen = (Signal(count, name=name, reset_less=True) for name in ("odd", "chosen"))
        beyond, rest = Signal(len(pieces), reset_less=True), Signal(reset_less=True)
        m.d.sync += [
            odd.eq(Cat(self._odd(m, operation) for operation in OPERATIONS)),
            chosen.eq(Cat(self.word.header.opcode == operation.opcode for operation in OPERATIONS)),
            beyond.eq(Cat(piece.any() for piece in pieces)),
            rest.eq(self.word.header.rest.any()),
        ]
        illegal = Signal(count + 1, reset_less=True)
        for place, operation in enumerate(OPERATIONS):
            behind = beyond[ends.index(raw(operation).size) :]
            m.d.sync += illegal[place].eq(chosen[place] & (odd[place] | behind.any()))
        m.d.sync += illegal[-1].eq(rest | ~chosen.any())
        m.d.comb += self.illegal.eq(illegal.any())
        return m

    def _odd(self, m: Module, operation: Operation) -> Signal:
        """Whether a field of an operation holds what it cannot hold, or a flag is set that it has not."""
        layout, parts = raw(operation), [self.word.header.flags[len(operation.flags) :].any()]
        for item in operation.fields:
            low = layout[item.name].offset
            value = self.word.body[low : low + item.bits]
            if item.kind == "extent":
                parts.append(value[EXTENT_BITS] & value[_REGISTER_BITS:EXTENT_BITS].any())
            elif item.choices and len(item.choices) < 1 << item.bits:
                parts.append(value >= len(item.choices))
        odd = Signal(name=f"odd_{operation.name.lower()}")
        m.d.comb += odd.eq(Cat(*parts).any())
        return odd
