"""Addresses of rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import ADDRESS_BITS, BEAT_BYTES

NUMBER_BITS = 32
PITCH_BITS = 10  # Beats of a row of 8,192 FP16 values.
_BEAT_SHIFT = (BEAT_BYTES - 1).bit_length()
LINE_BITS = ADDRESS_BITS - _BEAT_SHIFT
_HALF = 16
_LOW = 18  # Bits of an address that are added in a stage.

Place = data.StructLayout({"address": ADDRESS_BITS, "beyond": 1})
"""Address of a row; ``beyond`` marks one that does not fit an address."""


class RowLocate(wiring.Component):
    """``base + number * pitch`` in beats of 32 bytes; one a cycle, four cycles later where nothing waits.

    Members
    -------
    base : In(35)
        Beat of row 0. It and the pitch must stay as they are while a number is inside.
    pitch : In(10)
        Beats between rows.
    i : In(stream.Signature(32))
        Number of a row.
    o : Out(stream.Signature(Place))
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "base": In(LINE_BITS),
                "pitch": In(PITCH_BITS),
                "i": In(stream.Signature(NUMBER_BITS)),
                "o": Out(stream.Signature(Place)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """All stages move where the last one is empty or taken."""
        m = Module()
        move = Signal()
        valid = Signal(4)
        number = self.i.payload
        low, high = (Signal(_HALF + PITCH_BITS, name=name, reset_less=True) for name in ("low", "high"))
        product = Signal(NUMBER_BITS + PITCH_BITS, reset_less=True)
        upper_held = Signal(NUMBER_BITS + PITCH_BITS - _LOW, reset_less=True)
        lower = Signal(_LOW + 1, reset_less=True)
        line = Signal(_LOW, reset_less=True)
        upper = Signal(NUMBER_BITS + PITCH_BITS - _LOW + 1, reset_less=True)
        with m.If(move):
            m.d.sync += [
                valid.eq(Cat(self.i.valid, valid[:-1])),
                low.eq(number[:_HALF] * self.pitch),
                high.eq(number[_HALF:] * self.pitch),
                product.eq(Cat(low[:_HALF], (low[_HALF:] + high)[: NUMBER_BITS + PITCH_BITS - _HALF])),
                lower.eq(product[:_LOW] + self.base[:_LOW]),
                upper_held.eq(product[_LOW:]),
                line.eq(lower[:_LOW]),
                upper.eq(upper_held + self.base[_LOW:] + lower[_LOW]),
            ]
        rest = LINE_BITS - _LOW
        m.d.comb += [
            move.eq(~valid[-1] | self.o.ready),
            self.i.ready.eq(move),
            self.o.valid.eq(valid[-1]),
            self.o.p.address.eq(Cat(Const(0, _BEAT_SHIFT), line, upper[:rest])),
            self.o.p.beyond.eq(upper[rest:].any()),
        ]
        return m
