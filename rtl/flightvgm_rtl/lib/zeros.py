"""Leading zeros of a word."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value


def leading_zeros(m: Module, value: Value, name: str) -> Signal:
    """Zeros above the highest one of ``value``, combinational.

    Those of a zero are its width rounded up to a power of two, less one. A tree of halves: four levels of LUTs for 64
    bits.

    Parameters
    ----------
    m : Module
        Where the tree is placed.
    value : Value
        Any unsigned word of at least two bits.
    name : str
        Begins the names of the tree's signals.
    """
    depth = (len(value) - 1).bit_length()
    padded = Cat(Const(0, (1 << depth) - len(value)), value)
    nodes: list[tuple[Value, Value]] = [(bit, Const(0, 0)) for bit in padded]
    for level in range(depth):
        pairs = []
        for place in range(0, len(nodes), 2):
            (low, low_zeros), (high, high_zeros) = nodes[place], nodes[place + 1]
            some = Signal(name=f"{name}_some_{level}_{place // 2}")
            zeros = Signal(level + 1, name=f"{name}_{level}_{place // 2}")
            m.d.comb += [some.eq(low | high), zeros.eq(Cat(Mux(high, high_zeros, low_zeros), ~high))]
            pairs.append((some, zeros))
        nodes = pairs
    result = nodes[0][1]
    assert isinstance(result, Signal)
    return result
