import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from flightvgm_arch.formats import ALIGNED_BITS
from flightvgm_sim.golden.align import align

rows = arrays.arrays(np.uint16, arrays.array_shapes(min_dims=1, max_dims=3, max_side=9)).map(
    lambda bits: np.where(bits & 0x7C00 == 0x7C00, bits & 0x83FF, bits).astype(np.uint16).view(np.float16)
)


def align_by_bits(row):
    """Align one row as the hardware does, on the fields of the format."""
    fields = [(int(b) >> 15, int(b) >> 10 & 31, int(b) & 1023) for b in row.view(np.uint16)]
    largest = max(max(exponent, 1) for _, exponent, _ in fields)
    mantissas = []
    for sign, exponent, fraction in fields:
        significand = fraction | (1024 if exponent else 0)
        magnitude = significand << ALIGNED_BITS - 12 >> largest - max(exponent, 1)
        mantissas.append(-magnitude if sign else magnitude)
    return mantissas, largest - 25 - (ALIGNED_BITS - 12)


@given(rows, st.data())
def test_fields_give_the_same_integers(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    mantissa, exponent = align(x, axis)
    assert mantissa.dtype == exponent.dtype == np.int32
    last = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis])
    for row, integers, unit in zip(
        last, np.moveaxis(mantissa, axis, -1).reshape(last.shape), exponent.ravel(), strict=True
    ):
        assert (integers.tolist(), unit) == align_by_bits(row)


@pytest.mark.parametrize(
    ("row", "mantissas", "exponent"),
    [
        ([0.0, -0.0], [0, 0], -35),
        ([2.0**-24, -(2.0**-24)], [1 << 11, -(1 << 11)], -35),
        ([65504.0, -65504.0], [0x7FF << 11, -(0x7FF << 11)], -6),
        ([1.0, 2.0**-21, 2.0**-22, -(2.0**-22)], [1 << 21, 1, 0, 0], -21),
        ([1.0, -1.5 * 2.0**-21], [1 << 21, -1], -21),
    ],
)
def test_edges(row, mantissas, exponent):
    got = align(np.array(row, np.float16))
    assert (got[0].tolist(), int(got[1])) == (mantissas, exponent)


def test_integers_fit_and_most_rows_lose_nothing(every_fp16):
    pairs = np.stack((every_fp16, np.full_like(every_fp16, 1.0)), axis=1)
    mantissa, exponent = align(pairs)
    assert np.abs(mantissa).max() < 1 << ALIGNED_BITS - 1
    value = np.ldexp(mantissa[:, 0].astype(np.float64), exponent)
    near = np.abs(every_fp16) >= 2.0**-11
    assert (value == every_fp16)[near].all()


def test_a_row_of_no_values_is_a_row_of_zeros():
    mantissa, exponent = align(np.zeros((2, 0), np.float16))
    assert mantissa.shape == (2, 0)
    assert exponent.tolist() == [-35, -35]
