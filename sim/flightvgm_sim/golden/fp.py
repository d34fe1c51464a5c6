"""FP32 and FP16 arithmetic of the machine.

An FP32 operation is the IEEE 754 operation, rounded to nearest even, whose result is then flushed: a subnormal becomes
a zero of the same sign. Operands are finite and normal or zero. A result beyond FP32 becomes an infinity, which a store
in FP16 saturates; a store in FP16 rounds to nearest even and keeps subnormals.

NumPy's operations on ``float32`` are the IEEE operations, hence these functions need no emulation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.formats import FP16_MOST

F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I8 = NDArray[np.int8]
I16 = NDArray[np.int16]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]
U8 = NDArray[np.uint8]

_NORMAL_LEAST = np.float32(2.0**-126)
_FP16_OVERFLOW = np.float32(65520.0)  # The least magnitude that nearest even would carry beyond 65,504.
_FP16_MOST = np.float32(FP16_MOST)


def flush(x: F32) -> F32:
    """``x`` with each subnormal replaced by a zero of its sign."""
    tiny = np.abs(x) < _NORMAL_LEAST
    if not tiny.any():
        return x
    return np.where(tiny, np.copysign(np.float32(0), x), x)


def add(a: F32, b: F32) -> F32:
    """``fp32(a + b)``."""
    with np.errstate(over="ignore"):
        return flush(np.add(a, b, dtype=np.float32))


def sub(a: F32, b: F32) -> F32:
    """``fp32(a - b)``."""
    with np.errstate(over="ignore"):
        return flush(np.subtract(a, b, dtype=np.float32))


def mul(a: F32, b: F32) -> F32:
    """``fp32(a b)``."""
    with np.errstate(over="ignore", under="ignore"):
        return flush(np.multiply(a, b, dtype=np.float32))


def from_int(i: I32 | I64) -> F32:
    """``fp32(i)`` of integers, in one rounding."""
    return np.asarray(i).astype(np.float32)


def to_fp16(x: F32) -> tuple[F16, int]:
    """Store in FP16: ``fp16(x)`` and the number of values that saturated at 65,504.

    A value saturates if nearest even carries it to 65,536 or beyond, that is from a magnitude of 65,520.
    """
    saturated = int(np.count_nonzero(np.abs(x) >= _FP16_OVERFLOW))
    return np.clip(x, -_FP16_MOST, _FP16_MOST).astype(np.float16), saturated
