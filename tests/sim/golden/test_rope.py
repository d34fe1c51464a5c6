import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden.rope import HeadError, rope_table, rotate


def test_position_zero_turns_nothing():
    table = rope_table([0], 72)
    assert (table == np.array([1, 0], np.float32)).all()
    x = np.random.default_rng(0).standard_normal((5, 1, 72)).astype(np.float32)
    assert (rotate(x, table) == x).all()


@given(st.lists(st.integers(-1000, 100000), min_size=0, max_size=4), st.integers(1, 5).map(lambda n: 2 * n),
       st.sampled_from([2.0, 10000.0]))  # fmt: skip
def test_table_is_the_rounded_value(positions, head_dim, theta):
    table = rope_table(positions, head_dim, theta)
    angle = np.array(positions).reshape(-1, 1) * theta ** (-np.arange(0, head_dim, 2) / head_dim)
    assert table.shape == (len(positions), head_dim // 2, 2)
    assert table.dtype == np.float32
    np.testing.assert_allclose(table[..., 0], np.cos(angle), rtol=0, atol=1e-7)
    np.testing.assert_allclose(table[..., 1], np.sin(angle), rtol=0, atol=1e-7)


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_pairs_in_named_steps(rows, pairs, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 3, 2 * pairs)).astype(np.float32)
    table = rng.standard_normal((3, pairs, 2)).astype(np.float32)
    result = rotate(x, table)
    for row, position, pair in np.ndindex(rows, 3, pairs):
        (a, b), (cosine, sine) = x[row, position, 2 * pair : 2 * pair + 2], table[position, pair]
        first = np.float32(np.float32(a * cosine) - np.float32(b * sine))
        second = np.float32(np.float32(b * cosine) + np.float32(a * sine))
        assert result[row, position, 2 * pair : 2 * pair + 2].tolist() == [first, second]


@pytest.mark.parametrize("head_dim", [0, 7])
def test_heads_without_pairs_are_refused(head_dim):
    with pytest.raises(HeadError, match=f"a head of {head_dim} channels has no whole pairs; give an even number"):
        rope_table([0], head_dim)
