"""Row addresses from row numbers: a multiplier that is cut into stages."""

from __future__ import annotations

import itertools
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.dma.ports import Answer
from flightvgm_rtl.lib.fifo import Fifo

_HALF = 16  # Bits of a number that a multiplier takes.
_PLACES = 32  # Rows that wait at the output.
_STAGES = 6  # Cycles from `ending` until the last row of a job has left the pipeline's sums.


class RowAddress(wiring.Component):
    """Compute ``base + number * pitch``, one row a cycle.

    Rows enter without handshake where ``room`` was set in the cycle before; their results leave through a FIFO.
    ``base`` and ``pitch`` are those of the oldest job that has not been ended: ``ending`` is set in the cycle before
    the last row of a job enters, and ``room`` is zero from the next cycle on until the row has passed and the next
    job is there.

    Parameters
    ----------
    address_bits, number_bits, pitch_bits : int
        Widths; a product that exceeds the address gives the error WINDOW.
    flags : StructLayout
        What travels with a row.

    Members
    -------
    job : In(stream.Signature)
        ``base`` and ``pitch``.
    room : Out(1)
    valid, number, error, flags : In
        A row; an error that it has already is kept.
    ending : In(1)
    astray, bad : In
        The row has no number; ``bad`` is given as its address, and valid a cycle behind the row.
    o : Out(stream.Signature)
        ``address``, ``number``, ``flags``, ``error``.
    """

    def __init__(self, *, address_bits: int, number_bits: int, pitch_bits: int, flags: data.StructLayout) -> None:
        if not 2 * _HALF >= number_bits > _HALF or not address_bits > 2 * _HALF:
            raise ValueError(f"numbers of {number_bits} bits must have {_HALF + 1} to {2 * _HALF}, addresses more")
        self._bits = address_bits
        row = data.StructLayout({"address": address_bits, "number": number_bits, "flags": flags, "error": 2})
        super().__init__(
            {
                "job": In(stream.Signature(data.StructLayout({"base": address_bits, "pitch": pitch_bits}))),
                "room": Out(1),
                "valid": In(1),
                "number": In(number_bits),
                "error": In(2),
                "flags": In(flags),
                "ending": In(1),
                "astray": In(1),
                "bad": In(address_bits),
                "o": Out(stream.Signature(row)),
            }
        )
        self._row = row

    def elaborate(self, platform: Any) -> Module:
        """Operands, products, two sums, output."""
        m = Module()
        m.submodules.jobs = jobs = Fifo(self.job.payload.shape(), depth=4, style="distributed")
        m.submodules.rows = rows = Fifo(self._row, depth=_PLACES, style="distributed")
        m.d.comb += [
            jobs.i.valid.eq(self.job.valid),
            jobs.i.payload.eq(self.job.payload),
            self.job.ready.eq(jobs.i.ready),
            self.o.valid.eq(rows.o.valid),
            self.o.payload.eq(rows.o.payload),
            rows.o.ready.eq(self.o.ready),
        ]
        base, pitch = self._constants(m, jobs, rows)
        self._pipeline(m, base, pitch, rows)
        return m

    def _constants(self, m: Module, jobs: Fifo, rows: Fifo) -> tuple[Signal, Signal]:
        """Hold a job until its last row has passed."""
        base, pitch = (Signal.like(value, reset_less=True) for value in (jobs.o.payload.base, jobs.o.payload.pitch))
        held, passing = Signal(), Signal(_STAGES)
        m.d.comb += [
            self.room.eq(held & (rows.level < _PLACES - _STAGES - 2)),
            jobs.o.ready.eq(~held & (passing == 0)),
        ]
        m.d.sync += passing.eq(Cat(self.ending, passing[:-1]))
        with m.If(self.ending):
            m.d.sync += held.eq(0)
        with m.If(jobs.o.valid & jobs.o.ready):
            m.d.sync += [held.eq(1), base.eq(jobs.o.payload.base), pitch.eq(jobs.o.payload.pitch)]
        return base, pitch

    def _pipeline(self, m: Module, base: Signal, pitch: Signal, rows: Fifo) -> None:
        """Multiply halves of the number, and add what they give to the base in two steps."""
        rest = self._bits - _HALF
        valid = Signal(5)
        carried = [Signal(self._row, name=f"carried_{stage}", reset_less=True) for stage in range(5)]
        astray = Signal(5)
        low, high, low_held, high_held = (
            Signal(len(pitch) + _HALF, name=name, reset_less=True) for name in ("low", "high", "low_held", "high_held")
        )
        first, middle, beyond = (Signal(bits, reset_less=True) for bits in (_HALF + 1, rest + 1, 1))
        last = Signal(rest + 1)
        m.d.sync += [
            valid.eq(Cat(self.valid, valid[:-1])),
            astray.eq(Cat(self.astray, astray[:-1])),
            carried[0].number.eq(self.number),
            carried[0].flags.eq(self.flags),
            carried[0].error.eq(self.error),
            *(later.eq(earlier) for earlier, later in itertools.pairwise(carried)),
            low.eq(carried[0].number[:_HALF] * pitch),
            high.eq(carried[0].number[_HALF:] * pitch),
            low_held.eq(low),
            high_held.eq(high),
            first.eq(base[:_HALF] + low_held[:_HALF]),
            middle.eq(low_held[_HALF:] + high_held[:rest]),
            beyond.eq(high_held[rest:] != 0),
        ]
        total, over = Signal(self._bits, reset_less=True), Signal(reset_less=True)
        m.d.comb += last.eq(base[_HALF:] + middle[:rest] + first[_HALF])
        m.d.sync += [total.eq(Cat(first[:_HALF], last[:rest])), over.eq(beyond | middle[-1] | last[-1])]
        done = carried[-1]
        m.d.comb += [
            rows.i.valid.eq(valid[-1]),
            rows.i.payload.eq(done),
            rows.i.payload.address.eq(Mux(astray[-1], self.bad, total)),
            rows.i.payload.error.eq(Mux(done.error != Answer.OK, done.error, Mux(over, Answer.WINDOW, Answer.OK))),
        ]
