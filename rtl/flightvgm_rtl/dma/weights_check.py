"""Checks of LOADW, and where its ring lies in the banks of B."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.isa import BY_NAME
from flightvgm_rtl.control.commands import body

SIZE_BITS = 24
_LOW = 5  # Address bits within 32 bytes.
_LINE_BITS = 4  # Address bits within a line of a bank.
_CYCLES = 6


def ring(words: int) -> data.StructLayout:
    """Layout of a ring in banks of ``words`` words.

    ``first`` and ``lines`` count lines of 16 bytes of a bank: where tile 0 begins, and those of a tile. ``low`` and
    ``high`` bound the ring in bytes of B.
    """
    return data.StructLayout(
        {
            "first": range(2 * words),
            "lines": range(2 * words + 1),
            "depth": 8,
            "bytes": SIZE_BITS,
            "low": SIZE_BITS,
            "high": SIZE_BITS + 1,
        }
    )


class WeightsCheck(wiring.Component):
    """Look at a LOADW before its first access.

    The fields enter in the cycle behind ``start`` and hold; ``valid`` rises seven cycles behind ``start``, and falls
    with the next one. A quotient by the columns is a product with the inverse of their odd part ``n`` modulo a power
    of two; it is exact where it is at most ``(2^bits - 1) div n``. A tile that does not go evenly round the banks
    fits no MM: RING_MISMATCH.

    Parameters
    ----------
    columns : int
        Banks of B; even.
    words : int
        Words of 32 bytes of a bank.

    Members
    -------
    start : In(1)
    fields : In
        Fields of LOADW.
    valid : Out(1)
    nothing : Out(1)
        The gate or the tiles are zero.
    code : Out(5)
        Error code; zero where all is well.
    ring : Out
        Where the ring lies.
    """

    def __init__(self, *, columns: int, words: int) -> None:
        self._shift = (columns & -columns).bit_length() - 1
        self._odd = columns >> self._shift
        self._columns, self._words = columns, words
        super().__init__(
            {
                "start": In(1),
                "fields": In(body(BY_NAME["LOADW"])),
                "valid": Out(1),
                "nothing": Out(1),
                "code": Out(5),
                "ring": Out(ring(words)),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Divide, multiply, compare; the first fault in the order of the golden unit counts."""
        m = Module()
        fields, result = self.fields, self.ring
        steps, askew, empty, nothing = Signal(_CYCLES), Signal(), Signal(), Signal()
        m.d.sync += [
            steps.eq(Cat(self.start, steps[:-1])),
            askew.eq((fields.source[:_LOW] | fields.tile_bytes[:_LOW]) != 0),
            empty.eq((fields.depth == 0) | (fields.tile_bytes == 0)),
            nothing.eq((fields.gate == 0) | (fields.tiles == 0)),
        ]
        first, first_exact = self._lines(m, fields.ring, "first")
        lines, lines_exact = self._lines(m, fields.tile_bytes, "lines")
        end, beyond = self._end(m)
        with m.If(self.start):
            m.d.sync += self.valid.eq(0)
        with m.Elif(steps[-1]):
            m.d.sync += [
                self.valid.eq(1),
                self.nothing.eq(nothing),
                result.first.eq(first),
                result.lines.eq(lines),
                result.depth.eq(fields.depth),
                result.bytes.eq(fields.tile_bytes),
                result.low.eq(fields.ring),
                result.high.eq(end),
                self.code.eq(
                    Mux(
                        askew,
                        ErrorCode.MISALIGNED,
                        Mux(
                            empty,
                            ErrorCode.FIELD_RANGE,
                            Mux(
                                ~first_exact | first[0],
                                ErrorCode.MISALIGNED,
                                Mux(beyond, ErrorCode.BUFFER_OVERRUN, Mux(lines_exact, 0, ErrorCode.RING_MISMATCH)),
                            ),
                        ),
                    )
                ),
            ]
        return m

    def _lines(self, m: Module, number: Value, name: str) -> tuple[Signal, Signal]:
        """``number / (16 columns)``, and whether it is exact, three cycles later."""
        cut = self._shift + _LINE_BITS
        bits = SIZE_BITS - cut
        inverse = pow(self._odd, -1, 1 << bits)
        quotient, held = Signal(bits, name=name, reset_less=True), Signal(bits, name=f"{name}_held", reset_less=True)
        exact, even = Signal(name=f"{name}_exact"), Signal(name=f"{name}_even")
        m.d.sync += [
            quotient.eq(number[cut:] * inverse),
            held.eq(quotient),
            even.eq(number[:cut] == 0),
            exact.eq(even & (quotient <= ((1 << bits) - 1) // self._odd)),
        ]
        return held, exact

    def _end(self, m: Module) -> tuple[Signal, Signal]:
        """First byte behind the ring, and whether it lies beyond the buffer."""
        fields = self.fields
        size = Signal(len(fields.depth) + SIZE_BITS, reset_less=True)
        held, end = Signal.like(size), Signal(SIZE_BITS + 1, reset_less=True)
        far, beyond = Signal(), Signal()
        m.d.sync += [
            size.eq(fields.tile_bytes * fields.depth),
            held.eq(size),
            end.eq(fields.ring + held[:SIZE_BITS]),
            far.eq(held[SIZE_BITS:] != 0),
            beyond.eq(far | (end > 32 * self._columns * self._words)),
        ]
        return end, beyond
