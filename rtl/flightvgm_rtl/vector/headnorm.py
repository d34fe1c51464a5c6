"""RMS norm of heads, with a rotation or without."""

from __future__ import annotations

import struct
from typing import Any

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_arch.formats import NORM_EPSILON
from flightvgm_rtl.buffers.ports import parameter_write
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.reset import add_with_own_reset
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.int_to_fp import IntToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.fp.rsqrt import Rsqrt
from flightvgm_rtl.vector.headnorm_apply import HeadApply
from flightvgm_rtl.vector.headnorm_share import Share
from flightvgm_rtl.vector.heads_align import HeadAlign
from flightvgm_rtl.vector.heads_store import GROUP, HeadStore, group
from flightvgm_rtl.vector.heads_sum import SUM_BITS, HeadSum

_EPSILON = int.from_bytes(struct.pack("<f", NORM_EPSILON), "little")
_UNIT = 36  # A biased exponent less this one is that of the aligned unit.
_HEADS = 16
_GROUPS_OUT = 64


class HeadNorm(wiring.Component):
    """``fp16(rotate(fp32(fp32(x * scale) * weight)))`` of each head, without ``rotates`` not rotated.

    ``scale = rsqrt(fp32(fp32(fp32(Q) * fp32(1 / n)) * 2^2e + fp32(1e-6)))``.
    Q is the exact sum of the squares of the aligned head; :func:`golden.norm.rms_norm` and
    :func:`golden.rope.rotate` are the reference, bit for bit. One group a cycle comes and goes; a head waits
    until its exponent is known, and again for its scale.

    Parameters
    ----------
    groups : int
        Groups of the longest head; a power of two.
    p_words : int
        Words of the parameter buffer.
    where_bits, table_bits : int
        Bits of a head's place, and of the word of its table.

    Members
    -------
    start : In(1)
        New heads follow; the inputs without a stream are still from here on.
    head_dim : In(13)
        n, a multiple of 8.
    rotates : In(1)
    norm, rope : In
        Words of the weights, and of the table's first.
    parameters : In(parameter_write(p_words))
    i : In(stream.Signature(group({"place": ..., "table": ...})))
        ``table`` is the word of the head's rotations behind the first.
    o : Out(stream.Signature({"values": ..., "first": ..., "last": ..., "place": ..., "number": ...}))
        ``place`` is that of the head, and ``number`` that of the group in it.
    busy : Out(1)
    infinite, improper : Out(1)
        Pulses: a head holds an infinity or a NaN; a parameter is not below 2^48.
    saturations : Out(4)
    """

    def __init__(self, *, groups: int, p_words: int, where_bits: int, table_bits: int) -> None:
        self._groups, self._p_words = groups, p_words
        self._tag = data.StructLayout({"place": where_bits, "table": table_bits})
        self._out = data.StructLayout({"first": 1, "last": 1, "place": where_bits, "number": range(groups)})
        out = data.StructLayout({"values": 16 * GROUP} | {name: field.shape for name, field in self._out})
        super().__init__(
            {
                "start": In(1),
                "head_dim": In(13),
                "rotates": In(1),
                "norm": In(table_bits),
                "rope": In(table_bits),
                "parameters": In(parameter_write(p_words)),
                "i": In(stream.Signature(group(self._tag))),
                "o": Out(stream.Signature(out)),
                "busy": Out(1),
                "infinite": Out(1),
                "improper": Out(1),
                "saturations": Out(4),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Squares of a head, its scale, then its groups."""
        m = Module()
        m.submodules.groups = groups = Fifo(data.StructLayout({"values": 16 * GROUP, "last": 1}), depth=self._groups)
        m.submodules.heads = heads = Fifo(self._tag, depth=_HEADS, style="distributed")
        m.submodules.scales = scales = Fifo(32, depth=_HEADS, style="distributed")
        self._measure(m, groups, heads, scales)
        self._apply(m, groups, heads, scales)
        inside = Signal(8)
        begun = self.i.valid & self.i.ready & self.i.p.first
        m.d.sync += inside.eq(inside + begun - (self.o.valid & self.o.ready & self.o.p.last))
        m.d.comb += self.busy.eq(inside != 0)
        return m

    def _measure(self, m: Module, groups: Fifo, heads: Fifo, scales: Fifo) -> None:
        """Square the aligned values, and turn their sum into a scale, which comes when the head waits in the FIFOs."""
        store, share = HeadStore(self._tag, groups=self._groups), Share(bits=len(self.head_dim))
        add_with_own_reset(m, "store", store)
        add_with_own_reset(m, "share", share)
        m.submodules.align = align = HeadAlign()
        m.submodules.squares = squares = HeadSum(products=GROUP)
        wiring.connect(m, wiring.flipped(self.i), store.i)
        out, free, go, aligned = store.o.p, Signal(), Signal(), Signal(align.latency)
        m.d.comb += [
            share.start.eq(self.start),
            share.n.eq(self.head_dim),
            self.infinite.eq(store.infinite),
            free.eq(groups.i.ready & heads.i.ready & share.ready),
            store.o.ready.eq(free),
            go.eq(store.o.valid & free),
            groups.i.valid.eq(go),
            groups.i.p.values.eq(out.values),
            groups.i.p.last.eq(out.last),
            heads.i.valid.eq(go & out.last),
            heads.i.p.eq(out.tag),
            align.values.eq(out.values),
            align.mask.eq(out.mask),
            align.exponent.eq(out.exponent),
            squares.valid.eq(aligned[-1]),
            squares.first.eq(delay(m, out.first, align.latency, "aligned_first")),
            squares.last.eq(delay(m, out.last, align.latency, "aligned_last")),
            squares.a.eq(align.o),
            squares.b.eq(align.o),
        ]
        m.d.sync += aligned.eq((aligned << 1) | go)
        exponent = delay(m, out.exponent, align.latency + squares.latency, "exponent_of_sum")
        self._scale(m, squares, exponent, share.o, scales)

    def _scale(self, m: Module, squares: HeadSum, exponent: Signal, share: Signal, scales: Fifo) -> None:
        """Mean of the squares, epsilon, reciprocal root."""
        m.submodules.convert = convert = IntToFp(width=SUM_BITS)
        m.submodules.mean = mean = FpMul()
        m.submodules.add = add = FpAdd()
        m.submodules.root = root = Rsqrt()
        unit = Signal(signed(8))
        m.d.comb += [
            unit.eq(exponent - _UNIT),
            convert.i.eq(squares.o.as_signed()),
            convert.i_exponent.eq(Cat(Const(0, 1), unit).as_signed()),
            mean.i_a.eq(convert.o),
            mean.i_b.eq(share),
            add.i_a.eq(mean.o),
            add.i_b.eq(_EPSILON),
            root.i.eq(add.o),
            scales.i.p.eq(root.o),
        ]
        valid = Signal(convert.latency + mean.latency + add.latency + root.latency)
        m.d.sync += valid.eq((valid << 1) | squares.o_valid)
        m.d.comb += scales.i.valid.eq(valid[-1])

    def _apply(self, m: Module, groups: Fifo, heads: Fifo, scales: Fifo) -> None:
        """Send groups through the lanes; what they are goes beside, and bounds how many are under way."""
        lanes = HeadApply(p_words=self._p_words)
        add_with_own_reset(m, "lanes", lanes)
        m.submodules.places = places = Fifo(self._out, depth=_GROUPS_OUT, style="distributed")
        m.submodules.results = results = Fifo(16 * GROUP, depth=_GROUPS_OUT, style="distributed")
        number, go, last = Signal(range(self._groups)), Signal(), groups.o.p.last
        free = Signal()  # Two groups fit, for one may be on its way that is not counted yet.
        m.d.sync += free.eq(places.level <= _GROUPS_OUT - 2)
        m.d.comb += [
            go.eq(groups.o.valid & heads.o.valid & scales.o.valid & free),
            groups.o.ready.eq(go),
            heads.o.ready.eq(go & last),
            scales.o.ready.eq(go & last),
            places.i.valid.eq(go),
            places.i.p.first.eq(number == 0),
            places.i.p.last.eq(last),
            places.i.p.place.eq(heads.o.p.place),
            places.i.p.number.eq(number),
            lanes.parameters.eq(self.parameters),
            lanes.rotates.eq(self.rotates),
            results.i.valid.eq(lanes.o_valid),
            results.i.p.eq(lanes.o),
            self.saturations.eq(lanes.saturations),
            self.improper.eq(lanes.improper),
            self.o.valid.eq(places.o.valid & results.o.valid),
            places.o.ready.eq(self.o.ready & results.o.valid),
            results.o.ready.eq(self.o.ready & places.o.valid),
            self.o.p.values.eq(results.o.p),
        ]
        m.d.comb += [self.o.p[name].eq(places.o.p[name]) for name, _ in self._out]
        with m.If(go & last):
            m.d.sync += number.eq(0)
        with m.Elif(go):
            m.d.sync += number.eq(number + 1)
        sent = Signal()
        m.d.sync += sent.eq(go)
        m.d.comb += lanes.valid.eq(sent)
        for target, value, name in (
            (lanes.values, groups.o.p.values, "values"),
            (lanes.scale, scales.o.p, "scale"),
            (lanes.norm, (self.norm + number)[: len(lanes.norm)], "norm"),
        ):
            m.d.comb += target.eq(register(m, value, f"sent_{name}"))
        table = register(m, (self.rope + heads.o.p.table)[: len(self.rope)], "table_of_head")
        m.d.comb += lanes.table.eq((table + register(m, number, "sent_number"))[: len(lanes.table)])
