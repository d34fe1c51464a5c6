import hashlib
import math

import numpy as np
import pytest

from flightvgm_arch import tables
from flightvgm_sim.golden import functions
from flightvgm_sim.golden.fp import to_fp16


def single(*values):
    return np.array(values, np.float32)


def test_exp2_of_whole_numbers_is_exact():
    assert (functions.exp2(-np.arange(32, dtype=np.float32)) == 2.0 ** -np.arange(32)).all()
    assert functions.exp2(single(0, -0.0, -1e-30)).tolist() == [1, 1, 1]


def test_exp2_ends_at_minus_32():
    assert functions.exp2(single(-32, -33, -3e38, -np.inf)).tolist() == [0, 0, 0, 0]
    assert functions.exp2(np.nextafter(single(-32), single(0)))[0] > 0


def test_exp2_is_monotonic(every_fp16):
    x = np.sort(np.unique(every_fp16[every_fp16 <= 0].astype(np.float32)))
    around = np.concatenate([np.nextafter(-np.arange(0, 8, 2.0**-8, dtype=np.float32), single(s)) for s in (-9, 9)])
    for values in (x, np.sort(np.minimum(around, 0))):
        assert (np.diff(functions.exp2(values)) >= 0).all()


def test_probabilities_are_correctly_rounded_but_for_few(every_fp16):
    x = every_fp16[every_fp16 <= 0]
    right = np.exp2(x.astype(np.float64)).astype(np.float16)
    assert np.count_nonzero(to_fp16(functions.exp2(x.astype(np.float32)))[0] != right) < 40


def test_reciprocal_is_the_rounded_quotient_of_integers():
    significands = [
        1 << 23,
        (1 << 23) + 1,
        3 << 22,
        (1 << 24) - 1,
        *np.random.default_rng(0).integers(1 << 23, 1 << 24, 200),
    ]
    for m in map(int, significands):
        quotient, rest = divmod(1 << 47, m)
        quotient += 2 * rest > m
        assert functions.reciprocal(single(m))[0] == math.ldexp(quotient, -47)
    assert functions.reciprocal(single(2.0**126, 2.0**127)).tolist() == [2.0**-126, 0]


def test_rsqrt_scales_by_powers_of_four():
    powers = np.arange(-126, 127, 2)
    assert (functions.rsqrt(np.ldexp(single(1), powers)) == 2.0 ** (-powers / 2)).all()
    x = np.linspace(1, 4, 1001, dtype=np.float32)[:-1]
    assert (functions.rsqrt(np.ldexp(x, -20)) == np.ldexp(functions.rsqrt(x), 10)).all()
    assert (np.diff(functions.rsqrt(x)) <= 0).all()
    assert functions.rsqrt(np.array(4, np.float32)) == 0.5


@pytest.mark.parametrize(("function", "end"), [(functions.gelu, 8), (functions.silu, 32)])
def test_gates_open_and_close(function, end):
    edge = single(end)
    assert (function(np.concatenate((edge, 2 * edge, single(65504, 3e38, np.inf))))
            == np.concatenate((edge, 2 * edge, single(65504, 3e38, np.inf)))).all()  # fmt: skip
    closed = function(-np.concatenate((edge, 2 * edge, single(65504, 3e38, np.inf))))
    assert (closed == 0).all()
    assert np.signbit(closed).all()
    assert function(single(0, -0.0)).tolist() == [0, 0]
    small = single(2.0**-24, -(2.0**-24), 2.0**-126)
    assert function(small).tolist() == [2.0**-25, -(2.0**-25), 0]


@pytest.mark.parametrize(("function", "end"), [(functions.gelu, 8), (functions.silu, 32)])
def test_gates_of_both_signs_add_to_one(function, end):
    x = np.linspace(2.0**-8, end, 4097, dtype=np.float32)
    positive, negative = function(x).astype(np.float64), function(-x).astype(np.float64)
    assert (np.abs(positive - negative - x) <= 2.0**-23 * x).all()


@pytest.mark.parametrize(
    ("array", "table"),
    [(functions._RSQRT, tables.RSQRT), (functions._GELU, tables.GELU), (functions._SILU, tables.SILU)],
)
def test_arrays_interpolate_as_the_contract_says(array, table):
    arguments = np.random.default_rng(0).integers(0, table.segments << table.place_bits, 500)
    assert array(arguments).tolist() == [table.at(argument) for argument in map(int, arguments)]


def test_exp2_interpolates_as_the_contract_says():
    arguments = np.random.default_rng(0).integers(0, 1 << 22, 500)
    values = functions.exp2(-np.ldexp(arguments.astype(np.float32), -22))
    assert (values * 2**24).tolist() == [tables.EXP2.at(argument) for argument in map(int, arguments)]


def test_table_contents_are_pinned():
    """The gateware holds the same tables: no platform may compute others."""
    contents = [functions._EXP_NODES]
    contents += [c for t in (functions._RSQRT, functions._GELU, functions._SILU) for c in (t.c0, t.c1, t.c2)]
    digest = hashlib.sha256(b"".join(values.astype("<i8").tobytes() for values in contents)).hexdigest()
    assert digest[:16] == "231ce0bd899e40ad"
