"""Exact sums of rows, and what LayerNorm needs of them."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.vector.flow import group, history, pick
from flightvgm_rtl.vector.heads_sum import HeadSum
from flightvgm_rtl.vector.rowroom import room_left
from flightvgm_rtl.vector.rowscalars import RowScalars, Scalars
from flightvgm_rtl.vector.rowstore import RowMaximum
from flightvgm_rtl.vector.spread import COUNT_BITS, SQUARES_BITS, TOTAL_BITS

_MAGNITUDE = ALIGNED_BITS - 1
_SIGNIFICAND = 11
_ALIGN_LATENCY = 4
_ROWS = 32

NormJob = data.StructLayout({"norm": 1, "count": COUNT_BITS, "share": 32})
"""What rows of an instruction need: whether they are normed, their channels n, and ``fp32(1 / n)``."""
RowScalar = data.StructLayout({"scalars": Scalars, "slot": 1})


class Moments(wiring.Component):
    """Mean and reciprocal deviation of rows, and the rows themselves.

    Each row is aligned to its largest exponent as by :func:`golden.align.align`; the sums of the integers and of their
    squares are exact. ``lanes`` values go a cycle; rows follow each other without a gap. A row's scalars are there some
    55 cycles behind its last group.

    Parameters
    ----------
    lanes : int
        Values a cycle; a power of two of at least 4.
    depth : int
        Groups that wait behind: a power of two, at least those of the longest row and of 64 cycles.

    Members
    -------
    jobs : In(NormJob) twice
        Of the instructions in each slot.
    i : In(stream.Signature(group(lanes)))
    i_row : In(stream.Signature(RowMaximum))
        Largest magnitude of each row.
    o : Out(stream.Signature(group(lanes)))
        The same groups.
    o_row : Out(stream.Signature(RowScalar))
    """

    def __init__(self, *, lanes: int, depth: int) -> None:
        self._lanes = lanes
        self._depth = depth
        super().__init__(
            {
                "jobs": In(NormJob).array(2),
                "i": In(stream.Signature(group(lanes))),
                "i_row": In(stream.Signature(RowMaximum)),
                "o": Out(stream.Signature(group(lanes))),
                "o_row": Out(stream.Signature(RowScalar)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """A group goes to the sums and to the FIFO behind at once."""
        m = Module()
        m.submodules.groups = groups = Fifo(group(self._lanes), depth=self._depth)
        m.submodules.rows = rows = Fifo(RowScalar, depth=_ROWS, style="distributed")
        wiring.connect(m, wiring.flipped(self.o), groups.o)
        wiring.connect(m, wiring.flipped(self.o_row), rows.o)
        go, last, free = Signal(), Signal(), Signal()
        room = room_left(m, depth=_ROWS, taken=last, freed=rows.o.valid & rows.o.ready, name="room_for_row")
        m.d.comb += [
            free.eq(self.i_row.valid & room & groups.i.ready),
            go.eq(self.i.valid & free),
            last.eq(go & self.i.p.last),
            self.i.ready.eq(free),
            self.i_row.ready.eq(last),
            groups.i.valid.eq(go),
            groups.i.p.eq(self.i.p),
        ]
        self._sums(m, go, rows)
        return m

    def _sums(self, m: Module, go: Signal, rows: Fifo) -> None:
        """Align, sum, and make the scalars of what the sums give."""
        first = Signal(init=1)
        with m.If(go):
            m.d.sync += first.eq(self.i.p.last)
        aligned = [self._align(m, self.i.p.values[lane], lane) for lane in range(self._lanes)]
        m.submodules.squares = squares = HeadSum(products=self._lanes)
        m.submodules.total = total = HeadSum(products=self._lanes)
        valid = history(m, go, _ALIGN_LATENCY, "aligned_valid")
        ends = delay(m, Cat(first, self.i.p.last), _ALIGN_LATENCY, "aligned_ends")
        for sums in (squares, total):
            m.d.comb += [sums.valid.eq(valid), sums.first.eq(ends[0]), sums.last.eq(ends[1])]
        for lane, value in enumerate(aligned):
            m.d.comb += [
                squares.a[lane].eq(value),
                squares.b[lane].eq(value),
                total.a[lane].eq(value),
                total.b[lane].eq(1),
            ]
        row = self.i_row.p
        nearly = delay(m, Cat(row.magnitude[10:], row.slot), _ALIGN_LATENCY + squares.latency - 1, "nearly_summed")
        of_row = register(m, nearly, "of_row")
        slot = of_row[5]
        job = Signal(NormJob, reset_less=True)
        m.d.sync += job.eq(pick(m, self.jobs, nearly[5], "job_of_row"))
        m.submodules.scalars = scalars = RowScalars()
        m.d.comb += [
            scalars.i_total.eq(total.o[:TOTAL_BITS].as_signed()),
            scalars.i_squares.eq(squares.o[:SQUARES_BITS]),
            scalars.i_exponent.eq(of_row[:5]),
            scalars.i_count.eq(job.count),
            scalars.i_share.eq(job.share),
            scalars.i_norm.eq(job.norm),
            rows.i.valid.eq(history(m, squares.o_valid, scalars.latency, "row_known")),
            rows.i.p.scalars.eq(scalars.o),
            rows.i.p.slot.eq(delay(m, slot, scalars.latency, "slot")),
        ]

    def _align(self, m: Module, value: Value, lane: int) -> Signal:
        """``trunc(value / 2^e)`` as a two's complement number, four cycles later."""
        exponent, normal = value[10:15], value[10:15].any()
        largest = self.i_row.p.magnitude[10:]
        distance = Signal(5, name=f"distance_{lane}", reset_less=True)
        # Exponents of zero count as one, on both sides.
        m.d.sync += distance.eq((largest | ~largest.any()) - (exponent | ~normal))
        significand = register(m, Cat(Const(0, _MAGNITUDE - _SIGNIFICAND), value[:10], normal), f"significand_{lane}")
        coarse = register(m, significand >> Cat(Const(0, 2), distance[2:]), f"coarse_{lane}")
        fine = register(m, distance[:2], f"fine_{lane}")
        magnitude = register(m, coarse >> fine, f"magnitude_{lane}")
        negative = delay(m, value[15], 3, f"negative_{lane}")
        return register(m, Mux(negative, 0 - magnitude, magnitude)[:ALIGNED_BITS], f"aligned_{lane}")
