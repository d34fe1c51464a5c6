"""What the row unit's stages share: groups of a row, credits, trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from flightvgm_rtl.lib.pipeline import register
from flightvgm_rtl.lib.vector import Vector

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
