"""What of a ROWS instruction can be refused before its first access."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_rtl.control.commands import command
from flightvgm_rtl.vector.rowfront import Trouble

_LINE = (ALIGNMENT - 1).bit_length()


class RowCheck(wiring.Component):
    """Hold flags, width, alignment and parameter vectors of an instruction against what the row unit can do.

    Without rows only the flags are looked at. ``o`` follows ``i`` two cycles later.

    Parameters
    ----------
    channels : int
        Most values of a row.
    words : int
        Words of 32 bytes of the parameter buffer.

    Members
    -------
    i : In(command("rows"))
    o : Out(Trouble)
    """

    def __init__(self, *, channels: int, words: int) -> None:
        self._channels = channels
        self._bytes = 32 * words
        super().__init__({"i": In(command("rows")), "o": Out(Trouble)})

    def elaborate(self, _platform: Any) -> Module:
        """Find all causes; the first one counts."""
        m = Module()
        body = self.i.body.rows
        causes = self._flags(body) + [
            (cause & (body.count != 0), code, address) for cause, code, address in self._places(m, body)
        ]
        found = Signal(len(causes))
        m.d.sync += [bit.eq(cause) for bit, (cause, _, _) in zip(found, causes, strict=True)]
        chosen = Signal(Trouble)
        for number, (_, code, address) in enumerate(causes):
            with m.If(found[number]) if not number else m.Elif(found[number]):
                m.d.comb += [chosen.valid.eq(1), chosen.code.eq(code), chosen.address.eq(address)]
        m.d.sync += self.o.eq(chosen)
        return m

    @staticmethod
    def _flags(body: Any) -> list[tuple[Value, ErrorCode, Value | int]]:
        placed = body.flag_compare | body.flag_to_a
        wrong = body.flag_gated & ~body.flag_add | placed & ~body.flag_quantise | body.flag_compare & body.flag_to_a
        return [(wrong, ErrorCode.FIELD_RANGE, 0)]

    def _places(self, m: Module, body: Any) -> list[tuple[Value, ErrorCode, Value | int]]:
        width = body.width
        modulated = body.flag_modulate & body.flag_quantise
        used = body.flag_from_result
        causes: list[tuple[Value, ErrorCode, Value | int]] = [
            ((width == 0) | (width > self._channels), ErrorCode.FIELD_RANGE, 0),
            (used & body.result_pitch[:_LINE].any(), ErrorCode.MISALIGNED, body.result_pitch),
            (used & ((width << 1) > body.result_pitch), ErrorCode.FIELD_RANGE, 0),
            (used & body.result[:_LINE].any(), ErrorCode.MISALIGNED, body.result),
        ]
        own = ~body.flag_from_result | body.flag_write_back
        for wanted, address in ((own, body.x), (body.flag_add, body.y), (body.flag_add, body.map_in)):
            causes.append((wanted & address[:_LINE].any(), ErrorCode.MISALIGNED, address))
        vectors = ((body.flag_gated, "gate"), (modulated, "scale"), (modulated, "shift"))
        for wanted, name in vectors:
            address = body[name]
            end = Signal(len(address) + 1, name=f"{name}_end")
            m.d.comb += end.eq(address + (width << 2))
            causes.append((wanted & address[:_LINE].any(), ErrorCode.MISALIGNED, address))
            causes.append((wanted & (end > self._bytes), ErrorCode.BUFFER_OVERRUN, 0))
        return causes
