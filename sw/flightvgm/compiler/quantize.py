"""Weights of a linear layer as INT8 tiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.formats import INT8_MOST
from flightvgm_sim.golden.records import pack_tiles

Array = NDArray[Any]


def quantise_weights(weight: Array) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric INT8 with one scale for each output channel.

    ``scale = fp32(max |w| / 127)`` and ``round(127 w / max |w|)`` to nearest even; a channel of zeros has scale 0.

    Parameters
    ----------
    weight : array ``[out, in]``

    Returns
    -------
    tuple
        Values ``[out, in]`` in [-127, 127] and scales ``[out]``.
    """
    wide = np.asarray(weight, np.float64)
    largest = np.abs(wide).max(axis=1)
    values = np.rint(wide * (INT8_MOST / np.where(largest == 0, 1, largest))[:, None])
    return np.clip(values, -INT8_MOST, INT8_MOST).astype(np.int8), (largest / INT8_MOST).astype(np.float32)


def linear_tiles(
    weight: Array, bias: Array, columns: int, parts: Sequence[int], factor: float = 1.0
) -> NDArray[np.uint8]:
    """Tiles ``[tiles, bytes]`` of a layer, each part beginning with a tile of its own.

    Parameters
    ----------
    weight, bias : arrays ``[out, in]`` and ``[out]``
    columns : int
        PE columns of the array.
    parts : sequence of int
        Output channels of each part, in order.
    factor : float
        Multiplies the results: it goes into the scales and the bias.
    """
    values, scale = quantise_weights(weight)
    scale = (scale.astype(np.float64) * factor).astype(np.float32)
    offset = (np.asarray(bias, np.float64) * factor).astype(np.float32)
    edges = np.cumsum([0, *parts])
    tiles = [pack_tiles(values[low:high], scale[low:high], offset[low:high], columns) for low, high in pairwise(edges)]
    return np.concatenate(tiles)
