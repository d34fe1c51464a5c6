import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.reference.fakequant import QuantisedLinear, all_int8, hybrid, int8_attention, quantise
from flightvgm_sim.reference.hooks import exact_attention, exact_linear


@given(st.integers(0, 2**32), st.floats(1e-3, 1e3))
def test_quantised_values_are_int8_and_half_a_step_off_at_most(seed, size):
    x = np.random.default_rng(seed).standard_normal((3, 7)) * size
    x[1] = 0
    values, scale = quantise(x)
    assert (np.abs(values) <= 127).all()
    np.testing.assert_array_equal(values, np.rint(values))
    assert (np.abs(values * scale - x) <= scale / 2 * (1 + 1e-12)).all()
    assert scale[1] == 0
    assert np.abs(values).max(-1).tolist() == [127, 0, 127]


def test_linear_is_exact_on_int8_operands():
    rng = np.random.default_rng(0)
    x, weight = (rng.integers(-127, 128, size).astype(float) for size in ((5, 8), (6, 8)))
    x[:, 0] = weight[:, 0] = 127
    linear, bias = QuantisedLinear(), rng.standard_normal(6)
    for rows in (x, x[:2]):
        np.testing.assert_allclose(
            linear("a", rows / 4, weight / 8, bias), exact_linear("a", rows / 4, weight / 8, bias), rtol=1e-13
        )


def test_attention_in_int8_is_near():
    rng = np.random.default_rng(1)
    q, k, v = (rng.standard_normal((2, 3, 9, 8)) for _ in range(3))
    error = np.abs(int8_attention("a", q, k, v) - exact_attention("a", q, k, v))
    assert 0 < error.max() < 0.05
    assert not int8_attention("a", q, k[..., :0, :], v[..., :0, :]).any()


def test_hooks_carry_a_site():
    def site(name, x):
        return None

    assert hybrid(site).site is all_int8(site).site is site
    assert hybrid().attention is exact_attention
    assert all_int8().attention is int8_attention
