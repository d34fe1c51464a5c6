"""Payloads that are structures: where their fields lie, and their values as one number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[str, tuple[int, int]]


def fields(layout: Any, prefix: str = "", base: int = 0) -> dict[str, tuple[int, int]]:
    """Offset and bits of all fields of an Amaranth layout, by their dotted names."""
    found: dict[str, tuple[int, int]] = {}
    for name, item in layout:
        path, offset = f"{prefix}{name}", base + item.offset
        if hasattr(item.shape, "members"):
            found |= fields(item.shape, f"{path}.", offset)
        else:
            found[path] = (offset, item.width)
    return found


def pack(where: Fields, values: Mapping[str, int]) -> int:
    """One number of the values of some fields; the others are zero.

    Raises
    ------
    ValueError
        A value does not fit its field.
    """
    word = 0
    for name, value in values.items():
        offset, bits = where[name]
        if not 0 <= value < 1 << bits:
            raise ValueError(f"{name} is {value}; it has {bits} bits")
        word |= value << offset
    return word


def unpack(where: Fields, word: int) -> dict[str, int]:
    """Values of all fields of a number."""
    return {name: word >> offset & (1 << bits) - 1 for name, (offset, bits) in where.items()}
