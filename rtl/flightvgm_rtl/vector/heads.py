"""Entries of FP16 heads: their exponents and FIP corrections."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.vector.heads_align import HeadAlign
from flightvgm_rtl.vector.heads_store import EXPONENT_BITS, GROUP, HeadStore, group
from flightvgm_rtl.vector.heads_sum import SUM_BITS, HeadSum

_ENTRIES = 16


def entry(tag: Any) -> data.StructLayout:
    """An entry, and the tag of its head."""
    return data.StructLayout({"entry": 64, "tag": tag})


class HeadEntries(wiring.Component):
    """Entry of each head: ``sum_j m[2j] m[2j + 1]`` of its aligned values in 58 bits, then its biased exponent in 6.

    Values are as :func:`golden.align.align` gives them; masked values are zero. Entries leave in the order of
    their heads; one group a cycle comes and goes, and a stall of ``o`` stalls ``i`` when 16 heads wait.

    Parameters
    ----------
    tag : ShapeLike
        What goes with a head.
    groups : int
        Groups of the longest head; a power of two.

    Members
    -------
    i : In(stream.Signature(group(tag)))
    o : Out(stream.Signature(entry(tag)))
    busy : Out(1)
        Something is inside.
    infinite : Out(1)
        Pulse: a head holds an infinity or a NaN.
    """

    def __init__(self, tag: Any, *, groups: int) -> None:
        self._tag, self._groups = tag, groups
        super().__init__(
            {
                "i": In(stream.Signature(group(tag))),
                "o": Out(stream.Signature(entry(tag))),
                "busy": Out(1),
                "infinite": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Store, align, multiply neighbours, sum; tags wait beside for the sums."""
        m = Module()
        m.submodules.store = store = HeadStore(self._tag, groups=self._groups)
        m.submodules.align = align = HeadAlign()
        m.submodules.sum = total = HeadSum(products=GROUP // 2)
        tags_shape = data.StructLayout({"exponent": EXPONENT_BITS, "tag": self._tag})
        m.submodules.tags = tags = Fifo(tags_shape, depth=_ENTRIES, style="distributed")
        m.submodules.sums = sums = Fifo(SUM_BITS, depth=_ENTRIES, style="distributed")
        wiring.connect(m, wiring.flipped(self.i), store.i)
        go, out = Signal(), store.o.p
        first, last, valid = Signal(align.latency), Signal(align.latency), Signal(align.latency)
        m.d.comb += [
            self.infinite.eq(store.infinite),
            store.o.ready.eq(tags.i.ready),
            go.eq(store.o.valid & tags.i.ready),
            align.values.eq(out.values),
            align.mask.eq(out.mask),
            align.exponent.eq(out.exponent),
            tags.i.valid.eq(store.o.valid & out.last),
            tags.i.p.exponent.eq(out.exponent),
            tags.i.p.tag.eq(out.tag),
            total.valid.eq(valid[-1]),
            total.first.eq(first[-1]),
            total.last.eq(last[-1]),
            total.a.eq(Cat(align.o[2 * pair] for pair in range(GROUP // 2))),
            total.b.eq(Cat(align.o[2 * pair + 1] for pair in range(GROUP // 2))),
            sums.i.valid.eq(total.o_valid),
            sums.i.p.eq(total.o),
            self.o.valid.eq(tags.o.valid & sums.o.valid),
            self.o.p.entry.eq(Cat(sums.o.p, tags.o.p.exponent)),
            self.o.p.tag.eq(tags.o.p.tag),
            tags.o.ready.eq(self.o.ready & sums.o.valid),
            sums.o.ready.eq(self.o.ready & tags.o.valid),
        ]
        m.d.sync += [
            valid.eq((valid << 1) | go),
            first.eq((first << 1) | out.first),
            last.eq((last << 1) | out.last),
        ]
        self._count(m)
        return m

    def _count(self, m: Module) -> None:
        """Heads inside: those of which the first group was taken and the entry not."""
        inside = Signal(8)
        begun = self.i.valid & self.i.ready & self.i.p.first
        m.d.sync += inside.eq(inside + begun - (self.o.valid & self.o.ready))
        m.d.comb += self.busy.eq(inside != 0)
