"""Room in FIFOs behind pipelines, from registers."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value

from flightvgm_rtl.vector.flow import history

_UNDER_WAY = 2  # Transfers that may have set out and are not counted yet.


def room_left(m: Module, *, depth: int, taken: Value, freed: Value, name: str) -> Signal:
    """Whether a FIFO has a place that no transfer on the way to it will take; a register.

    What is counted is two cycles old, so the FIFO never holds the last two transfers that would fit, and a place that
    becomes free is told three cycles later.

    Parameters
    ----------
    m : Module
        Where the counter is placed.
    depth : int
        Places of the FIFO, more than two.
    taken : Value
        A transfer sets out for the FIFO in this cycle; only where the result allows it.
    freed : Value
        A transfer leaves the FIFO in this cycle.
    name : str
        Name of the result.
    """
    count = Signal(range(depth + 1), init=depth, name=f"{name}_count")
    left = Signal(init=1, name=name)
    came, went = history(m, freed, 1, f"{name}_freed"), history(m, taken, 1, f"{name}_taken")
    m.d.sync += [count.eq(count + came - went), left.eq(count > _UNDER_WAY)]
    return left
