import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import record_pitch, tile_bytes
from flightvgm_sim.golden.quantize import correction
from flightvgm_sim.golden.records import LayoutError, pack, pack_tiles, unpack, unpack_tiles


def random_rows(seed, rows, k):
    rng = np.random.default_rng(seed)
    q = rng.integers(-127, 128, (rows, k)).astype(np.int8)
    return q, rng.standard_normal(rows).astype(np.float32), rng.standard_normal(rows).astype(np.float32)


@given(st.integers(0, 5), st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_records(rows, k, seed):
    q, scale, _ = random_rows(seed, rows, k)
    records = pack(q, scale, correction(q))
    assert records.shape == (rows, record_pitch(k))
    for record, values, factor, owed in zip(records, q, scale, correction(q), strict=True):
        zeros = bytes(record_pitch(k) - k - 8)
        assert record.tobytes() == values.tobytes() + zeros + struct.pack("<fi", factor, owed)
    assert all((a == b).all() for a, b in zip(unpack(records, k), (q, scale, correction(q)), strict=True))


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_tiles(channels, k, columns, seed):
    w, scale, bias = random_rows(seed, channels, k)
    tiles = pack_tiles(w, scale, bias, columns)
    assert tiles.shape == (-(-channels // columns), tile_bytes(columns, k))
    for number, tile in enumerate(tiles):
        rows = [number * columns + column for column in range(columns)]
        padded = [(w[row].tobytes() if row < channels else b"").ljust(k + 15, b"\0") for row in rows]
        body = b"".join(row[low : low + 16] for low in range(0, k, 16) for row in padded)
        owed = correction(w)
        body += b"".join(struct.pack("<ffii", scale[row], bias[row], owed[row], 0) if row < channels else bytes(16)
                         for row in rows)  # fmt: skip
        assert tile.tobytes() == body.ljust(tile_bytes(columns, k), b"\0")
    got = unpack_tiles(tiles, columns, k)
    assert all((a[:channels] == b).all() for a, b in zip(got, (w, scale, bias, correction(w)), strict=True))
    assert not any(a[channels:].any() for a in got)


def test_slices_of_a_larger_memory_unpack():
    q, scale, _ = random_rows(0, 4, 10)
    memory = np.zeros((8, record_pitch(10)), np.uint8)
    memory[::2] = pack(q, scale, correction(q))
    assert (unpack(memory[::2], 10)[0] == q).all()
    assert (unpack(np.asfortranarray(memory[::2]), 10)[1] == scale).all()


def test_wrong_sizes_are_refused():
    with pytest.raises(LayoutError, match="a record of 30 values has 64 bytes, not 32; give the K that was packed"):
        unpack(np.zeros((1, 32), np.uint8), 30)
    with pytest.raises(LayoutError, match="a tile of 4 x 30 has 192 bytes, not 32; give the shape that was packed"):
        unpack_tiles(np.zeros((1, 32), np.uint8), 4, 30)
