"""INT8 records and weight tiles as bytes; the layouts are those of ``docs/explanation/machine.md``."""

from __future__ import annotations

import numpy as np

from flightvgm_arch.formats import COLUMN_BYTES, METADATA_BYTES, TILE_VALUES, record_pitch, round_up, tile_bytes
from flightvgm_sim.golden.fp import F32, I8, I32, U8
from flightvgm_sim.golden.quantize import correction as fip_correction

_METADATA = np.dtype([("scale", "<f4"), ("correction", "<i4")])
_COLUMN = np.dtype([("scale", "<f4"), ("bias", "<f4"), ("correction", "<i4"), ("zero", "<i4")])


class LayoutError(ValueError):
    """Bytes or arrays that do not fit the layout; the message names the extent."""


def pack(q: I8, scale: F32, correction: I32) -> U8:
    """Pack rows into records: values, zeros, and in the last 8 bytes scale and correction.

    Parameters
    ----------
    q : array ``[M, K]`` of INT8
    scale, correction : arrays of M FP32 and M INT32

    Returns
    -------
    array ``[M, pitch]`` of bytes
    """
    count, k = q.shape
    records = np.zeros((count, record_pitch(k)), np.uint8)
    records[:, :k] = q.view(np.uint8)
    metadata = np.empty(count, _METADATA)
    metadata["scale"], metadata["correction"] = scale, correction
    records[:, -METADATA_BYTES:] = metadata.view(np.uint8).reshape(count, METADATA_BYTES)
    return records


def unpack(records: U8, k: int) -> tuple[I8, F32, I32]:
    """Return values ``[M, k]``, scales and corrections of records ``[M, pitch]``; the inverse of :func:`pack`.

    Raises
    ------
    LayoutError
        The pitch is not that of ``k`` values.
    """
    if records.shape[1] != record_pitch(k):
        raise LayoutError(
            f"a record of {k} values has {record_pitch(k)} bytes, not {records.shape[1]}; give the K that was packed"
        )
    metadata = np.ascontiguousarray(records[:, -METADATA_BYTES:]).view(_METADATA)[:, 0]
    return np.ascontiguousarray(records[:, :k]).view(np.int8), metadata["scale"].copy(), metadata["correction"].copy()


def pack_tiles(w: I8, scale: F32, bias: F32, columns: int) -> U8:
    """Pack weights into tiles of ``columns`` output channels, and compute each channel's correction.

    A tile holds 16 values of each of its channels, then the next 16, as the array takes them. Absent channels and
    values beyond K are zero.

    Parameters
    ----------
    w : array ``[N, K]`` of INT8
        Values in [-127, 127].
    scale, bias : arrays of N FP32
    columns : int
        PE columns of the array.

    Returns
    -------
    array ``[tiles, tile_bytes]`` of bytes
    """
    channels, k = w.shape
    count = -(-channels // columns)
    groups = round_up(k, TILE_VALUES) // TILE_VALUES
    weights = np.zeros((count * columns, groups * TILE_VALUES), np.uint8)
    weights[:channels, :k] = w.view(np.uint8)
    streams = weights.reshape(count, columns, groups, TILE_VALUES).swapaxes(1, 2)
    metadata = np.zeros(count * columns, _COLUMN)
    metadata["scale"][:channels], metadata["bias"][:channels] = scale, bias
    metadata["correction"][:channels] = fip_correction(w)
    tiles = np.zeros((count, tile_bytes(columns, k)), np.uint8)
    body = columns * groups * TILE_VALUES
    tiles[:, :body] = streams.reshape(count, body)
    tiles[:, body : body + columns * COLUMN_BYTES] = metadata.view(np.uint8).reshape(count, columns * COLUMN_BYTES)
    return tiles


def unpack_tiles(tiles: U8, columns: int, k: int) -> tuple[I8, F32, F32, I32]:
    """Return weights ``[tiles columns, k]``, scales, biases and corrections of tiles.

    The inverse of :func:`pack_tiles`. Absent channels stay as zeros.

    Raises
    ------
    LayoutError
        The tiles have another size.
    """
    size = tile_bytes(columns, k)
    if tiles.shape[1] != size:
        raise LayoutError(
            f"a tile of {columns} x {k} has {size} bytes, not {tiles.shape[1]}; give the shape that was packed"
        )
    groups = round_up(k, TILE_VALUES) // TILE_VALUES
    body = columns * groups * TILE_VALUES
    streams = tiles[:, :body].reshape(-1, groups, columns, TILE_VALUES).swapaxes(1, 2)
    weights = np.ascontiguousarray(streams.reshape(-1, groups * TILE_VALUES)[:, :k]).view(np.int8)
    metadata = np.ascontiguousarray(tiles[:, body : body + columns * COLUMN_BYTES]).view(_COLUMN).reshape(-1)
    return weights, metadata["scale"].copy(), metadata["bias"].copy(), metadata["correction"].copy()
