"""Number formats and the layouts of rows, records and tiles in memory.

Sources: ``docs/explanation/machine.md`` for the layouts; the alignment of FP16 operands follows the fast inner product
of Winograd (1968) as used on DSP58 slices.
"""

from __future__ import annotations

from flightvgm_arch.isa import ALIGNMENT

INT8_MOST = 127  # Weights and activations lie in [-127, 127].
FP16_MOST = 65504.0
ALIGNED_BITS = 23  # Two's complement width of an aligned FP16 operand.
FP16_K_MOST = 4096  # Inner extent up to which aligned sums are exact in 58 bits.
INT8_K_MOST = 8256  # Inner extent up to which INT8 sums are exact modulo 2^28.
ROW_CHANNELS_MOST = 8192  # Channels of a row whose sums of squares stay exact: 57 bits aligned, 27 bits in INT8.
PARAMETER_END = 2.0**48  # FP32 values from memory lie below it in magnitude, so that no FP32 result overflows.
TILE_VALUES = 16  # Values of a channel that lie together in a weight tile, before those of the next channel.
KEYS_AT_ONCE = 16  # Keys of a channel of V that lie in a word of B; a problem takes room for whole words.
HEAD_CHANNELS_STEP, HEAD_CHANNELS_LEAST = 8, 16  # Channels of a head that is transformed, or not alone in its row.
METADATA_BYTES = 8  # FP32 scale and INT32 correction at the end of a record.
COLUMN_BYTES = 16  # FP32 scale, FP32 bias, INT32 correction and a zero for each channel of a weight tile.
NORM_EPSILON = 1e-6
THETA_BITS = 16


def round_up(value: int, unit: int) -> int:
    """Smallest multiple of ``unit`` that is at least ``value``."""
    return -(-value // unit) * unit


def fp16_pitch(k: int) -> int:
    """Bytes between rows of ``k`` FP16 values."""
    return round_up(2 * k, ALIGNMENT)


def record_pitch(k: int) -> int:
    """Bytes between INT8 records of ``k`` values."""
    return round_up(k + METADATA_BYTES, ALIGNMENT)


def reference_bytes(tokens: int, channels: int) -> int:
    """Bytes on chip of the INT8 rows of ``tokens`` of a reference plane."""
    return tokens * round_up(channels, ALIGNMENT)


def bank_line(banks: int) -> int:
    """Bytes of 32 in each of ``banks``: what addresses of operands and steps between problems are multiples of."""
    return ALIGNMENT * banks


def operand_bytes(rows: int, pitch: int, unit: int, banks: int) -> int:
    """Bytes of a banked buffer that a problem's ``rows`` take, which the array reads ``unit`` at a time.

    Parameters
    ----------
    rows, pitch : int
        Rows and bytes between them.
    unit : int
        The banks, as row number i lies in bank ``i mod banks``; for V, whose channels are banked,
        :data:`KEYS_AT_ONCE`.
    banks : int
        Rows of the array for A, columns for B.
    """
    return round_up(round_up(rows, unit) * pitch, bank_line(banks))


def transposed_pitch(channels: int, banks: int) -> int:
    """Least bytes between keys of V with ``channels`` FP16 channels, which go round the banks."""
    return fp16_pitch(round_up(channels, banks))


def tile_bytes(columns: int, k: int) -> int:
    """Bytes of a weight tile of ``columns`` channels of ``k`` values."""
    return round_up(columns * (round_up(k, TILE_VALUES) + COLUMN_BYTES), ALIGNMENT)


def theta_squared(cosine: float) -> int:
    """Squared cosine threshold in 0.16 fixed point, rounded down and at most ``2^16 - 1``.

    Raises
    ------
    ValueError
        The threshold is not in [0, 1].
    """
    if not 0.0 <= cosine <= 1.0:
        raise ValueError(f"the cosine threshold {cosine} must lie between 0 and 1")
    return min(int(cosine * cosine * (1 << THETA_BITS)), (1 << THETA_BITS) - 1)
