"""Site slots: the comparison grid of a site, its thresholds, and the order in which its rows stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import THETA_BITS
from flightvgm_arch.grid import AXES, Grid
from flightvgm_sim.golden.fp import I64
from flightvgm_sim.machine.errors import FaultError, require


@dataclass(frozen=True)
class Site:
    """What SITE describes.

    Parameters
    ----------
    grid : Grid
        Slots, group and chunk.
    t, h, w : int
        Extents of the token set.
    theta_group, theta_chunk : int
        Squared thresholds, 0.16 fixed point.
    macs : int
        MACs of one row in the layers behind the site.
    """

    grid: Grid
    t: int
    h: int
    w: int
    theta_group: int
    theta_chunk: int
    macs: int

    @property
    def tokens(self) -> int:
        """Tokens of the whole set."""
        return self.t * self.h * self.w

    def walk(self, first: int, count: int) -> I64:
        """Tokens of the bands ``first`` to ``first + count``, in the order of the hardware.

        Raises
        ------
        FaultError
            The site does not have these bands.
        """
        bands = self.grid.bands(self.t, self.h, self.w)
        require(
            first + count <= bands,
            f"bands {first} to {first + count - 1} exceed the {bands} of the site; give each segment bands of its own",
        )
        return _walk(self.grid, self.t, self.h, self.w, first, count)


@lru_cache(maxsize=512)
def _walk(grid: Grid, t: int, h: int, w: int, first: int, count: int) -> I64:
    return np.array([item.token for item in grid.order(t=t, h=h, w=w, first=first, count=count)], np.int64)


def site(fields: Mapping[str, int]) -> Site:
    """The site of a SITE instruction's fields.

    Raises
    ------
    FaultError
        The fields describe no grid, an extent is zero, or a threshold does not fit.
    """
    try:
        grid = Grid.from_fields(**{name: fields[name] for name in Grid().fields})
    except ValueError as error:
        raise FaultError(ErrorCode.FIELD_RANGE, str(error)) from None
    t, h, w = (fields[axis] for axis in AXES)
    require(t > 0 and h > 0 and w > 0, f"the extents {t} x {h} x {w} of the site must be positive")
    for name in ("theta_group", "theta_chunk"):
        text = f"{name} {fields[name]} must be below {1 << THETA_BITS}; it is 0.16 fixed point"
        require(fields[name] < 1 << THETA_BITS, text)
    return Site(grid, t, h, w, fields["theta_group"], fields["theta_chunk"], fields["macs"])
