"""Distance of each unit from FP64, against the table of docs/reference/error-budgets.md."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import numpy as np
import pytest

from flightvgm_sim import golden
from flightvgm_sim.golden import attention, epilogue, functions, matmul, norm, quantize, residual, rope
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.fp import to_fp16

# Integers and bytes, and single operations that IEEE 754 rounds; `spread` is the variance inside both norms.
EXACT = {
    "fp": {"add", "flush", "from_int", "mul", "sub", "to_fp16"},
    "matmul": {"int8_matmul"},
    "norm": {"spread"},
    "pe": {"fp16_dot", "int8_dot", "int8_feed", "wrap"},
    "quantize": {"correction"},
    "records": {"pack", "pack_tiles", "unpack", "unpack_tiles"},
    "sparsifier": {"alike", "decide"},
}
BUDGET_OF = {"align_float": "align", "fp16_matmul": "matmul", "rotate": "rope", "rope_table": "rope.table"}
EPS = 2.0**-24
FP16_LAST = 2.0**-24  # The last place of subnormals.


def ulps(stored, exact):
    """Distance in units of the last place of FP16."""
    binade = np.floor(np.log2(np.maximum(np.abs(exact), 2.0**-14)))
    return np.abs(stored.astype(np.float64) - exact) / np.exp2(binade - 10)


def rms(error, exact):
    return np.sqrt(np.mean(np.square(error)) / np.mean(np.square(exact)))


def relative(unit, exact):
    return np.abs(unit.astype(np.float64) / exact - 1).max()


def sigmoid(x):
    return 1 / (1 + np.exp(-np.clip(x, -700, 700)))


def gelu(x):
    return x * sigmoid(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


@pytest.fixture(scope="module")
def significands():
    """Every 7th FP32 value of [1, 4)."""
    return np.arange(127 << 23, 129 << 23, 7, dtype=np.int32).view(np.float32)


def test_exp2(budgets, every_fp16):
    rng = np.random.default_rng(0)
    x = np.concatenate([every_fp16[every_fp16 <= 0].astype(np.float32), -32 * rng.random(1 << 18, np.float32)])
    exact = np.exp2(x.astype(np.float64))
    inside = x > -32
    assert relative(functions.exp2(x)[inside], exact[inside]) <= budgets["exp2"]
    assert ulps(to_fp16(functions.exp2(x))[0], exact).max() <= budgets["exp2.store"]


def test_rsqrt_and_reciprocal(budgets, every_fp16, significands):
    for x in (every_fp16[every_fp16 > 0].astype(np.float32), significands):
        wide = x.astype(np.float64)
        assert relative(functions.rsqrt(x), 1 / np.sqrt(wide)) <= budgets["rsqrt"]
        assert relative(functions.reciprocal(x), 1 / wide) <= budgets["reciprocal"]


@pytest.mark.parametrize(("name", "exact"), [("gelu", gelu), ("silu", lambda x: x * sigmoid(x))])
def test_activations(budgets, every_fp16, name, exact):
    x = every_fp16.astype(np.float32)
    truth = exact(x.astype(np.float64))
    value = getattr(functions, name)(x)
    assert relative(value[x > 0], truth[x > 0]) <= budgets[name]
    assert np.abs(value - truth)[x < 0].max() <= budgets[f"{name}.negative"]
    stored, saturated = to_fp16(value)
    assert ulps(stored, truth).max() <= budgets[f"{name}.store"]
    assert saturated == 0


def test_align(budgets, every_fp16):
    for exponent in range(-14, 16):
        largest = np.float16(2.0**exponent)
        smaller = every_fp16[np.abs(every_fp16) <= largest]
        mantissa, unit = align(np.append(smaller, largest))
        value = np.ldexp(mantissa[:-1].astype(np.float64), unit)
        assert np.abs(value - smaller).max() <= budgets["align"] * float(largest)


@pytest.mark.parametrize("k", [72, 1152, 4096])
@pytest.mark.parametrize("outliers", [False, True])
def test_matmul(budgets, k, outliers):
    rng = np.random.default_rng(1)
    a, b = (rng.standard_normal((rows, k)).astype(np.float16) for rows in (16, 24))
    if outliers:
        a[:, ::100] *= np.float16(100)
    exact = a.astype(np.float64) @ b.astype(np.float64).T
    error = matmul.fp16_matmul(a, b) - exact
    assert rms(error, exact) <= budgets["matmul.outliers" if outliers else "matmul"]


@pytest.mark.parametrize("keys", [6, 64, 405, 2048])
def test_attention(budgets, keys):
    rng = np.random.default_rng(2)
    q, k, v = (rng.standard_normal((rows, 72)).astype(np.float16) for rows in (32, keys, keys))
    q *= np.float16(72**-0.5 * np.log2(np.e))
    scores = q.astype(np.float64) @ k.astype(np.float64).T
    weights = np.exp2(scores - scores.max(axis=1, keepdims=True))
    exact = weights @ v.astype(np.float64) / weights.sum(axis=1, keepdims=True)
    result, saturated = attention.attention(q, k, v)
    assert saturated == 0
    assert rms(result - exact, exact) <= budgets["attention"]
    assert np.abs(result - exact).max() <= budgets["attention.peak"] * np.abs(v).max()


@pytest.mark.parametrize("width", [144, 1152])
@pytest.mark.parametrize(("mean", "name"), [(0, "layer_norm"), (1, "layer_norm"), (100, "layer_norm.offset")])
def test_layer_norm(budgets, width, mean, name):
    x = (np.random.default_rng(3).standard_normal((64, width)) + mean).astype(np.float16)
    wide = x.astype(np.float64)
    exact = (wide - wide.mean(axis=1, keepdims=True)) / np.sqrt(wide.var(axis=1, keepdims=True) + 1e-6)
    assert np.abs(norm.layer_norm(x) - exact).max() <= budgets[name]


def test_rms_norm(budgets):
    rng = np.random.default_rng(4)
    x, weight = rng.standard_normal((640, 72)).astype(np.float16), rng.standard_normal(72).astype(np.float32)
    wide = x.astype(np.float64)
    exact = wide / np.sqrt(np.mean(wide**2, axis=1, keepdims=True) + 1e-6) * weight
    nonzero = exact != 0
    assert relative(norm.rms_norm(x, weight)[nonzero], exact[nonzero]) <= budgets["rms_norm"]


def test_rope(budgets):
    angle = np.arange(64)[:, None] * 10000.0 ** (-np.arange(0, 72, 2) / 72)
    table = rope.rope_table(range(64), 72)
    exact = np.stack((np.cos(angle), np.sin(angle)), axis=-1)
    assert np.abs(table - exact).max() <= budgets["rope.table"]
    x = np.random.default_rng(5).standard_normal((64, 72)).astype(np.float32)
    turned = (x[:, 0::2] + 1j * x[:, 1::2].astype(np.float64)) * np.exp(1j * angle)
    result = rope.rotate(x, table).astype(np.float64)
    assert (np.abs(result[:, 0::2] + 1j * result[:, 1::2] - turned) / np.abs(turned)).max() <= budgets["rope"]


def test_quantize(budgets, every_fp16):
    magnitudes = np.abs(every_fp16)
    for largest in np.unique(magnitudes)[1:][:: len(magnitudes) // 2 // 16]:
        v = every_fp16[magnitudes <= largest][None]
        values, scale = quantize.quantize(v)
        error = np.abs(values * scale[:, None].astype(np.float64) - v)
        assert error.max() <= budgets["quantize"] * scale[0]


def test_dequantize(budgets):
    scale = np.random.default_rng(8).random(200, np.float32) * np.float32(2)
    q = np.tile(np.arange(-128, 128, dtype=np.int8), (len(scale), 1))
    exact = q * scale[:, None].astype(np.float64)
    assert (np.abs(quantize.dequantize(q, scale) - exact) <= budgets["dequantize"] * EPS * np.abs(exact)).all()


def test_epilogue(budgets):
    rng = np.random.default_rng(6)
    acc = rng.integers(-(2**27), 2**27, (40, 30)).astype(np.int32)
    row, column, bias = (rng.standard_normal(size).astype(np.float32) * factor
                         for size, factor in ((40, 1e-3), (30, 1e-3), (30, 10.0)))  # fmt: skip
    stored, saturated = epilogue.epilogue(acc, np.abs(row), column, bias, gelu=False)
    product = acc * np.abs(row).astype(np.float64)[:, None] * column
    slack = np.abs(stored - (product + bias)) - budgets["epilogue"] * EPS * (np.abs(product) + np.abs(bias))
    assert saturated == 0
    assert (slack <= np.maximum(np.abs(product + bias) * 2.0**-11, FP16_LAST / 2) * (1 + 4 * EPS)).all()


def test_residual_and_modulate(budgets):
    rng = np.random.default_rng(7)
    x, y = (rng.standard_normal((40, 30)).astype(np.float16) for _ in range(2))
    v, gate, shift = (rng.standard_normal(size).astype(np.float32) for size in ((40, 30), 30, 30))
    product = gate.astype(np.float64) * y
    slack = np.abs(residual.residual(x, y, gate)[0] - (x + product))
    slack -= budgets["residual"] * EPS * (np.abs(x) + np.abs(product))
    assert (slack <= np.maximum(np.abs(x + product) * 2.0**-11, FP16_LAST / 2) * (1 + 4 * EPS)).all()
    product = v * gate.astype(np.float64)
    error = np.abs(residual.modulate(v, gate, shift) - (product + shift))
    assert (error <= budgets["modulate"] * EPS * (np.abs(product) + np.abs(shift))).all()


def test_each_unit_is_exact_or_has_a_budget(budgets):
    names = [item.name for item in pkgutil.iter_modules(golden.__path__)]
    modules = [(name, importlib.import_module(f"{golden.__name__}.{name}")) for name in names]
    for name, module in modules:
        units = {
            key for key, unit in inspect.getmembers(module, inspect.isfunction) if unit.__module__ == module.__name__
        }
        units = {key for key in units if not key.startswith("_")} - EXACT.get(name, set())
        assert {BUDGET_OF.get(key, key) for key in units} <= budgets.keys(), name


def test_each_budget_is_asserted(budgets):
    source = Path(__file__).read_text(encoding="utf-8")
    listed = {f"{name}{suffix}" for name in ("gelu", "silu") for suffix in ("", ".negative", ".store")}
    assert {name for name in budgets if f'"{name}"' not in source} <= listed
    assert len(budgets) == 25
