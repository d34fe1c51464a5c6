"""Groups of a head times their scale and weights, rotated, and rounded to FP16."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.parameters import ParameterCopy
from flightvgm_rtl.buffers.ports import parameter_write
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.fp.half import FpToHalf, HalfToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.heads_store import GROUP
from flightvgm_rtl.vector.rope import Rope

_END = 127 + 48  # Biased exponent of 2^48, from which on parameters are refused.


class HeadApply(wiring.Component):
    """``fp16(rotate(fp32(fp32(x * scale) * weight)))`` of eight values a cycle, without ``rotates`` not rotated.

    Weights and pairs (cos, sin) come from two copies of the parameter buffer, just when the values need them.

    Parameters
    ----------
    p_words : int
        Words of the parameter buffer.

    Members
    -------
    parameters : In(parameter_write(p_words))
    rotates : In(1)
        Still from two cycles before a group comes until it has left.
    valid, values, scale : In
        Eight FP16 values, and the FP32 scale of their head.
    norm, table : In
        Words of their weights and of their pairs (cos, sin).
    o_valid : Out(1)
    o : Out(128)
        FP16, ``latency`` cycles later, or ``plain_latency`` without ``rotates``.
    saturations : Out(4)
        Values that saturated, a cycle behind those.
    improper : Out(1)
        Pulse: a parameter is not below 2^48 in magnitude.
    """

    scaled = HalfToFp.latency + FpMul.latency
    weighted = scaled + FpMul.latency
    plain_latency = weighted + FpToHalf.latency
    latency = plain_latency + Rope.latency

    def __init__(self, *, p_words: int) -> None:
        self._p_words = p_words
        super().__init__(
            {
                "parameters": In(parameter_write(p_words)),
                "rotates": In(1),
                "valid": In(1),
                "values": In(16 * GROUP),
                "scale": In(32),
                "norm": In(range(p_words)),
                "table": In(range(p_words)),
                "o_valid": Out(1),
                "o": Out(16 * GROUP),
                "saturations": Out(4),
                "improper": Out(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        """Scale, weigh, rotate or not, round."""
        m = Module()
        moving = Signal(self.latency)
        m.d.sync += moving.eq((moving << 1) | self.valid)
        weights = self._read(m, "norm", self.norm, moving, self.scaled)
        pairs = self._read(m, "table", self.table, moving, self.weighted)
        m.submodules.rope = rope = Rope(pairs=GROUP // 2)
        vector = Vector(32, GROUP)
        weighed, ready = Signal(vector), Signal(vector)
        self._weigh(m, weighed, weights)
        turned = [Signal(name=f"turned_{part}", reset_less=True, attrs={"keep": "true"}) for part in range(2)]
        m.d.sync += [part.eq(self.rotates) for part in turned]
        m.d.comb += [
            rope.i.eq(weighed),
            rope.table.eq(pairs),
            *(ready[lane].eq(Mux(turned[lane % 2], rope.o[lane], weighed[lane])) for lane in range(GROUP)),
            self.o_valid.eq(Mux(turned[0], moving[self.latency - 1], moving[self.plain_latency - 1])),
        ]
        self._round(m, ready)
        refused = register(m, _refused(weights) & moving[self.scaled - 1], "refused_weight")
        astray = register(m, _refused(pairs) & moving[self.weighted - 1] & turned[1], "refused_pair")
        m.d.comb += self.improper.eq(refused | astray)
        return m

    def _read(self, m: Module, name: str, word: Value, moving: Signal, when: int) -> Signal:
        """A copy of the parameters whose data come ``when`` cycles behind the values."""
        m.submodules[f"copy_{name}"] = copy = ParameterCopy(words=self._p_words, values=GROUP)
        asked = when - ParameterCopy.latency
        m.d.comb += [
            copy.write.eq(self.parameters),
            copy.read_enable.eq(moving[asked - 1]),
            copy.read_address.eq(delay(m, word, asked, f"word_{name}")),
        ]
        return copy.read_data

    def _weigh(self, m: Module, weighed: Any, weights: Signal) -> None:
        """Values as FP32, times the scale, times their weights."""
        scale = delay(m, self.scale, HalfToFp.latency, "scale_now")
        for lane in range(GROUP):
            m.submodules[f"wide_{lane}"] = wide = HalfToFp()
            m.submodules[f"scaled_{lane}"] = scaled = FpMul()
            m.submodules[f"weighed_{lane}"] = product = FpMul()
            m.d.comb += [
                wide.i.eq(self.values[16 * lane : 16 * lane + 16]),
                scaled.i_a.eq(wide.o),
                scaled.i_b.eq(scale),
                product.i_a.eq(scaled.o),
                product.i_b.eq(weights[32 * lane : 32 * lane + 32]),
                weighed[lane].eq(product.o),
            ]

    def _round(self, m: Module, ready: Any) -> None:
        """FP16, and how many values saturated."""
        halves, full = [], []
        for lane in range(GROUP):
            m.submodules[f"half_{lane}"] = half = FpToHalf()
            m.d.comb += half.i.eq(ready[lane])
            halves.append(half.o)
            full.append(half.o_saturated & self.o_valid)
        pairs = [full[lane] + full[lane + 1] for lane in range(0, GROUP, 2)]
        m.d.comb += self.o.eq(Cat(halves))
        m.d.sync += self.saturations.eq((pairs[0] + pairs[1]) + (pairs[2] + pairs[3]))


def _refused(values: Signal) -> Value:
    """Whether one of eight FP32 values is an infinity, a NaN or too large."""
    return Cat(values[32 * lane + 23 : 32 * lane + 31] >= _END for lane in range(GROUP)).any()
