"""The sparsifier's decision on a stream of rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import THETA_BITS
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.sparsifier.alike import SQUARE_BITS, Alike
from flightvgm_rtl.sparsifier.dots import Dots, Sums
from flightvgm_rtl.sparsifier.ports import TOKEN_BITS, Info, QuantisedRow, Verdict, quantised_group
from flightvgm_rtl.target.ram import Ram
from flightvgm_rtl.vector.flow import credits_left

_ROWS = 8  # Rows between their last group and their verdict.
_Judged = data.StructLayout({"info": Info, "row": QuantisedRow})


class Compare(wiring.Component):
    """Decide for each row of a walk whether it is kept, and which kept row stands for it.

    :func:`golden.sparsifier.decide` is the reference. In the reference plane of its group a row maps to its chunk's
    middle if alike. In another plane it maps to what stands for the same place of the reference plane if alike to it;
    otherwise to its chunk's middle if that was kept and is alike. All other rows are kept, and counted.

    ``lanes`` values a cycle; a row takes 16 cycles at least, and its verdict comes some 40 cycles behind its last
    group. Groups of the next instruction may come at any time; its rows are judged from its ``start`` on.

    Parameters
    ----------
    lanes, row_channels, reference_bytes : int
        As for :class:`~flightvgm_rtl.sparsifier.dots.Dots`.

    Members
    -------
    start : In(1)
        Pulse: an instruction begins, and counts from zero. All verdicts of the one before have been taken.
    compare : In(1)
        Without it all rows are kept. This and the thresholds hold until the next ``start``.
    theta_group, theta_chunk : In(16)
        Squared thresholds, 0.16 fixed point.
    i : In(stream.Signature(quantised_group(lanes)))
    i_row : In(stream.Signature(QuantisedRow))
    o : Out(stream.Signature(Verdict))
    """

    def __init__(self, *, lanes: int, row_channels: int, reference_bytes: int) -> None:
        self._slots = reference_bytes // 32
        self._dots = Dots(lanes=lanes, row_channels=row_channels, reference_bytes=reference_bytes)
        super().__init__(
            {
                "start": In(1),
                "compare": In(1),
                "theta_group": In(THETA_BITS),
                "theta_chunk": In(THETA_BITS),
                "i": In(stream.Signature(quantised_group(lanes))),
                "i_row": In(stream.Signature(QuantisedRow)),
                "o": Out(stream.Signature(Verdict)),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Products of groups; comparisons of rows; the decision."""
        m = Module()
        m.submodules.dots = dots = self._dots
        m.submodules.sums = sums = Fifo(Sums, depth=_ROWS, style="distributed")
        m.submodules.judged = judged = Fifo(_Judged, depth=_ROWS, style="distributed")
        m.submodules.verdicts = verdicts = Fifo(Verdict, depth=_ROWS, style="distributed")
        taken = self.i.valid & self.i.ready
        room = credits_left(
            m, depth=_ROWS, taken=taken & self.i.p.last, freed=self.o.valid & self.o.ready, name="room_for_row"
        )
        m.d.comb += [
            self.i.ready.eq(room),
            dots.valid.eq(taken),
            dots.i.eq(self.i.p),
            sums.i.valid.eq(dots.o_valid),
            sums.i.p.eq(dots.o),
            self.o.valid.eq(verdicts.o.valid),
            self.o.p.eq(verdicts.o.p),
            verdicts.o.ready.eq(self.o.ready),
        ]
        by_group, by_chunk = self._judge(m, sums, judged)
        self._decide(m, judged, verdicts, by_group, by_chunk)
        return m

    def _judge(self, m: Module, sums: Fifo, judged: Fifo) -> tuple[Alike, Alike]:
        """Start both comparisons of a row, a cycle after its partner's square was looked up."""
        m.submodules.by_group = by_group = Alike()
        m.submodules.by_chunk = by_chunk = Alike()
        m.submodules.squares = squares = Ram(width=SQUARE_BITS, depth=self._slots)
        middle_square = Signal(SQUARE_BITS, reset_less=True)
        opened, look, begin = Signal(), Signal(), Signal()
        info, slot = sums.o.p.info, Signal(range(self._slots))
        m.d.comb += [
            slot.eq(info.slot),
            look.eq(sums.o.valid & self.i_row.valid & opened & by_chunk.ready & ~begin),
            sums.o.ready.eq(begin),
            self.i_row.ready.eq(begin),
            squares.read_enable.eq(look),
            squares.read_address.eq(slot),
            squares.write_enable.eq(begin & info.hold),
            squares.write_address.eq(slot),
            squares.write_data.eq(sums.o.p.square),
            judged.i.valid.eq(begin),
            judged.i.p.info.eq(info),
            judged.i.p.row.eq(self.i_row.p),
        ]
        for unit, dot, square, theta in (
            (by_group, sums.o.p.reference, squares.read_data, self.theta_group),
            (by_chunk, sums.o.p.middle, middle_square, self.theta_chunk),
        ):
            start = Signal(attrs={"keep": "true"})  # As ``begin``, which would drive too many loads.
            m.d.sync += start.eq(look)
            m.d.comb += [
                unit.start.eq(start),
                unit.dot.eq(dot),
                unit.a_square.eq(sums.o.p.square),
                unit.b_square.eq(square),
                unit.theta.eq(theta),
            ]
        m.d.sync += begin.eq(look)
        with m.If(self.start):
            m.d.sync += opened.eq(1)
        with m.Elif(begin & self.i_row.p.last):
            m.d.sync += opened.eq(0)
        with m.If(begin & info.middle):
            m.d.sync += middle_square.eq(sums.o.p.square)
        return by_group, by_chunk

    def _decide(self, m: Module, judged: Fifo, verdicts: Fifo, by_group: Alike, by_chunk: Alike) -> None:
        """A cycle after both comparisons: who stands for the row."""
        m.submodules.roots = roots = Ram(width=TOKEN_BITS, depth=self._slots)
        count, middle_number = (Signal(TOKEN_BITS, reset_less=True) for _ in range(2))
        middle_kept, decide = Signal(), Signal()
        grouped, joined, number = Signal(), Signal(), Signal(TOKEN_BITS)
        keep = ~grouped & ~joined
        info, slot = judged.o.p.info, Signal(range(self._slots))
        m.d.sync += decide.eq(by_chunk.done)
        m.d.comb += [
            slot.eq(info.slot),
            roots.read_enable.eq(by_chunk.done),
            roots.read_address.eq(slot),
            grouped.eq(self.compare & ~info.reference & by_group.alike),
            joined.eq(self.compare & ~grouped & ~info.middle & by_chunk.alike & middle_kept),
            number.eq(Mux(grouped, roots.read_data, Mux(joined, middle_number, count))),
            roots.write_enable.eq(decide & info.hold),
            roots.write_address.eq(slot),
            roots.write_data.eq(number),
            judged.o.ready.eq(decide),
            verdicts.i.valid.eq(decide),
            verdicts.i.p.keep.eq(keep),
            verdicts.i.p.number.eq(number),
            verdicts.i.p.row.eq(judged.o.p.row),
        ]
        with m.If(self.start):
            m.d.sync += count.eq(0)
        with m.Elif(decide & keep):
            m.d.sync += count.eq(count + 1)
        with m.If(decide & info.middle):
            m.d.sync += [middle_kept.eq(~grouped), middle_number.eq(number)]
