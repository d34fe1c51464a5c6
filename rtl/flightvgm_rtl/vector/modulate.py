"""Norm, modulation and rounding of rows."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from flightvgm_rtl.buffers.parameters import WORD_VALUES, ParameterCopy
from flightvgm_rtl.buffers.ports import parameter_write
from flightvgm_rtl.lib.pipeline import delay, register
from flightvgm_rtl.lib.vector import Vector
from flightvgm_rtl.vector.flow import count_ones, group, history, outside, pick
from flightvgm_rtl.vector.fp.add import FpAdd
from flightvgm_rtl.vector.fp.half import FpToHalf, HalfToFp
from flightvgm_rtl.vector.fp.mul import FpMul
from flightvgm_rtl.vector.moments import RowScalar
from flightvgm_rtl.vector.rowscalars import ONE

MINUS_ZERO = 1 << 31
_SIGN = MINUS_ZERO
_PART = 4  # Lanes whose parameters one register chooses.
_READ = ParameterCopy.latency + 1  # Cycles from an address to the parameters in a register.


def place_bits(words: int, lanes: int) -> int:
    """Bits of the place of ``lanes`` parameters in a copy of the parameter buffer."""
    return (words * (2 if lanes < WORD_VALUES else 1) - 1).bit_length()


def modulate_job(words: int, lanes: int) -> data.StructLayout:
    """What rows of an instruction need: places of their first parameters, and the lanes of their last group."""
    place = place_bits(words, lanes)
    return data.StructLayout({"modulate": 1, "scale": place, "shift": place, "tail": lanes})


class Modulate(wiring.Component):
    """``fp16(fp32(fp32(fp32(fp32(x - mean) deviation) scale) + shift))``, ``lanes`` values a cycle.

    As steps 4 of :func:`golden.norm.layer_norm` and :func:`golden.residual.modulate`, bit for bit. Without ``modulate``
    scale is 1 and shift -0, which change no value. Values behind the last of a row become zero. A group leaves
    ``latency`` cycles after it was taken; a row that follows another one begins without a gap. Groups leave without
    handshake: one is taken where ``room`` is set.

    Parameters
    ----------
    lanes : int
        Values a cycle: 4, 8 or 16.
    words : int
        Words of 32 bytes of the parameter buffer.

    Members
    -------
    parameters : In(parameter_write(words))
    jobs : In(modulate_job(words, lanes)) twice
        Of the instructions in each slot.
    i : In(stream.Signature(group(lanes)))
    i_row : In(stream.Signature(RowScalar))
    room : In(1)
        A group may set out.
    set_out, set_out_last : Out(1)
        A group sets out; the last one of a row.
    o_valid : Out(1)
    o : Out(group(lanes))
    saturated : Out(range(lanes + 1))
        Values that saturated in some cycle before.
    beyond : Out(1)
        A scale or a shift of a group is 2^48 or more in magnitude, or no number.
    """

    latency = HalfToFp.latency + 2 * FpAdd.latency + 2 * FpMul.latency + FpToHalf.latency + 1

    def __init__(self, *, lanes: int, words: int) -> None:
        self._lanes = lanes
        self._words = words
        super().__init__(
            {
                "parameters": In(parameter_write(words)),
                "jobs": In(modulate_job(words, lanes)).array(2),
                "i": In(stream.Signature(group(lanes))),
                "i_row": In(stream.Signature(RowScalar)),
                "room": In(1),
                "set_out": Out(1),
                "set_out_last": Out(1),
                "o_valid": Out(1),
                "o": Out(group(lanes)),
                "saturated": Out(range(lanes + 1)),
                "beyond": Out(1),
            }
        )

    def elaborate(self, _platform: Any) -> Module:
        """Flow, parameters, lanes."""
        m = Module()
        go, free = Signal(), Signal()
        m.d.comb += [
            free.eq(self.i_row.valid & self.room),
            go.eq(self.i.valid & free),
            self.i.ready.eq(free),
            self.set_out.eq(go),
            self.set_out_last.eq(go & self.i.p.last),
            self.i_row.ready.eq(self.set_out_last),
            self.o_valid.eq(history(m, go, self.latency, "valid")),
        ]
        flags = delay(m, Cat(self.i.p.last, self.i.p.slot), self.latency - 1, "flags")
        m.d.comb += Cat(self.o.last, self.o.slot).eq(register(m, flags, "flags_out"))
        job = pick(m, self.jobs, flags[1], "job_out")
        mask = Signal(self._lanes)
        m.d.comb += mask.eq(Mux(flags[0], job.tail, Const((1 << self._lanes) - 1, self._lanes)))
        saturated = self._arithmetic(m, go, mask)
        valid = history(m, go, self.latency - 1, "lanes_valid")
        counted = count_ones(m, Mux(valid, saturated & mask, 0), "saturated")
        m.d.comb += self.saturated.eq(counted)
        return m

    def _arithmetic(self, m: Module, go: Signal, mask: Signal) -> Signal:
        """Lanes; returns which of them saturated, a cycle before their groups leave."""
        scalars = self.i_row.p.scalars
        mean = delay(m, scalars.mean ^ _SIGN, HalfToFp.latency, "mean")
        behind_add = HalfToFp.latency + FpAdd.latency
        deviation = delay(m, scalars.deviation, behind_add, "deviation")
        behind_norm = behind_add + FpMul.latency
        scale, shift = self._parameters(m, go, behind_norm, behind_norm + FpMul.latency)
        saturated = []
        for number in range(self._lanes):
            lane = _Lane(m, number)
            m.d.comb += [
                lane.widen.i.eq(self.i.p.values[number]),
                lane.centre.i_a.eq(lane.widen.o),
                lane.centre.i_b.eq(mean),
                lane.norm.i_a.eq(lane.centre.o),
                lane.norm.i_b.eq(deviation),
                lane.scale.i_a.eq(lane.norm.o),
                lane.scale.i_b.eq(scale[number]),
                lane.shift.i_a.eq(lane.scale.o),
                lane.shift.i_b.eq(shift[number]),
                lane.narrow.i.eq(lane.shift.o),
                self.o.values[number].eq(register(m, Mux(mask[number], lane.narrow.o, 0), f"value_{number}")),
            ]
            saturated.append(lane.narrow.o_saturated)
        result = Signal(self._lanes)
        m.d.comb += result.eq(Cat(*saturated))
        return result

    def _parameters(self, m: Module, go: Signal, scale_at: int, shift_at: int) -> tuple[Signal, Signal]:
        """Scale and shift of a group, the given cycles after it was taken."""
        offset = Signal(place_bits(self._words, self._lanes))
        with m.If(go):
            m.d.sync += offset.eq(Mux(self.i.p.last, 0, offset + max(1, self._lanes // WORD_VALUES)))
        found, beyond = [], []
        job = pick(m, self.jobs, self.i.p.slot, "job_in")
        for name, neutral, cycles in (("scale", ONE, scale_at), ("shift", MINUS_ZERO, shift_at)):
            copy = ParameterCopy(words=self._words, values=self._lanes)
            m.submodules[f"{name}_copy"] = copy
            base = Signal.like(offset, name=f"{name}_base")
            place = Signal.like(offset, name=f"{name}_place", reset_less=True)
            m.d.comb += base.eq(job[name])
            m.d.sync += place.eq(base + offset)
            wanted = history(m, go & job.modulate, cycles - _READ, f"{name}_wanted")
            m.d.comb += [
                copy.write.eq(self.parameters),
                copy.read_enable.eq(wanted),
                copy.read_address.eq(delay(m, place, cycles - _READ - 1, f"{name}_address")),
            ]
            value = Signal(Vector(32, self._lanes), name=name, reset_less=True)
            for part, low in enumerate(range(0, self._lanes, _PART)):
                used = Signal(name=f"{name}_used_{part}", attrs={"keep": "true"})
                m.d.sync += used.eq(wanted)
                for lane in range(low, min(low + _PART, self._lanes)):
                    m.d.sync += value[lane].eq(Mux(used, copy.read_data[32 * lane : 32 * lane + 32], neutral))
            found.append(value)
            ends = delay(m, Cat(self.i.p.last, self.i.p.slot), cycles, f"{name}_ends")
            tail = pick(m, self.jobs, ends[1], f"{name}_job").tail
            beyond.append(
                outside(m, value, Mux(ends[0], tail, Const((1 << self._lanes) - 1, self._lanes)), f"{name}_beyond")
            )
        m.d.comb += self.beyond.eq(beyond[0] | beyond[1])
        return found[0], found[1]


class _Lane:
    """Operations of a lane, in their order."""

    def __init__(self, m: Module, number: int) -> None:
        self.widen, self.centre, self.norm, self.scale, self.shift, self.narrow = (
            HalfToFp(), FpAdd(), FpMul(), FpMul(), FpAdd(), FpToHalf(),
        )  # fmt: skip
        for name, part in vars(self).items():
            m.submodules[f"{name}_{number}"] = part
