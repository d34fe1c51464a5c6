from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden import functions
from flightvgm_sim.golden.attention import attention
from flightvgm_sim.golden.matmul import ShapeError, fp16_matmul


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float16)


@given(st.integers(1, 5), st.integers(1, 30) | st.just(700), st.sampled_from([2, 8, 72]), st.integers(0, 2**32 - 1))
def test_steps(rows, keys, channels, seed):
    q, k, v = normal(seed, rows, channels), normal(seed + 1, keys, channels), normal(seed + 2, keys, channels)
    scores = fp16_matmul(q, k)
    p = functions.exp2(scores - scores.max(axis=1, keepdims=True)).astype(np.float16)
    total = [sum(Fraction(float(value)) for value in row) for row in p]
    inverse = np.float32(1) / np.array([float(value) for value in total]).astype(np.float32)
    expected = (fp16_matmul(p, np.ascontiguousarray(v.T)) * inverse[:, None]).astype(np.float16)
    result, saturated = attention(q, k, v)
    assert (p.max(axis=1) == 1).all()
    assert saturated == 0
    assert (result == expected).all()


def test_problems_side_by_side_are_problems_alone():
    q, k, v = normal(1, 3, 2, 5, 8), normal(2, 3, 2, 7, 8), normal(3, 3, 2, 7, 8)
    whole, _ = attention(q, k, v)
    assert whole.shape == (3, 2, 5, 8)
    for problem in np.ndindex(3, 2):
        assert (attention(q[problem], k[problem], v[problem])[0] == whole[problem]).all()


def test_equal_keys_give_the_mean_and_one_key_gives_its_value():
    v = normal(0, 8, 4)
    result, _ = attention(normal(1, 3, 4), np.ones((8, 4), np.float16), v)
    assert (result == v.astype(np.float64).mean(axis=0).astype(np.float16)).all()
    assert (attention(normal(1, 3, 4), normal(2, 1, 4), v[:1])[0] == v[0]).all()


def test_no_key_gives_zeros():
    result, saturated = attention(normal(0, 2, 3, 4), normal(1, 2, 0, 4), normal(2, 2, 0, 4))
    assert result.shape == (2, 3, 4)
    assert not result.any()
    assert saturated == 0


def test_the_order_of_keys_does_not_matter():
    q, k, v = normal(0, 6, 72), normal(1, 50, 72), normal(2, 50, 72)
    order = np.random.default_rng(3).permutation(50)
    assert (attention(q, k, v)[0] == attention(q, k[order], v[order])[0]).all()


def test_extremes_neither_overflow_nor_saturate():
    most = np.full((4, 72), 65504, np.float16)
    assert (attention(most, most, most)[0] == 65504).all()
    assert (attention(most, -most, -most)[0] == -65504).all()
    mixed = most * np.array([1, -1, 1, -1], np.float16)[:, None]
    assert (attention(most, mixed, mixed)[0] == 65504).all()
    assert not attention(np.zeros_like(most), most, np.zeros_like(most))[0].any()


def test_too_many_keys_are_refused():
    with pytest.raises(ShapeError, match="the inner extent 4097 exceeds 4096"):
        attention(normal(0, 1, 2), normal(1, 4097, 2), normal(2, 4097, 2))
