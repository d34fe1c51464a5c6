"""Heads: groups of eight FP16 values that wait until the exponent of all of them is known."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay, register

GROUP = 8
EXPONENT_BITS = 5
INFINITE = (1 << EXPONENT_BITS) - 1
_HEADS = 16


def group(tag: Any) -> data.StructLayout:
    """Eight FP16 values of a head; ``mask`` marks those that belong to it. ``tag`` counts with the first group."""
    return data.StructLayout({"values": 16 * GROUP, "mask": GROUP, "first": 1, "last": 1, "tag": tag})


def known(tag: Any) -> data.StructLayout:
    """A group whose head's largest biased exponent, at least 1, is known."""
    return data.StructLayout(
        {"values": 16 * GROUP, "mask": GROUP, "first": 1, "last": 1, "exponent": EXPONENT_BITS, "tag": tag}
    )


class HeadStore(wiring.Component):
    """Delay heads until their exponents are known.

    A head leaves when its last group has come, five cycles later at the earliest; one group a cycle comes and
    goes. Up to 16 heads are inside.

    Parameters
    ----------
    tag : ShapeLike
        What goes with a head.
    groups : int
        Groups that fit; a power of two, at least the groups of the longest head.

    Members
    -------
    i : In(stream.Signature(group(tag)))
    o : Out(stream.Signature(known(tag)))
    infinite : Out(1)
        Pulse: a head holds an infinity or a NaN.
    """

    def __init__(self, tag: Any, *, groups: int) -> None:
        self._tag, self._groups = tag, groups
        super().__init__(
            {"i": In(stream.Signature(group(tag))), "o": Out(stream.Signature(known(tag))), "infinite": Out(1)}
        )

    def elaborate(self, platform: Any) -> Module:
        """Groups go through a FIFO; their heads' exponents and tags follow in another one."""
        m = Module()
        m.submodules.groups = groups = Fifo(
            data.StructLayout({"values": 16 * GROUP, "mask": GROUP, "last": 1}), depth=self._groups
        )
        m.submodules.heads = heads = Fifo(
            data.StructLayout({"exponent": EXPONENT_BITS, "tag": self._tag}), depth=_HEADS, style="distributed"
        )
        inside = Signal(range(_HEADS + 1))
        put, begun, pop = Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(groups.i.ready & (inside != _HEADS)),
            groups.i.valid.eq(self.i.valid & (inside != _HEADS)),
            groups.i.p.values.eq(self.i.p.values),
            groups.i.p.mask.eq(self.i.p.mask),
            groups.i.p.last.eq(self.i.p.last),
            put.eq(self.i.valid & self.i.ready),
            self.o.valid.eq(groups.o.valid & heads.o.valid),
            self.o.p.values.eq(groups.o.p.values),
            self.o.p.mask.eq(groups.o.p.mask),
            self.o.p.first.eq(~begun),
            self.o.p.last.eq(groups.o.p.last),
            self.o.p.exponent.eq(heads.o.p.exponent),
            self.o.p.tag.eq(heads.o.p.tag),
            groups.o.ready.eq(self.o.ready & heads.o.valid),
            pop.eq(self.o.valid & self.o.ready),
            heads.o.ready.eq(pop & groups.o.p.last),
        ]
        m.d.sync += inside.eq(inside + (put & self.i.p.first) - heads.o.ready)
        with m.If(pop):
            m.d.sync += begun.eq(~groups.o.p.last)
        self._exponent(m, put, heads)
        return m

    def _exponent(self, m: Module, put: Signal, heads: Fifo) -> None:
        """The largest exponent of a head, in three steps of two values and one of groups."""
        values = [self.i.p.values[16 * lane : 16 * lane + 16] for lane in range(GROUP)]
        level: list[Value] = [Mux(self.i.p.mask[lane], value[10:15], 0) for lane, value in enumerate(values)]
        for depth in range(3):
            level = [
                _largest(m, level[2 * pair], level[2 * pair + 1], f"largest_{depth}_{pair}")
                for pair in range(len(level) // 2)
            ]
        valid, first, last = Signal(3), Signal(3), Signal(3)
        m.d.sync += [
            valid.eq((valid << 1) | put),
            first.eq((first << 1) | self.i.p.first),
            last.eq((last << 1) | self.i.p.last),
        ]
        largest, ending = Signal(EXPONENT_BITS), Signal()
        so_far = Signal(EXPONENT_BITS)
        m.d.comb += so_far.eq(Mux(first[2], 1, largest))
        m.d.sync += ending.eq(valid[2] & last[2])
        with m.If(valid[2]):
            m.d.sync += largest.eq(Mux(level[0] > so_far, level[0], so_far))
        tag = Signal(self._tag)  # Of the head that comes; the next one may come before this one's exponent is made.
        with m.If(put & self.i.p.first):
            m.d.sync += tag.eq(self.i.p.tag)
        m.d.comb += [
            heads.i.valid.eq(ending),
            heads.i.p.exponent.eq(largest),
            heads.i.p.tag.eq(delay(m, tag, 3, "tag_of_ended")),
            self.infinite.eq(ending & (largest == INFINITE)),
        ]


def _largest(m: Module, left: Value, right: Value, name: str) -> Signal:
    """The larger one of two exponents, a cycle later."""
    return register(m, Mux(left > right, left, right), name)
