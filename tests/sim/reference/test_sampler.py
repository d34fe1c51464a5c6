import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flightvgm_sim.reference.sampler import noise, open_sora_shift, sample, timesteps
from flightvgm_sim.reference.shape import ModelError

CLEAN = np.random.default_rng(3).uniform(-1, 1, (3, 2, 4, 4))


def point_mass(prediction):
    """The exact network of data that is always ``CLEAN``."""

    def denoiser(z, timestep):
        x = CLEAN if prediction == "sample" else (CLEAN - z) / (timestep / 1000)
        return x, x

    return denoiser


@pytest.mark.parametrize("prediction", ["velocity", "sample"])
@given(steps=st.integers(1, 12), shift=st.floats(0.25, 8), guidance=st.floats(0, 9))
def test_one_video_is_reached_exactly_in_any_number_of_steps(prediction, steps, shift, guidance):
    z = noise(0, CLEAN.shape)
    kept = z.copy()
    out = sample(point_mass(prediction), z, steps=steps, guidance=guidance, shift=shift, prediction=prediction)
    np.testing.assert_allclose(out, CLEAN, atol=1e-12)
    np.testing.assert_array_equal(z, kept)


def test_gaussian_data_are_reached_with_an_error_of_first_order():
    """For data of deviation s the flow multiplies the noise by s."""
    deviation, z = 0.5, noise(1, (1, 400))

    def denoiser(z, timestep):
        t = timestep / 1000
        clean = z * (1 - t) * deviation**2 / ((1 - t) ** 2 * deviation**2 + t**2)
        return clean, clean

    errors = [
        np.abs(sample(denoiser, z, steps=n, guidance=1, prediction="sample") - deviation * z).max() for n in (50, 100)
    ]
    assert errors[1] < 0.03
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)


def test_guidance_weighs_the_branches_and_spare_channels_are_ignored():
    calls, done = [], []

    def denoiser(z, timestep):
        calls.append(timestep)
        wide = np.zeros((5, *z.shape[1:]))
        return wide + 1, wide + 0.25

    z = noise(2, CLEAN.shape)
    out = sample(denoiser, z, steps=4, guidance=3, progress=lambda i, n: done.append((i, n)))
    np.testing.assert_allclose(out - z, 0.25 + 3 * 0.75)
    assert calls == [1000, 750, 500, 250]
    assert done == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_precision_and_batches_are_kept():
    z = np.stack([noise(seed, CLEAN.shape) for seed in (1, 2)]).astype(np.float32)
    out = sample(lambda z, _t: (-z, -z), z, steps=2, guidance=1, channel_axis=1)
    assert out.dtype == np.float32
    assert out.shape == z.shape


def test_timesteps_are_shifted_as_in_open_sora():
    np.testing.assert_allclose(timesteps(4, 3.0), [1000, 900, 750, 500])
    assert open_sora_shift(512, 512, 1) == 1
    assert open_sora_shift(256, 256, 51) == pytest.approx(0.5 * 15**0.5)


def test_noise_is_that_of_its_seed():
    np.testing.assert_array_equal(noise(7, (2, 3)), noise(7, (2, 3)))
    assert (noise(7, (2, 3)) != noise(8, (2, 3))).all()
    assert noise(7, (2,)).dtype == np.float64


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 0}, "steps 0"),
        ({"shift": 0.0}, "shift 0.0"),
        ({"shift": float("nan")}, "shift nan"),
        ({"prediction": "noise"}, "prediction is 'noise'; it must be velocity or sample"),
    ],
)
def test_bad_arguments_are_refused(change, sentence):
    arguments = {"steps": 2, "guidance": 1.0} | change
    with pytest.raises(ModelError, match=sentence):
        sample(point_mass("velocity"), noise(0, CLEAN.shape), **arguments)


def test_a_prediction_of_another_shape_is_refused():
    with pytest.raises(ModelError, match="the network predicts"):
        sample(lambda z, _t: (z[:, :1], z[:, :1]), noise(0, CLEAN.shape), steps=1, guidance=1)
