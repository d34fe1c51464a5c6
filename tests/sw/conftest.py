from typing import ClassVar

import numpy as np
import pytest

from flightvgm.gateware import Gateware
from flightvgm.models import CheckpointConfig, save_checkpoint
from flightvgm.runtime.golden import GoldenDevice
from flightvgm.world.grammar import WORDS
from flightvgm_arch.operations import QUEUES
from flightvgm_sim.reference.shape import ModelShape
from harness.model_chip import ModelChip


def random_weights(shape, seed=0):
    """Weights that keep activations of order one, and every branch of a block alive."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, extents in shape.tensors().items():
        spread = 0.3 if len(extents) == 1 else float(np.prod(extents[1:])) ** -0.5
        weights[name] = (spread * rng.standard_normal(extents)).astype(np.float32)
        if name.endswith("norm.weight"):
            weights[name] += 1
    weights["rope.freqs"] = (10000.0 ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim)).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def tiny_config():
    shape = ModelShape(
        hidden_size=32, depth=1, num_heads=2, caption_channels=8, model_max_length=16, in_channels=6, out_channels=3,
        patch=(1, 4, 4), position_scale=1.0, vocabulary=len(WORDS),
    )  # fmt: skip
    return CheckpointConfig(
        shape=shape, frames=3, size=16, prediction="sample", shift=4.0, steps=2, guidance=3.0, recipe="dense", fps=8.0,
        words=WORDS,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny_config, tmp_path_factory):
    """Path of a checkpoint of random weights, small enough for any test."""
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    save_checkpoint(path, tiny_config, random_weights(tiny_config.shape))
    return path


class FakeChip(GoldenDevice):
    """The golden machine with the counters of a simulated chip: ten cycles a run, five of them in each queue."""

    made = 0
    options: ClassVar[dict] = {}  # Of the last one.

    def __init__(self, config, verilog, *, verify=False, waveform=None, progress=None):
        super().__init__(config)
        type(self).made += 1
        type(self).options = {"verilog": verilog, "verify": verify, "waveform": waveform}
        self.runs = 0
        progress(1.0)

    def wait(self, progress=None):
        super().wait(progress)
        self.runs += 1

    def counters(self):
        busy = dict.fromkeys((f"busy_{queue}" for queue in QUEUES), 5 * self.runs)
        return {**super().counters(), "cycles": 10 * self.runs, **busy}


@pytest.fixture
def fake_chip(monkeypatch):
    """A chip that needs neither Verilog nor a compiler, in the place of the simulated one."""
    monkeypatch.setattr("flightvgm.gateware.emit", lambda config, vendor=False: Gateware("text", {}))
    monkeypatch.setattr("flightvgm.runtime.simulated.verilator_root", lambda: None)
    monkeypatch.setattr("flightvgm.runtime.simulated.CosimDevice", FakeChip)
    monkeypatch.setattr(FakeChip, "made", 0)
    return FakeChip


@pytest.fixture
def model_chip(monkeypatch):
    """The model of a chip, for devices that verify; Verilog and compiler are not needed."""
    monkeypatch.setattr("flightvgm.gateware.emit", lambda config, vendor=False: Gateware("text", {}))
    monkeypatch.setattr("flightvgm.runtime.simulated.verilator_root", lambda: None)
    monkeypatch.setattr("flightvgm.runtime.cosim.build", lambda verilog, **options: None)
    monkeypatch.setattr("flightvgm.runtime.cosim.Chip", ModelChip)
    for name, value in (("flips", []), ("made", []), ("skips", None)):
        monkeypatch.setattr(ModelChip, name, value)
    return ModelChip
