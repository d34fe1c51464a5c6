"""Sums and disjunctions of many terms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amaranth.hdl import Module, Value

from flightvgm_rtl.lib.pipeline import register

_LEVELS = 2  # Adders between two registers.


def tree_latency(terms: int) -> int:
    """Cycles of :func:`tree`: a register behind every second level of adders, and behind the last one."""
    levels = (terms - 1).bit_length()
    return -(-levels // _LEVELS)


def tree(m: Module, terms: Sequence[Value], name: str) -> Value:
    """Sum of all terms, ``tree_latency(len(terms))`` cycles later; exact, one a cycle.

    Parameters
    ----------
    m : Module
        Where the tree is placed.
    terms : sequence of Value
        Two or more, all signed or all unsigned.
    name : str
        Begins the names of the tree's registers.
    """
    values, level = list(terms), 0
    while len(values) > 1:
        level += 1
        sums = [values[place] + values[place + 1] for place in range(0, len(values) - 1, 2)]
        values = sums + values[2 * len(sums) :]
        if level % _LEVELS == 0 or len(values) == 1:
            values = [register(m, value, f"{name}_{level}_{place}") for place, value in enumerate(values)]
    return values[0]


def either(terms: Iterable[Value]) -> Value:
    """OR of all terms, combinational, as a tree."""
    values = [Value.cast(term) for term in terms]
    while len(values) > 1:
        pairs = [values[place] | values[place + 1] for place in range(0, len(values) - 1, 2)]
        values = pairs + values[2 * len(pairs) :]
    return values[0]
