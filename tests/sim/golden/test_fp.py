from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden import fp

NORMAL = np.float32(2.0**-126)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False).map(np.float32)


def nearest(value: Fraction) -> np.float32:
    """Round to FP32 by exact arithmetic: nearest even, then flush."""
    if value == 0:
        return np.float32(0)
    exponent = max(value.numerator.bit_length() - value.denominator.bit_length() - 25, -149)
    units = abs(value) / Fraction(2) ** exponent
    while units >= 1 << 24:
        units, exponent = units / 2, exponent + 1
    magnitude = Fraction(round(units)) * Fraction(2) ** exponent
    if magnitude >= 1 << 128:
        return np.float32(np.inf if value > 0 else -np.inf)
    result = np.float32(float(magnitude)) * (1 if value > 0 else -1)
    return result if abs(result) >= NORMAL else np.float32(0)


@given(floats, floats)
def test_operations_are_nearest_even_of_exact_results(a, b):
    x, y = np.array([a]), np.array([b])
    for operation, exact in ((fp.add, Fraction(float(a)) + Fraction(float(b))),
                             (fp.sub, Fraction(float(a)) - Fraction(float(b))),
                             (fp.mul, Fraction(float(a)) * Fraction(float(b)))):  # fmt: skip
        assert operation(x, y)[0] == nearest(exact)


def test_subnormals_become_zeros_of_their_sign():
    x = np.array([1e-39, -1e-39, NORMAL, -NORMAL, 0.0, -0.0, np.nextafter(NORMAL, np.float32(0))], np.float32)
    assert np.signbit(fp.flush(x)).tolist() == np.signbit(x).tolist()
    assert fp.flush(x).tolist() == [0, 0, NORMAL, -NORMAL, 0, 0, 0]
    assert fp.mul(NORMAL[None], np.array([-0.5], np.float32)).tobytes() == np.array([-0.0], np.float32).tobytes()
    assert fp.sub(np.array([1.5], np.float32) * NORMAL, NORMAL[None]) == 0
    assert x[0] != 0


def test_overflow_is_an_infinity_without_a_warning():
    most = np.array([np.finfo(np.float32).max])
    assert np.isposinf(fp.add(most, most))
    assert np.isneginf(fp.sub(-most, most))
    assert np.isposinf(fp.mul(most, most))


@pytest.mark.parametrize(
    ("integer", "value"),
    [(0, 0), (-1, -1), (2**24 + 1, 2**24), (2**24 + 3, 2**24 + 4), (2**31 - 1, 2**31), (-(2**31), -(2**31)),
     (2**54 + 2**30 + 1, 2**54 + 2**31), (2**54 + 2**30, 2**54), (2**62 - 1, 2**62)],
)  # fmt: skip
def test_integers_round_once(integer, value):
    assert int(fp.from_int(np.array([integer]))[0]) == value
    assert fp.from_int(np.array([integer])).dtype == np.float32


def test_store_in_fp16():
    x = np.array([65504, 65519.996, 65520, -65520, np.inf, 2.0**-24, 2.0**-25, 1.5 * 2.0**-24, 1 + 2.0**-11, -0.0],
                 np.float32)  # fmt: skip
    stored, saturated = fp.to_fp16(x)
    assert saturated == 3
    assert stored.tolist() == [65504, 65504, 65504, -65504, 65504, 2.0**-24, 0, 2.0**-23, 1, 0]
    assert np.signbit(stored[-1])


def test_store_keeps_every_fp16_value(every_fp16):
    stored, saturated = fp.to_fp16(every_fp16.astype(np.float32))
    assert saturated == 0
    assert stored.tobytes() == every_fp16.tobytes()
