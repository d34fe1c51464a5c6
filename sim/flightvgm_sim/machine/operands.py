"""The operand buffers A and B: byte arrays that remember how each line was prepared when it was loaded."""

from __future__ import annotations

from enum import IntEnum
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import KEYS_AT_ONCE, bank_line, operand_bytes
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_sim.golden.fp import I64
from flightvgm_sim.machine.buffers import Buffer, Steps, offsets
from flightvgm_sim.machine.errors import require

_LINE = np.dtype(
    [("layout", "u1"), ("heads", "u1"), ("head_dim", "<u2"), ("keys", "<u4"), ("key", "<u4"), ("place", "<u4")]
)


class Layout(IntEnum):
    """What a line of 32 bytes holds."""

    EMPTY = 0
    BYTES = 1
    ROWS = 2
    TRANSPOSED = 3
    WEIGHTS = 4


class Mark(NamedTuple):
    """How rows were prepared: FP16 heads have exponents and corrections of their own.

    Parameters
    ----------
    layout : Layout
        What they are.
    heads, head_dim : int
        Of FP16 operands.
    keys : int
        Rows of a problem that share an exponent for each channel, with layout ``TRANSPOSED``.
    """

    layout: Layout
    heads: int = 0
    head_dim: int = 0
    keys: int = 0


class OperandBuffer(Buffer):
    """Buffer A or B, which knows of each line of 32 bytes what it holds and which part of a row it is.

    The loops over its rows are those over problems and, innermost, that over the rows of a problem.

    Parameters
    ----------
    name : str
        Its letter, for error messages.
    size : int
        Bytes.
    banks : int
        Rows of the array for A, columns for B.
    """

    def __init__(self, name: str, size: int, *, banks: int) -> None:
        super().__init__(name, size)
        self._marks = np.zeros(size // ALIGNMENT, _LINE)
        self._banks = banks

    def extent(self, steps: Steps, layout: Layout) -> int:
        """Bytes that a problem takes."""
        count, pitch = steps[-1]
        unit = KEYS_AT_ONCE if layout is Layout.TRANSPOSED else self._banks
        return operand_bytes(count, pitch, unit, self._banks)

    def check(self, address: int, steps: Steps, size: int) -> None:
        """Refuse problems of ``size`` bytes that do not begin on bank 0 or do not fit.

        Raises
        ------
        FaultError
            An address or a step is misaligned, or the last problem ends beyond the buffer.
        """
        line = bank_line(self._banks)
        for number in (address, *(step for _, step in steps)):
            text = f"the address or step {number:#x} in buffer {self.name} must be a multiple of {line}"
            require(number % line == 0, f"{text}, to begin on bank 0 of {self._banks}", ErrorCode.MISALIGNED)
        end, most = address + sum((count - 1) * step for count, step in steps) + size, self.data.size // line * line
        text = f"the access ends at byte {end} of buffer {self.name}, which has {most} for whole rows of banks"
        require(end <= most, f"{text}; use smaller tiles", ErrorCode.BUFFER_OVERRUN)

    def rows(
        self, address: int, steps: Steps, values: int, dtype: DTypeLike, layout: Layout = Layout.ROWS
    ) -> NDArray[Any]:
        """View of banked rows, as :meth:`view` gives it; see :meth:`check`."""
        self.check(address, steps[:-1], self.extent(steps, layout))
        return self.view(address, steps, values, dtype)

    def mark(self, address: int, steps: Steps, size: int, mark: Mark) -> None:
        """Record how rows of ``size`` bytes were prepared; what lay in the rest of their extent is gone."""
        whole = self.extent(steps, mark.layout)
        self._marks[self._lines(address, steps[:-1], whole)] = np.zeros((), _LINE)
        lines = self._lines(address, steps, size)
        self._marks[lines] = _entries(lines, mark)

    def mark_weights(self, address: int, size: int) -> None:
        """Record that weight tiles lie in ``size`` bytes."""
        lines = self._lines(address, (), size)
        self._marks[lines] = _entries(lines, Mark(Layout.WEIGHTS))

    def demand(self, address: int, steps: Steps, size: int, mark: Mark, what: str) -> None:
        """Refuse rows that were not prepared as wanted; ``what`` names the operand."""
        lines = self._lines(address, steps, size)
        found, wanted = self._marks[lines], _entries(lines, mark)
        if (found == wanted).all():
            return
        first = found[found != wanted][0]
        require(False, f"{what} at {address:#x} of buffer {self.name} {_reason(first, mark)}")

    def _lines(self, address: int, steps: Steps, size: int) -> I64:
        """Numbers of the lines of each row, ``[rows, lines of a row]``; rows begin on lines."""
        first = (address + offsets(steps)) // ALIGNMENT
        lines: I64 = first[:, None] + np.arange(-(-size // ALIGNMENT) if prod(count for count, _ in steps) else 0)
        return lines


def _entries(lines: I64, mark: Mark) -> NDArray[Any]:
    entries = np.zeros(lines.shape, _LINE)
    entries["layout"], entries["heads"], entries["head_dim"], entries["keys"] = mark
    entries["place"] = np.arange(lines.shape[1])
    if mark.keys:
        entries["key"] = (np.arange(len(lines)) % mark.keys)[:, None]
    return entries


def _reason(found: Any, mark: Mark) -> str:
    """Why a line is not what is wanted, and the remedy."""
    layout = Layout(int(found["layout"]))
    if layout is not mark.layout:
        return {
            Layout.EMPTY: "was never loaded; load it first",
            Layout.BYTES: "was loaded as bytes; load it with its heads and head_dim",
            Layout.ROWS: "lies in FP16 rows; load V with flag transposed, and records without heads",
            Layout.TRANSPOSED: "was loaded with flag transposed; load it without",
            Layout.WEIGHTS: "was overwritten by weight tiles; move the ring or wait with a semaphore",
        }[layout]
    if (found["heads"], found["head_dim"]) != (mark.heads, mark.head_dim):
        return (
            f"was prepared for {found['heads']} heads of {found['head_dim']}, not {mark.heads} of {mark.head_dim}; "
            "load it with the heads of the instruction"
        )
    if found["keys"] != mark.keys:
        return f"was prepared for {found['keys']} keys of a problem, not {mark.keys}; load as many as are valid"
    return "does not begin where a row and a problem were loaded; match the addresses and steps"
