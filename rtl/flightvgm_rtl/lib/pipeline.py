"""Registers of a pipeline that carries data without handshake."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, ValueLike


def register(m: Module, value: ValueLike, name: str) -> Signal:
    """Value of the cycle before, in a register without reset.

    Parameters
    ----------
    m : Module
        Where the register is placed.
    value : ValueLike
        What it takes in each cycle; its shape is that of the register.
    name : str
        Name of the register.
    """
    return delay(m, value, 1, name)


def delay(m: Module, value: ValueLike, cycles: int, name: str) -> Signal:
    """Value of ``cycles`` cycles ago, at least one, in registers without reset.

    Parameters
    ----------
    m : Module
        Where the registers are placed.
    value : ValueLike
        What the first one takes in each cycle.
    cycles : int
        Registers in a row.
    name : str
        Name of the last register; those before it carry a number.
    """
    cast = Value.cast(value)
    for cycle in range(1, cycles + 1):
        following = Signal(cast.shape(), name=name if cycle == cycles else f"{name}_{cycle}", reset_less=True)
        m.d.sync += following.eq(cast)
        cast = following
    return cast
