"""The comparison grid of a sparsification site: which token is compared with which.

A grid names three slots, ``group / row / column``. Each slot is a product of token axes, slowest first; each of the
axes ``t``, ``h`` and ``w`` appears once over the three slots, and ``-`` is an empty slot of extent one:

* ``t / h / w``: chunks inside a frame, groups of frames;
* ``- / t / hw``: the frames of one position, no group;
* ``- / h / tw``: a grid of h rows and t w columns, in which a chunk may straddle two frames.

The group slot is cut into groups of ``group`` planes, rows and columns into chunks of ``chunk``; what remains at an
end is a smaller group or chunk with a middle of its own, ``floor(n / 2)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

AXES = ("t", "h", "w")


@dataclass(frozen=True)
class Grid:
    """How the tokens of a site are laid out for comparison.

    Parameters
    ----------
    slots : str
        ``group / row / column`` as in the module's text.
    group : int
        Planes of the group slot that share one reference plane; 1 compares inside planes only.
    chunk : tuple of int
        Rows and columns that share one reference token.

    Raises
    ------
    ValueError
        A slot, an extent or an axis is malformed.
    """

    slots: str = "t / h / w"
    group: int = 1
    chunk: tuple[int, int] = (2, 2)

    def __post_init__(self) -> None:
        parts = self.slots.split("/")
        letters = sorted("".join(parts).replace("-", "").replace(" ", ""))
        if len(parts) != 3 or letters != sorted(AXES):
            raise ValueError(f"grid '{self.slots}' must be three slots 'group / row / column' that use t, h, w once")
        if not 1 <= self.group <= 63 or len(self.chunk) != 2 or not all(1 <= side <= 15 for side in self.chunk):
            raise ValueError(f"group {self.group} must be 1 to 63 and chunk {self.chunk} two numbers from 1 to 15")

    @property
    def axes(self) -> tuple[str, str, str]:
        """Letters of each slot, slowest first; empty for ``-``."""
        group, row, column = (part.strip().replace("-", "") for part in self.slots.split("/"))
        return group, row, column

    @property
    def fields(self) -> dict[str, int]:
        """Fields of the instruction SITE: the axes' permutation, how slots split it, group and chunk."""
        group, row, column = self.axes
        order = sum(AXES.index(axis) << 2 * place for place, axis in enumerate(group + row + column))
        split = len(group) | len(row) << 2
        height, width = self.chunk
        return {"order": order, "split": split, "group": self.group, "chunk_rows": height, "chunk_columns": width}

    @classmethod
    def from_fields(cls, *, order: int, split: int, group: int, chunk_rows: int, chunk_columns: int) -> Grid:
        """Invert :attr:`fields`.

        Raises
        ------
        ValueError
            The fields do not describe a grid.
        """
        places = [order >> shift & 3 for shift in (0, 2, 4)]
        first, second = split & 3, split >> 2
        if sorted(places) != [0, 1, 2] or first + second > len(AXES):
            raise ValueError(
                f"order {order:#b} and split {split:#b} must name each of the axes t, h and w once, in three slots"
            )
        letters = "".join(AXES[place] for place in places)
        slots = (letters[:first], letters[first : first + second], letters[first + second :])
        return cls(" / ".join(slot or "-" for slot in slots), group, (chunk_rows, chunk_columns))

    def extents(self, t: int, h: int, w: int) -> tuple[int, int, int]:
        """Planes, rows and columns of the grid of a ``t x h x w`` token set."""
        size = {"t": t, "h": h, "w": w}
        planes, rows, columns = (prod(size[axis] for axis in letters) for letters in self.axes)
        return planes, rows, columns

    def place(self, plane: int, row: int, column: int, *, t: int, h: int, w: int) -> int:
        """Token number, frame major ``(t, h, w)``, of a place of the grid."""
        size = {"t": t, "h": h, "w": w}
        stride = {"t": h * w, "h": w, "w": 1}
        token = 0
        for letters, rest in zip(self.axes, (plane, row, column), strict=True):
            index = rest
            for axis in reversed(letters):
                token += stride[axis] * (index % size[axis])
                index //= size[axis]
        return token

    def bands(self, t: int, h: int, w: int) -> int:
        """Bands of the whole grid: groups of planes times rows of chunks; a segment is a range of bands."""
        planes, rows, _ = self.extents(t, h, w)
        return -(-planes // self.group) * -(-rows // self.chunk[0])

    def reference_tokens(self, t: int, h: int, w: int) -> int:
        """Tokens of a reference plane that wait on chip for the other planes of their band; none without a group."""
        planes, rows, columns = self.extents(t, h, w)
        return min(self.chunk[0], rows) * columns if min(self.group, planes) > 1 else 0

    def order(self, *, t: int, h: int, w: int, first: int = 0, count: int | None = None) -> Iterator[Comparison]:
        """Comparisons in the order of the hardware.

        Group by group; in a group row of chunks by row of chunks (a *band*), so that only the reference plane's rows
        of one band wait on chip; in a band the reference plane first; in a plane chunk by chunk, its middle first.

        Parameters
        ----------
        first, count : int
            The range of bands; all of them when ``count`` is ``None``.
        """
        planes, rows, columns = self.extents(t, h, w)
        size = {"t": t, "h": h, "w": w}
        groups, tops = range(0, planes, self.group), range(0, rows, self.chunk[0])
        bands = list(product(groups, tops))[first : None if count is None else first + count]
        for start, top in bands:
            members = range(start, min(start + self.group, planes))
            reference = start + len(members) // 2
            high = min(self.chunk[0], rows - top)
            for plane in (reference, *(p for p in members if p != reference)):
                for left in range(0, columns, self.chunk[1]):
                    wide = min(self.chunk[1], columns - left)
                    middle = (top + high // 2, left + wide // 2)
                    cells = list(product(range(top, top + high), range(left, left + wide)))
                    for r, c in (middle, *(cell for cell in cells if cell != middle)):
                        yield Comparison(
                            token=self.place(plane, r, c, **size),
                            middle=self.place(plane, *middle, **size),
                            reference=self.place(reference, r, c, **size),
                        )


@dataclass(frozen=True)
class Comparison:
    """A token, its chunk's middle token and the same place in the group's reference plane."""

    token: int
    middle: int
    reference: int
