import numpy as np
import pytest

from flightvgm_rtl.vector.quantise import Quantise
from flightvgm_rtl.vector.rowscale import POINT, SHIFT_BITS, multiplier, scale
from harness.run import run_bench

SIGNIFICANDS = np.arange(1024, 2048, dtype=np.int64)
HALF = POINT + SHIFT_BITS - 1


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_quantise(lanes):
    run_bench(Quantise(lanes=lanes), "rtl.vector.bench_quantise", lanes=lanes)


def by_product(value, maximum, shift):
    """The rule of QuantiseLane, for a significand and the normalised one of the maximum."""
    product = (value << shift) * np.array([multiplier(int(one)) for one in maximum.ravel()]).reshape(maximum.shape)
    above = (product & (1 << HALF) - 1) >> min(11 + shift, 11 + SHIFT_BITS) != 0
    whole = product >> HALF + 1
    return whole + ((product >> HALF & 1) & (above | (whole & 1 == 1)))


def by_quotient(value, maximum, shift):
    numerator, denominator = 127 * (value << shift), maximum << SHIFT_BITS
    whole = numerator // denominator
    twice = 2 * (numerator - whole * denominator)
    return whole + ((twice > denominator) | ((twice == denominator) & (whole & 1 == 1)))


@pytest.mark.parametrize("shift", range(SHIFT_BITS + 1))
def test_the_product_rounds_as_the_quotient(shift):
    """All significands of maximum and value, at each distance of their exponents."""
    values, maxima = np.arange(2048, dtype=np.int64)[None, :], SIGNIFICANDS[:, None]
    possible = values << shift <= maxima << SHIFT_BITS
    assert possible.sum() >= 1 << 20
    assert (by_product(values, maxima, shift) == by_quotient(values, maxima, shift))[possible].all()


@pytest.mark.parametrize("zeros", range(1, 11))
def test_the_product_rounds_as_the_quotient_of_subnormals(zeros):
    """A subnormal maximum is normalised, so values beside it are shifted further."""
    maxima = np.arange(1 << 10 - zeros, 1 << 11 - zeros, dtype=np.int64)[:, None]
    values = np.arange(1 << 11 - zeros, dtype=np.int64)[None, :]
    possible = values <= maxima
    found = by_product(values, maxima << zeros, SHIFT_BITS + zeros)
    assert (found == by_quotient(values, maxima << zeros, SHIFT_BITS + zeros))[possible].all()


def test_scales_are_rounded_once():
    words = np.array([scale(int(one)) for one in SIGNIFICANDS])
    exact = (SIGNIFICANDS.astype(np.float32) / np.float32(127)).view(np.int32)
    assert (words + (130 << 23) == exact).all()
