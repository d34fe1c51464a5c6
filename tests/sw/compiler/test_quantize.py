import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from flightvgm.compiler.quantize import linear_tiles, quantise_weights
from flightvgm_sim.golden.records import unpack_tiles

WEIGHTS = arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(-1e3, 1e3, width=32, allow_subnormal=False),
)


@given(WEIGHTS)
def test_weights_are_within_half_a_step(weights):
    values, scale = quantise_weights(weights)
    assert np.abs(values.astype(int)).max() <= 127
    assert (np.abs(values * np.float64(scale)[:, None] - weights) <= 0.501 * np.float64(scale)[:, None]).all()
    assert (values[scale == 0] == 0).all()


@given(WEIGHTS, st.integers(1, 5))
def test_each_part_begins_with_a_tile(weights, columns):
    out, k = weights.shape
    parts = [out - out // 2, out // 2] if out > 1 else [out]
    tiles = linear_tiles(weights, np.arange(out), columns, parts, factor=2.0)
    found, scale, bias, _ = unpack_tiles(tiles, columns, k)
    values, plain = quantise_weights(weights)
    place = 0
    for low, count in zip(np.cumsum([0, *parts]), parts, strict=False):
        assert np.array_equal(found[place : place + count], values[low : low + count])
        assert np.array_equal(scale[place : place + count], 2 * plain[low : low + count])
        assert np.array_equal(bias[place : place + count], 2 * np.arange(low, low + count))
        place += -(-count // columns) * columns
    assert place == len(found)
