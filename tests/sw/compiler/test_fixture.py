"""The recording of the original network, dense, on the golden machine."""

import numpy as np
import pytest

from flightvgm.runtime import GoldenDevice
from flightvgm.runtime.fixture import load_fixture, rms_error
from flightvgm.runtime.replay import replay
from flightvgm_arch.presets import PRESETS

BLOCK_BOUND = 0.02


@pytest.fixture(scope="module")
def replayed(request):
    fixture = load_fixture(request.config.rootpath / "tests/fixtures/stdit3_small.safetensors")
    return fixture, replay(fixture, lambda: GoldenDevice(PRESETS["SMALL"]))


def test_every_block_is_close_to_the_original(replayed):
    fixture, found = replayed
    errors = {name: rms_error(found[name], np.asarray(fixture.recorded[name])) for name in fixture.shape.blocks}
    assert max(errors.values()) < BLOCK_BOUND, errors
