"""Segments of a sparsification site: fixed ranges of bands, each with compacted rows of its own.

The rule looks at the tokens only, never at the machine: a kept row has the same number on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from flightvgm_arch.grid import Grid

SEGMENTS_MOST = 12
SEGMENTS_LEAST = 4
SEGMENT_TOKENS = 640


@dataclass(frozen=True)
class Segments:
    """Segments of a site.

    Attributes
    ----------
    bands : tuple of (int, int)
        First band and number of bands of each segment.
    stride : int
        Rows between the bases of two segments: the tokens of the largest one.
    """

    bands: tuple[tuple[int, int], ...]
    stride: int

    @property
    def rows(self) -> int:
        """Rows of memory that all segments take."""
        return self.stride * len(self.bands)

    @classmethod
    def of(cls, grid: Grid, t: int, h: int, w: int) -> Segments:
        """Cut the bands of a grid evenly: a segment for each 640 tokens, but 4 to 12 where the bands allow."""
        planes, rows, columns = grid.extents(t, h, w)
        height, tops = grid.chunk[0], -(-rows // grid.chunk[0])
        bands = grid.bands(t, h, w)
        count = min(bands, SEGMENTS_MOST, max(SEGMENTS_LEAST, t * h * w // SEGMENT_TOKENS))
        edges = [number * bands // count for number in range(count + 1)]

        def tokens(band: int) -> int:
            group, top = divmod(band, tops)
            members = min(grid.group, planes - group * grid.group)
            return members * min(height, rows - top * height) * columns

        spans = tuple((low, high - low) for low, high in pairwise(edges))
        return cls(spans, max(sum(tokens(band) for band in range(low, low + size)) for low, size in spans))
