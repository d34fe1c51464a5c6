"""What the row unit's stages share: groups of a row, credits, trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data

from flightvgm_arch.formats import PARAMETER_END
from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.vector import Vector

_BEYOND = 127 + int(PARAMETER_END).bit_length() - 1  # Biased FP32 exponent that no parameter reaches.

Combine = Callable[[Value, Value], Value]


def group(lanes: int) -> data.StructLayout:
    """Layout of ``lanes`` FP16 values of a row, the first in the lowest bits.

    Values behind the row's last one are zero.

    ``slot`` is that of the instruction to which the row belongs.
    """
    return data.StructLayout({"values": Vector(16, lanes), "last": 1, "slot": 1})


def credits_left(m: Module, *, depth: int, taken: Value, freed: Value, name: str) -> Signal:
    """Whether a FIFO of ``depth`` places has one that no transfer on the way to it will take.

    Parameters
    ----------
    m : Module
        Where the counter is placed.
    depth : int
        Places of the FIFO.
    taken : Value
        A transfer sets out for the FIFO in this cycle; only where the result allows it.
    freed : Value
        A transfer leaves the FIFO in this cycle.
    name : str
        Name of the result.
    """
    count = Signal(range(depth + 1), init=depth, name=f"{name}_count")
    left = Signal(name=name)
    m.d.comb += left.eq(count != 0)
    m.d.sync += count.eq(count + freed - taken)
    return left


def history(m: Module, event: Value, cycles: int, name: str) -> Signal:
    """An event of ``cycles`` cycles ago, at least one; after reset none is under way."""
    stages = Signal(cycles, name=f"{name}_stages")
    result = Signal(name=name)
    m.d.sync += stages.eq(Cat(event, stages[:-1]))
    m.d.comb += result.eq(stages[-1])
    return result


def pick(m: Module, jobs: Sequence[Any], slot: Value, name: str) -> Any:
    """The job of a slot."""
    result = Signal(jobs[0].shape(), name=name)
    m.d.comb += result.eq(Mux(slot, jobs[1], jobs[0]))
    return result


def count_ones(m: Module, bits: Value, name: str) -> Signal:
    """Number of ones, ``tree_latency(len(bits))`` cycles later."""
    held = Signal(len(bits), name=f"{name}_bits")
    m.d.comb += held.eq(bits)
    return tree(m, list(held), lambda left, right: left + right, name)


def outside(m: Module, values: Any, mask: Value, name: str) -> Signal:
    """A cycle later, whether an FP32 value that the mask names is 2^48 or more in magnitude, or no number."""
    wanted = Signal(len(mask), name=f"{name}_wanted")
    m.d.comb += wanted.eq(mask)
    found = [wanted[place] & (values[place][23:31] >= _BEYOND) for place in range(len(mask))]
    return register(m, Cat(*found).any(), name)


def tree(m: Module, values: Sequence[Value], combine: Combine, name: str) -> Signal:
    """Combine values pairwise with a register behind each level; :func:`tree_latency` says how many there are."""
    level = 0
    while len(values) > 1:
        pairs = [
            register(m, combine(values[place], values[place + 1]), f"{name}_{level}_{place // 2}")
            for place in range(0, len(values) - 1, 2)
        ]
        if len(values) % 2:
            pairs.append(register(m, values[-1], f"{name}_{level}_odd"))
        values = pairs
        level += 1
    result = values[0]
    assert isinstance(result, Signal)
    return result


def tree_latency(count: int) -> int:
    """Levels of :func:`tree` over ``count`` values."""
    return (count - 1).bit_length()
