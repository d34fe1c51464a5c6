import numpy as np
import pytest

from flightvgm_sim.reference.layers import gelu, layer_norm, rms_norm, rotate, silu, softmax


def test_gelu_is_the_one_by_hyperbolic_tangent():
    x = np.array([-1e4, -1.0, 0.0, 1.0])
    exact = [0, -0.15880800939172324, 0, 0.8411919906082768]
    np.testing.assert_allclose(gelu(x), exact, rtol=1e-12, atol=1e-15)


def test_silu_neither_overflows_nor_underflows():
    np.testing.assert_allclose(silu(np.array([-1e4, -1.0, 0.0, 1e4])), [0, -1 / (1 + np.e), 0, 1e4], rtol=1e-15)


def test_norms_carry_the_epsilon():
    assert layer_norm(np.zeros((2, 4))).tolist() == np.zeros((2, 4)).tolist()
    np.testing.assert_allclose(layer_norm(np.array([[-1e-3, 1e-3]])), [[-(0.5**0.5), 0.5**0.5]])
    np.testing.assert_allclose(rms_norm(np.array([[1e-3, 1e-3]]), np.array([1.0, 2.0])), [[0.5**0.5, 2**0.5]])


def test_rotation_keeps_pairs_together_and_their_length():
    x = np.arange(8.0).reshape(2, 4)
    angles = np.array([[0.0, 0.0], [np.pi / 2, np.pi]])
    out = rotate(x, np.cos(angles), np.sin(angles))
    np.testing.assert_allclose(out, [[0, 1, 2, 3], [-5, 4, -6, -7]], atol=1e-14)


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_softmax_sums_to_one(size):
    out = softmax(size * np.random.default_rng(0).standard_normal((3, 5)))
    np.testing.assert_allclose(out.sum(-1), 1)
    assert (out >= 0).all()
