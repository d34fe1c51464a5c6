"""The buffers of a core: byte arrays that refuse accesses beyond their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.formats import PARAMETER_END
from flightvgm_arch.isa import ALIGNMENT
from flightvgm_sim.golden.fp import F16, F32, I64, U8
from flightvgm_sim.machine.errors import FaultError

Steps = Sequence[tuple[int, int]]
"""Count and bytes of each loop over rows, outermost first."""


def aligned(text: str, *numbers: int) -> None:
    """Refuse addresses and pitches that are not multiples of 32; ``text`` names them."""
    for number in numbers:
        if number % ALIGNMENT:
            message = f"{text} {number:#x} must be a multiple of {ALIGNMENT}; round addresses and pitches up"
            raise FaultError(ErrorCode.MISALIGNED, message)


def finite(text: str, *arrays: F16 | F32) -> None:
    """Refuse infinities and NaN, and FP32 values with which a result could overflow; ``text`` names the operands."""
    for array in arrays:
        if array.dtype == np.float16:
            good, what = np.isfinite(array), "an infinity or NaN"
        else:
            good, what = np.abs(array) < PARAMETER_END, "an infinity, NaN or magnitude of 2^48 or more"
        if not good.all():
            raise FaultError(ErrorCode.FIELD_RANGE, f"{text} holds {what}; refuse such values before they enter")


def offsets(steps: Steps) -> I64:
    """Byte offset of each row that the loops visit, in their order."""
    total = np.zeros(1, np.int64)
    for count, step in steps:
        total = (total[:, None] + np.arange(count, dtype=np.int64) * step).reshape(-1)
    return total


class Buffer:
    """On-chip memory of ``size`` bytes.

    Parameters
    ----------
    name : str
        Its letter, for error messages.
    size : int
        Bytes.
    """

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.data: U8 = np.zeros(size, np.uint8)

    def view(self, address: int, steps: Steps, values: int, dtype: DTypeLike) -> NDArray[Any]:
        """View of rows of ``values`` values as an array ``[*counts, values]``; the counts are at least one.

        Raises
        ------
        FaultError
            The address is misaligned or the last row ends beyond the buffer.
        """
        aligned(f"the address in buffer {self.name}", address)
        kind = np.dtype(dtype)
        end = address + sum((count - 1) * step for count, step in steps) + values * kind.itemsize
        if end > self.data.size:
            text = f"the access ends at byte {end} of buffer {self.name}, which has {self.data.size}; use smaller tiles"
            raise FaultError(ErrorCode.BUFFER_OVERRUN, text)
        shape = (*(count for count, _ in steps), values)
        return np.ndarray(shape, kind, self.data, address, (*(step for _, step in steps), kind.itemsize))
