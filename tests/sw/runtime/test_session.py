from dataclasses import replace

import numpy as np
import pytest

from flightvgm.compiler import ProgramError
from flightvgm.models import load_checkpoint, save_checkpoint
from flightvgm.pipeline import Pipeline
from flightvgm.runtime import GoldenDevice, Session
from flightvgm_arch.presets import SMALL, TINY

NARROW = replace(SMALL, name="NARROW", b_bytes=4096)  # Keys and values of a frame fill more than half of B.


def result(path, config, *, order_seed=None):
    program = Pipeline.from_pretrained(path, preset=config).compile()
    session = Session(GoldenDevice(config, order_seed=order_seed), program)
    rng = np.random.default_rng(0)
    network = program.network
    session.prompt(
        rng.standard_normal((2, 5, network.width)), 0.3 * rng.standard_normal((1, network.layers, 6, network.width))
    )
    return session.step(rng.standard_normal((network.tokens, network.width)), 0)


@pytest.mark.parametrize("order_seed", [None, 1, 2])
def test_keys_that_fill_their_buffer_change_nothing(tiny_checkpoint, tiny_config, tmp_path, order_seed):
    path = tmp_path / "wide.safetensors"
    save_checkpoint(path, replace(tiny_config, size=24), load_checkpoint(tiny_checkpoint).weights)
    np.testing.assert_array_equal(result(path, NARROW, order_seed=order_seed), result(path, SMALL))


def test_two_sessions_share_a_device(tiny_checkpoint):
    program = Pipeline.from_pretrained(tiny_checkpoint).compile()
    device = GoldenDevice(SMALL)
    first, second = Session(device, program), Session(device, program)
    assert second.base >= first.base + program.size
    rng = np.random.default_rng(0)
    texts, tokens = rng.standard_normal((2, 3, 32)), rng.standard_normal((program.network.tokens, 32))
    outputs = []
    for session in (first, second):
        session.prompt(texts, np.zeros((1, 2, 6, 32)))
        outputs.append(session.step(tokens, 0))
    np.testing.assert_array_equal(*outputs)


def test_the_program_of_another_machine_is_refused(tiny_checkpoint):
    program = Pipeline.from_pretrained(tiny_checkpoint).compile()
    with pytest.raises(ProgramError, match="compiled for machine 'SMALL'"):
        Session(GoldenDevice(TINY), program)


def test_progress_runs_from_nothing_to_all_in_each_step(tiny_checkpoint):
    program = Pipeline.from_pretrained(tiny_checkpoint).compile()
    session = Session(GoldenDevice(SMALL), program)
    session.prompt(np.zeros((2, 1, 32)), np.zeros((2, 2, 6, 32)))
    for step in range(2):
        seen = []
        session.step(np.zeros((program.network.tokens, 32)), step, seen.append)
        assert seen == sorted(seen)
        assert 0 < seen[0] < 1
        assert seen[-1] <= 1
    assert session.ledger().total.offered == 2 * program.network.linear_macs + 2 * 2 * 2 * 32 * 32  # And the text's.
