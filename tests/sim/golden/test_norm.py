from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_arch.formats import ROW_CHANNELS_MOST
from flightvgm_sim.golden import functions, norm
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.fp import from_int

MOST = (1 << 22) - 1


def rounded(integer):
    """Nearest even of 24 bits, in Python integers."""
    shift = max(0, integer.bit_length() - 24)
    return float(round(Fraction(integer, 1 << shift)) << shift)


@given(
    st.lists(st.integers(-MOST, MOST) | st.sampled_from([MOST, -MOST, 0]), min_size=1, max_size=40), st.integers(1, 200)
)
def test_spread_rounds_the_exact_difference_once(values, copies):
    total, squares = sum(values) * copies, sum(value * value for value in values) * copies
    count = len(values) * copies
    exact = count * squares - total * total
    assert norm.spread(np.array([total]), np.array([squares]), count)[0] == rounded(exact)


@pytest.mark.parametrize("low", range(16))
def test_spread_at_ties(low):
    """Half of the widest row at each end, so that all 70 bits are used; small changes reach the sticky bits."""
    count = ROW_CHANNELS_MOST
    total, squares = low, MOST * MOST * (count - 2) + 2 * (MOST - low) ** 2
    exact = count * squares - total * total
    assert exact.bit_length() == 70
    assert norm.spread(np.array([total]), np.array([squares]), count)[0] == rounded(exact)


@given(st.integers(1, 6), st.integers(1, 50), st.integers(-14, 10), st.integers(0, 2**32 - 1))
def test_layer_norm_in_named_steps(rows, width, scale, seed):
    x = np.ldexp(np.random.default_rng(seed).standard_normal((rows, width)) + 0.5, scale).astype(np.float16)
    mantissa, exponent = align(x)
    share = functions.reciprocal(np.array([width], np.float32))[0]
    result = norm.layer_norm(x)
    for row, integers, unit, got in zip(x, mantissa.tolist(), exponent.tolist(), result, strict=True):
        total, squares = sum(integers), sum(m * m for m in integers)
        mean = np.float32(float(np.float32(total / width)) * 2.0**unit)
        spread = np.float32(np.float32(np.float32(rounded(width * squares - total**2)) * share) * share)
        variance = np.float32(float(spread) * 4.0**unit)
        factor = functions.rsqrt(np.array([variance + np.float32(1e-6)], np.float32))[0]
        assert ((row.astype(np.float32) - mean) * factor == got).all()


def test_equal_values_become_zeros():
    for value in (0.0, 1.0, -65504.0, 2.0**-24, 0.1):
        for width in (1, 7, 144, 8192):
            assert not norm.layer_norm(np.full((1, width), value, np.float16)).any()


def test_rows_do_not_depend_on_their_company():
    x = np.random.default_rng(0).standard_normal((9, 24)).astype(np.float16)
    x[3] *= np.float16(1000)
    whole = norm.layer_norm(x)
    assert all((norm.layer_norm(x[i : i + 1]) == whole[i]).all() for i in range(9))
    assert (norm.layer_norm(x[:, ::-1]) == whole[:, ::-1]).all()
    assert norm.layer_norm(x[:0]).shape == (0, 24)


@given(st.integers(1, 6), st.integers(1, 50), st.integers(-14, 10), st.integers(0, 2**32 - 1))
def test_rms_norm_in_named_steps(heads, width, scale, seed):
    rng = np.random.default_rng(seed)
    x = np.ldexp(rng.standard_normal((2, heads, width)), scale).astype(np.float16)
    weight = rng.standard_normal(width).astype(np.float32)
    mantissa, exponent = align(x)
    squares = from_int((mantissa.astype(np.int64) ** 2).sum(axis=-1))
    mean = squares * functions.reciprocal(np.array([width], np.float32)) * np.ldexp(np.float32(1), 2 * exponent)
    factor = functions.rsqrt(mean + np.float32(1e-6))[..., None]
    assert (norm.rms_norm(x, weight) == x.astype(np.float32) * factor * weight).all()


def test_a_row_of_zeros_stays_zero():
    assert not norm.rms_norm(np.zeros((2, 3, 72), np.float16), np.ones(72, np.float32)).any()


def test_extremes_stay_finite():
    x = np.full((1, 8192), 65504, np.float16)
    x[0, ::2] = -65504
    assert (np.abs(norm.layer_norm(x)) == 1).all()
    assert (np.abs(norm.rms_norm(x, np.ones(8192, np.float32))) == 1).all()


@pytest.mark.parametrize("width", [0, 8193])
def test_bad_widths_are_refused(width):
    with pytest.raises(norm.WidthError, match=f"a row of {width} channels cannot be normalised; give 1 to 8192"):
        norm.layer_norm(np.zeros((1, width), np.float16))
    with pytest.raises(norm.WidthError):
        norm.rms_norm(np.zeros((1, width), np.float16), np.ones(width, np.float32))
