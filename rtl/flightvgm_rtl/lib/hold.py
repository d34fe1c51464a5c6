"""An instruction that a unit holds while it works."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value, ValueLike


def hold(m: Module, given: ValueLike, held: Signal, *, taken: ValueLike, left: ValueLike, parts: int = 2) -> None:
    """Copy an instruction to registers until it is taken; then they hold it.

    Each part of the registers has an enable of its own, from a register, so that none drives too many loads.

    Parameters
    ----------
    m : Module
        Where the registers are driven.
    given : Value
        What is offered.
    held : Signal
        Its registers, as wide; a cycle after ``taken`` they hold what was given with it.
    taken : Value
        The instruction is taken.
    left : Value
        Pulse, at least a cycle before the next ``taken``: the unit is done with what it holds.
    parts : int
        Parts of equal width.
    """
    source, target = Value.cast(given), Value.cast(held)
    step = -(-len(source) // parts)
    for part in range(parts):
        follows = Signal(init=1, name=f"{held.name}_follows_{part}", attrs={"keep": "true"})
        with m.If(taken):
            m.d.sync += follows.eq(0)
        with m.Elif(left):
            m.d.sync += follows.eq(1)
        with m.If(follows):
            m.d.sync += target[step * part : step * part + step].eq(source[step * part : step * part + step])
