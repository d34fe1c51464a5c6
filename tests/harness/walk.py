"""What the row unit is told about each token of a walk."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import NamedTuple

from flightvgm_arch.grid import Grid


class Step(NamedTuple):
    """A token, and what it is compared with."""

    token: int
    middle: int
    reference: int
    hold: int
    slot: int


def steps(grid: Grid, size: Mapping[str, int], first: int, count: int) -> list[Step]:
    """Tokens of bands in the order of the hardware."""
    planes, height, columns = grid.extents(**size)
    band = {}
    for plane, row, column in product(range(planes), range(height), range(columns)):
        start = plane // grid.group * grid.group
        members = min(grid.group, planes - start)
        band[grid.place(plane, row, column, **size)] = ((plane, row // grid.chunk[0]), members)
    found: list[Step] = []
    last = None
    for item in grid.order(**size, first=first, count=count):
        place, members = band[item.token]
        slot = found[-1].slot + 1 if place == last else 0
        last = place
        reference = item.token == item.reference
        found.append(
            Step(item.token, int(item.token == item.middle), int(reference), int(reference and members > 1), slot)
        )
    return found
