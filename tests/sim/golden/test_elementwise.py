"""Epilogue, residual and modulation: the order of roundings, saturation and flushes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden import functions
from flightvgm_sim.golden.epilogue import epilogue
from flightvgm_sim.golden.residual import modulate, residual

seeds = st.integers(0, 2**32 - 1)


def operands(seed, rows, columns):
    rng = np.random.default_rng(seed)
    acc = rng.integers(-(2**31), 2**31, (rows, columns)).astype(np.int32)
    scales = [np.ldexp(rng.standard_normal(size), -15).astype(np.float32) for size in (rows, columns)]
    return acc, *scales, rng.standard_normal(columns).astype(np.float32)


@given(st.integers(0, 5), st.integers(1, 5), st.booleans(), seeds)
def test_epilogue_in_named_steps(rows, columns, gelu, seed):
    acc, row, column, bias = operands(seed, rows, columns)
    result, saturated = epilogue(acc, row, column, bias, gelu=gelu)
    assert result.shape == acc.shape
    assert saturated == 0
    for m, n in np.ndindex(acc.shape):
        value = np.float32(np.float32(np.float32(acc[m, n]) * row[m]) * column[n]) + bias[n]
        if gelu:
            value = functions.gelu(np.array([value], np.float32))[0]
        assert result[m, n] == np.float16(value)


def test_epilogue_saturates_and_counts():
    acc = np.array([[2**31 - 1, -(2**31), 65504, 0]], np.int32)
    ones = np.ones(4, np.float32)
    assert epilogue(acc, ones[:1], ones, 0 * ones, gelu=False)[0].tolist() == [[65504, -65504, 65504, 0]]
    assert epilogue(acc, ones[:1], ones, 0 * ones, gelu=False)[1] == 2
    stored, saturated = epilogue(acc, ones[:1], ones * np.float32(3e38), ones, gelu=True)
    assert stored.tolist() == [[65504, 0, 65504, np.float16(functions.gelu(ones)[0])]]
    assert saturated == 2


def test_subnormal_parameters_count_as_zero():
    tiny = np.full(1, 1e-40, np.float32)
    acc = np.full((1, 1), 2**30, np.int32)
    most = np.full(1, 1e38, np.float32)
    assert epilogue(acc, tiny, most, tiny, gelu=False)[0] == 0
    assert modulate(most, tiny, tiny) == 0
    assert residual(np.zeros(1, np.float16), np.full(1, 65504, np.float16), tiny)[0] == 0


@given(st.integers(0, 5), st.integers(1, 5), seeds)
def test_residual_and_modulate_in_named_steps(rows, columns, seed):
    rng = np.random.default_rng(seed)
    x, y = (rng.standard_normal((rows, columns)).astype(np.float16) for _ in range(2))
    v, gate, shift = (rng.standard_normal(size).astype(np.float32) for size in ((rows, columns), columns, columns))
    wide = x.astype(np.float32), y.astype(np.float32)
    assert (residual(x, y, gate)[0] == (wide[0] + gate * wide[1]).astype(np.float16)).all()
    assert (residual(x, y, None)[0] == (wide[0] + wide[1]).astype(np.float16)).all()
    assert (modulate(v, gate, shift) == v * gate + shift).all()


def test_residual_saturates_and_counts():
    x = np.array([65504, -65504, 65504, 1], np.float16)
    stored, saturated = residual(x, x, None)
    assert (stored.tolist(), saturated) == ([65504, -65504, 65504, 2], 3)
    stored, saturated = residual(x, x, np.full(4, 3e38, np.float32))
    assert (stored.tolist(), saturated) == ([65504, -65504, 65504, 65504], 4)
    assert residual(x, x, np.full(4, -1, np.float32))[0].tolist() == [0, 0, 0, 0]
