import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import ALIGNED_BITS, FP16_K_MOST, INT8_K_MOST
from flightvgm_sim.golden import pe

MOST = (1 << ALIGNED_BITS - 1) - 1
depths = st.sampled_from(pe.DEPTHS)
corners = st.sampled_from([-128, -127, -1, 0, 1, 126, 127])


@given(depths, st.data())
def test_a_feed_of_extremes_is_cut_apart(depth, data):
    """Values at the ends of the range fill every part of P."""
    x = np.array(data.draw(st.lists(corners, min_size=4 * depth, max_size=4 * depth)), np.int64)
    y = np.maximum(data.draw(st.lists(corners, min_size=4 * depth, max_size=4 * depth)), -127)
    fast = sum((x[j] + y[j + 1]) * (x[j + 1] + y[j]) for j in range(0, 4 * depth, 2))
    assert pe.int8_feed(x.astype(np.int8), y.astype(np.int8)) == fast


@pytest.mark.parametrize("depth", pe.DEPTHS)
def test_every_corner_of_a_slice_is_cut_apart(depth):
    """All slices of the cascade at one corner of the range: every part of P is as large as it gets."""
    corner = np.stack(np.meshgrid(*[[-128, -127, 127]] * 4, *[[-127, 127]] * 4), axis=-1).reshape(-1, 8)
    x, y = np.tile(corner[:, :4], depth), np.tile(corner[:, 4:], depth)
    fast = (x[:, 0::2] + y[:, 1::2]) * (x[:, 1::2] + y[:, 0::2])
    assert (pe.int8_feed(x.astype(np.int8), y.astype(np.int8)) == fast.sum(axis=1)).all()


@given(depths, st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_int8_is_the_inner_product(depth, k, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-128, 128, (3, k)).astype(np.int8), rng.integers(-127, 128, (3, k)).astype(np.int8)
    assert (pe.int8_dot(x, y, depth) == (x.astype(np.int64) * y).sum(axis=1)).all()


@pytest.mark.parametrize("depth", pe.DEPTHS)
@pytest.mark.parametrize(("low", "high"), [(-128, -127), (-128, 127), (127, 127), (127, -127), (0, 0)])
def test_int8_at_the_longest_inner_extent(depth, low, high):
    x, y = np.full(INT8_K_MOST, low, np.int8), np.full(INT8_K_MOST, high, np.int8)
    assert pe.int8_dot(x, y, depth) == low * high * INT8_K_MOST


@given(depths, st.integers(1, 100), st.integers(0, 2**32 - 1))
def test_fp16_is_the_inner_product(depth, k, seed):
    x, y = np.random.default_rng(seed).integers(-MOST, MOST + 1, (2, 3, k))
    assert (pe.fp16_dot(x, y, depth) == (x * y).sum(axis=1)).all()


@pytest.mark.parametrize("depth", pe.DEPTHS)
@pytest.mark.parametrize("sign", [1, -1])
def test_fp16_at_the_longest_inner_extent(depth, sign):
    x = np.full(FP16_K_MOST, MOST, np.int64)
    assert pe.fp16_dot(x, sign * x, depth) == sign * MOST * MOST * FP16_K_MOST


def test_both_most_negative_exceed_the_format():
    """Why weights stay in [-127, 127]: the sum -256 has no room in its field."""
    x = np.full(4, -128, np.int8)
    with pytest.raises(pe.CascadeError, match="a value at port A exceeds 27 bits"):
        pe.int8_feed(x, x)


def test_wide_operands_and_odd_depths_are_refused():
    wide = np.full(2, 1 << 23, np.int64)
    with pytest.raises(pe.CascadeError, match="a value at port B exceeds 24 bits"):
        pe.fp16_dot(wide, wide, 1)
    with pytest.raises(pe.CascadeError, match="a cascade of 3 slices has no known residues"):
        pe.int8_dot(np.zeros(12, np.int8), np.zeros(12, np.int8), 3)
