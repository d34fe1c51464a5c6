import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.golden import pe
from flightvgm_sim.golden.align import align
from flightvgm_sim.golden.fp import from_int
from flightvgm_sim.golden.matmul import ShapeError, fp16_matmul, int8_matmul


def exact_fp16(a, b):
    """Python integers, then one rounding: the sums have up to 56 bits."""
    (x, e), (y, f) = align(a), align(b)
    sums = x.astype(object) @ np.swapaxes(y, -1, -2).astype(object)
    return np.ldexp(from_int(sums.astype(np.int64)), e[..., :, None] + f[..., None, :])


@given(st.integers(0, 9), st.integers(1, 70), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_int8_is_the_sum_of_the_cascade(rows, k, columns, seed):
    rng = np.random.default_rng(seed)
    a, w = rng.integers(-128, 128, (rows, k)).astype(np.int8), rng.integers(-127, 128, (columns, k)).astype(np.int8)
    result = int8_matmul(a, w)
    assert result.dtype == np.int32
    assert (result == pe.int8_dot(a[:, None, :], w[None], 2)).all()


@pytest.mark.parametrize("k", [1, 1023, 1024, 1025, 2304, 8256])
@pytest.mark.parametrize(("low", "high"), [(-128, -128), (-128, 127), (127, 127)])
def test_int8_is_exact_at_the_extremes(k, low, high):
    result = int8_matmul(np.full((3, k), low, np.int8), np.full((2, k), high, np.int8))
    assert (result == low * high * k).all()


@pytest.mark.parametrize("k", [1025, 4096, 8256])
def test_int8_is_exact_where_fp32_would_round(k):
    a, w = np.random.default_rng(k).integers(90, 128, (2, 5, k)).astype(np.int8)
    assert (int8_matmul(a, w) == a.astype(np.int64) @ w.astype(np.int64).T).all()


@given(st.integers(0, 5), st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_fp16_is_the_sum_of_the_cascade(rows, k, columns, seed):
    rng = np.random.default_rng(seed)
    a, b = (
        np.ldexp(rng.standard_normal((n, k)), rng.integers(-20, 12, (n, k))).astype(np.float16) for n in (rows, columns)
    )
    (x, e), (y, f) = align(a), align(b)
    sums = pe.fp16_dot(x[:, None, :], y[None], 4)
    result = fp16_matmul(a, b)
    assert result.dtype == np.float32
    assert (result == np.ldexp(from_int(sums), e[:, None] + f)).all()


@pytest.mark.parametrize("k", [0, 1, 511, 512, 513, 4096])
def test_fp16_rounds_once(k):
    rng = np.random.default_rng(k)
    a, b = rng.standard_normal((2, 3, k)).astype(np.float16), rng.standard_normal((2, 4, k)).astype(np.float16)
    assert (fp16_matmul(a, b) == exact_fp16(a, b)).all()
    assert (fp16_matmul(a, b[0]) == exact_fp16(a, np.stack((b[0], b[0])))).all()


def test_fp16_sees_a_bit_far_below_a_tie():
    """2^53 + 2^29 + 1 rounds up; FP64 would lose the one and round the tie down."""
    large, small = np.full((1, 2048), 2.0**15), 2.0**-6
    a = np.append(large, [[2.0**15, small]], axis=1).astype(np.float16)
    b = np.append(large, [[4.0, small]], axis=1).astype(np.float16)
    assert fp16_matmul(a, b) == (2.0**53 + 2.0**30) * 2.0**-12


@pytest.mark.parametrize("k", [512, 4096])
def test_fp16_is_exact_at_the_extremes(k):
    most = np.full((1, k), 65504, np.float16)
    least = np.full((1, k), 2.0**-24, np.float16)
    for a, b in ((most, most), (most, -most), (least, least), (most, least)):
        turned = b.copy()
        turned[0, -1] *= -1
        assert fp16_matmul(a, turned) == exact_fp16(a, turned)


@pytest.mark.parametrize(
    ("product", "kind", "k", "sentence"),
    [(int8_matmul, np.int8, 8257, "the inner extent 8257 exceeds 8256; split the product"),
     (fp16_matmul, np.float16, 4097, "the inner extent 4097 exceeds 4096; split the product")],
)  # fmt: skip
def test_bad_shapes_are_refused(product, kind, k, sentence):
    with pytest.raises(ShapeError, match=sentence):
        product(np.zeros((1, k), kind), np.zeros((1, k), kind))
    with pytest.raises(ShapeError, match="the inner extents 3 and 4 differ"):
        product(np.zeros((1, 3), kind), np.zeros((1, 4), kind))
