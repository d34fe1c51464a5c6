"""What passes between walk, row unit, comparison and recovery."""

from __future__ import annotations

from amaranth.lib import data

from flightvgm_arch.operations import EXTENT_BITS
from flightvgm_rtl.lib.vector import Vector

TOKEN_BITS = EXTENT_BITS
SLOT_BITS = 15  # Rows of 32 bytes in the largest reference memory.

Info = data.StructLayout({"middle": 1, "reference": 1, "hold": 1, "slot": SLOT_BITS})
"""What a token is compared with; all zero in a linear walk.

``middle``: it is the middle of its chunk, and is not compared with one. ``reference``: it lies in the reference plane
of its group, and is not compared with that. ``hold``: it lies in the reference plane, and the group has other planes,
which will be compared with it. ``slot``: its number in the walk of its plane in the band, that of the same place in the
other planes.
"""
Token = data.StructLayout({"token": TOKEN_BITS, "last": 1, "info": Info})
"""A token of a walk; ``last`` marks the last one of an instruction."""
QuantisedRow = data.StructLayout({"token": TOKEN_BITS, "last": 1, "scale": 32, "correction": 32})
"""What belongs to a quantised row; comes with or behind the last of its groups. ``last`` marks the last row of an
instruction."""


def quantised_group(lanes: int) -> data.StructLayout:
    """Layout of ``lanes`` INT8 values of a quantised row, the first in the lowest bits.

    ``first`` and ``last`` mark the first and the last group of a row; a row of ``width`` values has ``ceil(width /
    lanes)`` groups, and its values behind ``width`` are zero. ``info`` is that of the row's token, the same in all of
    its groups.
    """
    return data.StructLayout({"values": Vector(8, lanes), "first": 1, "last": 1, "info": Info})


Verdict = data.StructLayout({"keep": 1, "number": TOKEN_BITS, "row": QuantisedRow})
"""A row and its decision: the number of the kept row that stands for it, counted from the instruction's first one.

A row that is kept has its own number.
"""
