"""Row addresses: two loops, an optional map, and a pitch."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.isa import REGISTER_BITS
from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.dma.ports import ADDRESS_BITS, BEAT_BITS, Answer, ReadPort
from flightvgm_rtl.dma.product import RowAddress
from flightvgm_rtl.lib.fifo import Fifo

PITCH_BITS = 21
NUMBER_BITS = 32

Job = data.StructLayout(
    {
        "base": REGISTER_BITS,
        "pitch": PITCH_BITS,
        "start": EXTENT_BITS,
        "count": EXTENT_BITS,
        "stride": EXTENT_BITS,
        "outer": EXTENT_BITS,
        "outer_stride": EXTENT_BITS,
        "mapped": 1,
        "map": REGISTER_BITS,
    }
)
"""Loops over rows; ``count`` and ``outer`` are at least one."""
Flags = data.StructLayout({"inner_first": 1, "inner_last": 1, "outer_first": 1, "outer_last": 1})
"""Which ends of the two loops a row is at."""
Row = data.StructLayout({"address": ADDRESS_BITS, "number": NUMBER_BITS, "flags": Flags, "error": 2})
"""A row: where it begins, its number, and an ``Answer``; with an error, ``address`` is where the first one arose."""
_Pending = data.StructLayout({"value": ADDRESS_BITS, "mapped": 1, "new": 1, "over": 1, "flags": Flags})
_SPLIT = 20  # Where the sum of a map's address and a number is cut in two.
_IN_FLIGHT = 8  # Rows between a FIFO's level and its input, at most.


class RowWalker(wiring.Component):
    """Turn a job of two loops into the addresses of its rows.

    For ``o < outer``, ``i < count``: ``number = start + o * outer_stride + i * stride``; where ``mapped``,
    ``number`` becomes the 32-bit word at ``map + 4 * number``; ``address = base + number * pitch``. Rows come in
    this order, one a cycle at best; the first one some 14 cycles behind its job, and a memory's latency later where
    mapped. Consecutive rows whose map words lie in the same 32 bytes share a read; ``lookups`` rows may wait for
    their words. Lookups of a job begin while those of the one before it are under way.

    A number or an address that does not fit its bits gives the error WINDOW, a failed lookup its own.

    Parameters
    ----------
    lookups : int
        Rows whose lookups are under way at most; a power of two of at least 16.

    Members
    -------
    job : In(stream.Signature(Job))
    o : Out(stream.Signature(Row))
    read : Out(ReadPort())
        Reads the map, a beat a request.
    """

    def __init__(self, *, lookups: int = 256) -> None:
        self._lookups = lookups
        super().__init__(
            {"job": In(stream.Signature(Job)), "o": Out(stream.Signature(Row)), "read": Out(ReadPort())},
        )

    def elaborate(self, platform: Any) -> Module:
        """Loops, addresses in the map, lookups, row addresses."""
        m = Module()
        m.submodules.pending = pending = Fifo(_Pending, depth=self._lookups, style="block")
        m.submodules.requests = requests = Fifo(ADDRESS_BITS, depth=32, style="distributed")
        m.submodules.product = product = RowAddress(
            address_bits=ADDRESS_BITS, number_bits=NUMBER_BITS, pitch_bits=PITCH_BITS, flags=Flags
        )
        room = Signal()
        m.d.comb += [
            room.eq((pending.level < self._lookups - _IN_FLIGHT) & (requests.level < 32 - _IN_FLIGHT)),
            self.read.request.valid.eq(requests.o.valid),
            self.read.request.payload.address.eq(requests.o.payload),
            self.read.request.payload.beats.eq(1),
            requests.o.ready.eq(self.read.request.ready),
        ]
        self._addresses(m, pending, requests, self._loops(m, room, product))
        self._look_up(m, pending, product)
        m.d.comb += [
            self.o.valid.eq(product.o.valid),
            self.o.payload.eq(product.o.payload),
            product.o.ready.eq(self.o.ready),
        ]
        return m

    def _loops(self, m: Module, room: Signal, product: RowAddress) -> _Step:
        """Count both loops; a step in each cycle in which there is room."""
        step = _Step()
        active = Signal()
        inner_left, outer_left = Signal(EXTENT_BITS, reset_less=True), Signal(EXTENT_BITS, reset_less=True)
        outer_number = Signal(NUMBER_BITS + 1, reset_less=True)  # The highest bit stays: the number is out of range.
        next_outer, next_inner = Signal(NUMBER_BITS + 1), Signal(NUMBER_BITS + 1)
        inner_first, outer_first = Signal(), Signal()
        job, now = self.job.payload, Signal(Job, reset_less=True)
        idle = Signal()
        m.d.comb += [
            idle.eq(~active & ~step.moving),
            self.job.ready.eq(idle & product.job.ready),
            product.job.valid.eq(idle & self.job.valid),
            product.job.payload.base.eq(job.base),
            product.job.payload.pitch.eq(job.pitch),
            step.valid.eq(active & room),
            step.mapped.eq(now.mapped),
            step.map.eq(now.map),
            step.flags.inner_first.eq(inner_first),
            step.flags.inner_last.eq(inner_left == 1),
            step.flags.outer_first.eq(outer_first),
            step.flags.outer_last.eq(outer_left == 1),
            _advance(next_inner, step.number, now.stride),
            _advance(next_outer, outer_number, now.outer_stride),
        ]
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [
                active.eq(1),
                now.eq(job),
                inner_left.eq(job.count),
                outer_left.eq(job.outer),
                inner_first.eq(1),
                outer_first.eq(1),
                step.number.eq(job.start),
                outer_number.eq(job.start),
            ]
        with m.If(step.valid):
            last = step.flags.inner_last
            m.d.sync += [
                inner_first.eq(last),
                inner_left.eq(Mux(last, now.count, inner_left - 1)),
                step.number.eq(Mux(last, next_outer, next_inner)),
            ]
            with m.If(last):
                m.d.sync += [
                    outer_first.eq(0),
                    outer_left.eq(outer_left - 1),
                    outer_number.eq(next_outer),
                    active.eq(~step.flags.outer_last),
                ]
        return step

    def _addresses(self, m: Module, pending: Fifo, requests: Fifo, step: _Step) -> None:
        """Add the map's address in two steps, and ask for each beat once."""
        valid, low = Signal(2), Signal(_SPLIT + 1, reset_less=True)
        number, flags = Signal(NUMBER_BITS + 1, reset_less=True), Signal(Flags, reset_less=True)
        high = Signal(ADDRESS_BITS - _SPLIT + 1)
        m.d.comb += [
            high.eq(step.map[_SPLIT:] + number[_SPLIT - 2 : NUMBER_BITS] + low[_SPLIT]),
            step.moving.eq(valid != 0),
        ]
        entry, held = pending.i.payload, Signal(_Pending, reset_less=True)
        beat, fresh = (
            Signal(ADDRESS_BITS - 5, reset_less=True),
            Signal(init=1),
        )  # The beat that was asked for last, in this job.
        m.d.sync += [
            valid.eq(Cat(step.valid, valid[0])),
            low.eq(step.map[:_SPLIT] + (step.number[: _SPLIT - 2] << 2)),
            number.eq(step.number),
            flags.eq(step.flags),
            held.value.eq(Mux(step.mapped, Cat(low[:_SPLIT], high[:-1]), number[:NUMBER_BITS])),
            held.mapped.eq(step.mapped),
            held.over.eq(number[NUMBER_BITS] | (step.mapped & high[-1])),
            held.flags.eq(flags),
        ]
        m.d.comb += [
            pending.i.valid.eq(valid[1]),
            entry.eq(held),
            entry.new.eq(held.mapped & ~held.over & (fresh | (held.value[5:] != beat))),
            requests.i.valid.eq(valid[1] & entry.new),
            requests.i.payload.eq(Cat(Const(0, 5), held.value[5:])),
        ]
        with m.If(requests.i.valid):
            m.d.sync += [beat.eq(held.value[5:]), fresh.eq(0)]
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += fresh.eq(1)

    def _look_up(self, m: Module, pending: Fifo, product: RowAddress) -> None:
        """Join rows with the beats that they wait for, and take their words."""
        entry, answer = pending.o.payload, self.read.beat
        row, words, error = (Signal(shape, reset_less=True) for shape in (_Pending, BEAT_BITS, 2))
        bad, known = Signal(ADDRESS_BITS, reset_less=True), Signal()
        valid, take, astray = Signal(), Signal(), Signal()
        m.d.comb += [
            take.eq(pending.o.valid & product.room & (~entry.new | answer.valid)),
            pending.o.ready.eq(product.room & (~entry.new | answer.valid)),
            answer.ready.eq(pending.o.valid & product.room & entry.new),
            astray.eq(row.mapped & (row.over | (error != Answer.OK))),
        ]
        m.d.sync += valid.eq(take)
        with m.If(take):
            m.d.sync += row.eq(entry)
        with m.If(answer.valid & answer.ready):
            m.d.sync += words.eq(answer.payload.data)
        with m.If(answer.valid & pending.o.valid & entry.new):  # Apart from the data, whose enable has loads enough.
            m.d.sync += error.eq(answer.payload.error)
        with m.If(valid & astray & ~known):
            m.d.sync += [bad.eq(row.value), known.eq(1)]
        m.d.comb += [
            product.valid.eq(valid),
            product.number.eq(Mux(row.mapped, words.word_select(row.value[2:5], 32), row.value[:NUMBER_BITS])),
            product.error.eq(Mux(row.over, Answer.WINDOW, Mux(row.mapped, error, Answer.OK))),
            product.astray.eq(astray),
            product.bad.eq(bad),
            product.flags.eq(row.flags),
            product.ending.eq(take & entry.flags.inner_last & entry.flags.outer_last),
        ]


class _Step:
    """A step of the loops, and the constants of its job."""

    def __init__(self) -> None:
        self.valid, self.mapped, self.moving = Signal(), Signal(), Signal()
        self.map = Signal(ADDRESS_BITS)
        self.number = Signal(NUMBER_BITS + 1, reset_less=True)
        self.flags = Signal(Flags)


def _advance(target: Signal, number: Signal, stride: Any) -> Any:
    """Assign ``number + stride``; what once was out of range stays so."""
    total = number[:NUMBER_BITS] + stride
    return target.eq(Cat(total[:NUMBER_BITS], total[NUMBER_BITS] | number[NUMBER_BITS]))
