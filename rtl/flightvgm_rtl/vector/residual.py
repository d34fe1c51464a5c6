"""Residual with a gate."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.parameters import WORD_VALUES, ParameterCopy
from flightvgm_rtl.buffers.ports import parameter_write
from flightvgm_rtl.lib.fifo import Fifo
from flightvgm_rtl.lib.pipeline import delay
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.flow import count_ones, group, history, outside
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.half import FpToHalf, HalfToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.modulate import place_bits
from flightvgm_rtl.vector.rowroom import room_left
from flightvgm_rtl.vector.rowscalars import ONE
from flightvgm_rtl.vector.rowunpack import unpacked

_MINUS_ZERO = 1 << 15
_GROUPS = 64
_GATE = ParameterCopy.latency + 2  # Cycles from a group to its gate in a register.


def residual_job(words: int, lanes: int) -> data.StructLayout:
    """What rows of an instruction need: steps, the place of their first gates, and the lanes of their last group."""
    place = place_bits(words, lanes)
    return data.StructLayout({"add": 1, "gated": 1, "gate": place, "tail": lanes, "slot": 1})


class Residual(wiring.Component):
    """``fp16(fp32(x + fp32(gate y)))``, ``lanes`` values a cycle, as :func:`golden.residual.residual`, bit for bit.

    Without ``gated`` the gate is 1, without ``add`` y is -0, which change no value. A group leaves ``latency + 2``
    cycles after it was taken at the earliest; groups that leave may wait.

    Parameters
    ----------
    lanes : int
        Values a cycle: 4, 8 or 16.
    words : int
        Words of 32 bytes of the parameter buffer.

    Members
    -------
    parameters : In(parameter_write(words))
    job : In(residual_job(words, lanes))
        It must stay as it is while a group is inside.
    i_x, i_y : In(stream.Signature(unpacked(lanes)))
        Rows; y comes where ``add`` is set.
    o : Out(stream.Signature(group(lanes)))
    saturated : Out(range(lanes + 1))
        Values that saturated in some cycle before.
    infinite : Out(1)
        A group that was taken holds an infinity or a NaN.
    beyond : Out(1)
        A gate of a group is 2^48 or more in magnitude, or no number.
    """

    latency = _GATE + FpMul.latency + FpAdd.latency + FpToHalf.latency

    def __init__(self, *, lanes: int, words: int) -> None:
        self._lanes = lanes
        self._words = words
        super().__init__(
            {
                "parameters": In(parameter_write(words)),
                "job": In(residual_job(words, lanes)),
                "i_x": In(stream.Signature(unpacked(lanes))),
                "i_y": In(stream.Signature(unpacked(lanes))),
                "o": Out(stream.Signature(group(lanes))),
                "saturated": Out(range(lanes + 1)),
                "infinite": Out(1),
                "beyond": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Join the rows, compute, store."""
        m = Module()
        m.submodules.fifo = fifo = Fifo(group(self._lanes), depth=_GROUPS)
        wiring.connect(m, wiring.flipped(self.o), fifo.o)
        go = Signal()
        room = room_left(m, depth=_GROUPS, taken=go, freed=fifo.o.valid & fifo.o.ready, name="room")
        x, y, add = self.i_x, self.i_y, self.job.add
        m.d.comb += [
            go.eq(x.valid & (y.valid | ~add) & room),
            x.ready.eq(room & (y.valid | ~add)),
            y.ready.eq(room & x.valid & add),
        ]
        m.d.sync += self.infinite.eq(go & (x.p.infinite | add & y.p.infinite))
        gate = self._gates(m, go)
        saturated = self._arithmetic(m, gate, fifo)
        valid = history(m, go, self.latency, "valid")
        m.d.comb += [
            fifo.i.valid.eq(valid),
            fifo.i.p.last.eq(delay(m, x.p.last, self.latency, "last")),
            fifo.i.p.slot.eq(self.job.slot),
            self.saturated.eq(count_ones(m, Mux(valid, saturated, 0), "saturated")),
        ]
        return m

    def _gates(self, m: Module, go: Signal) -> Signal:
        """Gates of a group, ``_GATE`` cycles after it was taken."""
        lanes = self._lanes
        m.submodules.copy = copy = ParameterCopy(words=self._words, values=lanes)
        offset = Signal(place_bits(self._words, lanes))
        place = Signal.like(offset, reset_less=True)
        wanted, used = history(m, go & self.job.gated, 1, "wanted"), history(m, go & self.job.gated, 2, "used")
        with m.If(go):
            m.d.sync += offset.eq(Mux(self.i_x.p.last, 0, offset + max(1, lanes // WORD_VALUES)))
        neutral = Const(sum(ONE << 32 * lane for lane in range(lanes)), 32 * lanes)
        gate = Signal(Vector(32, lanes), reset_less=True)
        m.d.sync += [place.eq(self.job.gate + offset), gate.eq(Mux(used, copy.read_data, neutral))]
        m.d.comb += [copy.write.eq(self.parameters), copy.read_enable.eq(wanted), copy.read_address.eq(place)]
        ends = delay(m, self.i_x.p.last, _GATE, "gate_ends")
        whole = Const((1 << lanes) - 1, lanes)
        m.d.comb += self.beyond.eq(outside(m, gate, Mux(ends, self.job.tail, whole), "gate_beyond"))
        return gate

    def _arithmetic(self, m: Module, gate: Signal, fifo: Fifo) -> Signal:
        """Lanes; returns which of them saturated."""
        saturated = []
        multiply_at = _GATE - HalfToFp.latency
        for number in range(self._lanes):
            widen_x, widen_y, multiply, add, narrow = HalfToFp(), HalfToFp(), FpMul(), FpAdd(), FpToHalf()
            for name, part in (
                ("x", widen_x),
                ("y", widen_y),
                ("multiply", multiply),
                ("add", add),
                ("narrow", narrow),
            ):
                m.submodules[f"{name}_{number}"] = part
            branch = Signal(16, name=f"branch_{number}")
            m.d.comb += [
                branch.eq(Mux(self.job.add, self.i_y.p.values[number], _MINUS_ZERO)),
                widen_y.i.eq(delay(m, branch, multiply_at, f"y_{number}_late")),
                widen_x.i.eq(delay(m, self.i_x.p.values[number], multiply_at + FpMul.latency, f"x_{number}_late")),
                multiply.i_a.eq(widen_y.o),
                multiply.i_b.eq(gate[number]),
                add.i_a.eq(widen_x.o),
                add.i_b.eq(multiply.o),
                narrow.i.eq(add.o),
                fifo.i.p.values[number].eq(narrow.o),
            ]
            saturated.append(narrow.o_saturated)
        result = Signal(self._lanes)
        m.d.comb += result.eq(Cat(*saturated))
        return result
