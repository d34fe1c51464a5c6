from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden.quantize import correction, dequantize, quantize

finite = st.floats(width=16, allow_nan=False, allow_infinity=False)


@given(st.lists(finite, min_size=1, max_size=20))
def test_values_are_rounded_quotients(values):
    v = np.array([values], np.float16)
    q, scale = quantize(v)
    exact = [Fraction(float(value)) for value in v[0]]
    largest = max(map(abs, exact))
    assert q[0].tolist() == [round(127 * value / largest) if largest else 0 for value in exact]
    assert scale[0] == np.float32(float(largest / 127))
    assert (q.dtype, scale.dtype) == (np.int8, np.float32)


@pytest.mark.parametrize("largest", [2.0**-24, 3 * 2.0**-24, 2.0**-14, 1.0, 1.271484375, 127.0, 254.0, 65504.0])
def test_every_value_of_a_row(every_fp16, largest):
    """Integers decide: ``2 |127 v - q m| <= m``, and at equality q is even."""
    v = every_fp16[np.abs(every_fp16) <= largest]
    q, _ = quantize(v[None])
    units = (v.astype(np.float64) * 2.0**24).astype(np.int64)
    most = int(largest * 2.0**24)
    distance = 2 * np.abs(127 * units - q[0].astype(np.int64) * most)
    assert (distance <= most).all()
    assert (q[0][distance == most] % 2 == 0).all()


def test_ties_go_to_even():
    v = np.array([[254, 1, 3, 5, -1, -3, 253]], np.float16)
    q, scale = quantize(v)
    assert q.tolist() == [[127, 0, 2, 2, 0, -2, 126]]
    assert scale.tolist() == [2.0]


def test_rows_of_zeros_and_no_rows():
    q, scale = quantize(np.zeros((2, 3), np.float16))
    assert not q.any()
    assert not scale.any()
    assert quantize(np.zeros((0, 3), np.float16))[0].shape == (0, 3)


def test_dequantise_inverts_within_half_a_step():
    v = np.random.default_rng(0).standard_normal((5, 30)).astype(np.float16)
    q, scale = quantize(v)
    assert (np.abs(dequantize(q, scale) - v) <= 0.50001 * scale[:, None]).all()


@given(st.integers(0, 4), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_correction(rows, k, seed):
    q = np.random.default_rng(seed).integers(-128, 128, (rows, k)).astype(np.int8)
    result = correction(q)
    assert result.dtype == np.int32
    for row, got in zip(q.tolist(), result, strict=True):
        padded = [*row, 0]
        assert got == sum(padded[j] * padded[j + 1] for j in range(0, k, 2))


def test_correction_of_extremes():
    assert correction(np.full((1, 8256), -128, np.int8)).tolist() == [4128 * 2**14]
