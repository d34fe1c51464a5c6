import numpy as np
import pytest

from flightvgm_sim.reference.metrics import psnr, relative_error, ssim
from flightvgm_sim.reference.shape import ModelError

RNG = np.random.default_rng(0)
VIDEO = RNG.uniform(0, 1, (2, 13, 17, 3))


def slow_ssim(a, b):
    """One window at a time."""
    places = np.arange(11) - 5
    window = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for t in range(a.shape[0]):
        for c in range(a.shape[3]):
            for i in range(a.shape[1] - 10):
                for j in range(a.shape[2] - 10):
                    p, q = (v[t, i : i + 11, j : j + 11, c] for v in (a, b))
                    mp, mq = (window * p).sum(), (window * q).sum()
                    vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                    cov = (window * (p - mp) * (q - mq)).sum()
                    values.append((2 * mp * mq + 1e-4) * (2 * cov + 9e-4) / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4)))
    return np.mean(values)


def test_psnr():
    assert psnr(VIDEO, VIDEO) == np.inf
    assert psnr(VIDEO + 0.1, VIDEO) == pytest.approx(20)
    assert psnr(2 * VIDEO + 0.2, 2 * VIDEO, peak=2) == pytest.approx(20)
    assert psnr(VIDEO.astype(np.float32), VIDEO) > 120


def test_ssim():
    other = np.clip(VIDEO + RNG.normal(0, 0.1, VIDEO.shape), 0, 1)
    assert ssim(VIDEO, VIDEO) == pytest.approx(1)
    assert ssim(VIDEO, other) == pytest.approx(slow_ssim(VIDEO, other), rel=1e-9)
    assert ssim(2 * VIDEO, 2 * other, peak=2) == pytest.approx(ssim(VIDEO, other))
    assert ssim(VIDEO, 1 - VIDEO) < 0


def test_relative_error():
    assert relative_error(np.array([1.0, 2.5]), np.array([1.0, 2.0])) == 0.25
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.ones(2), np.zeros(2)) == np.inf


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ModelError, match="cannot be compared"):
        psnr(VIDEO, VIDEO[:1])
    with pytest.raises(ModelError, match="too small; SSIM needs 11"):
        ssim(VIDEO[:, :10], VIDEO[:, :10])
    with pytest.raises(ModelError, match="not empty"):
        relative_error(np.zeros(0), np.zeros(0))
