import sys

import numpy as np
import pytest

from flightvgm.models import CheckpointError, load_checkpoint

torch = pytest.importorskip("torch")


def test_a_training_becomes_a_checkpoint(tmp_path, monkeypatch):
    from flightvgm.training import export
    from flightvgm.training.model import STDiT3
    from flightvgm.training.train import RECIPES

    model = STDiT3(RECIPES["pocket"].shape)
    torch.save({"average": model.state_dict()}, tmp_path / "pocket.pt")
    out = tmp_path / "pocket.safetensors"
    monkeypatch.setattr(
        sys, "argv", ["export", str(tmp_path / "pocket.pt"), "--name", "pocket", "--out", str(out), "--steps", "7"]
    )
    export.main()
    loaded = load_checkpoint(out)
    assert (loaded.config.steps, loaded.config.frames, loaded.config.recipe) == (7, 6, "pocket")
    assert loaded.config.shape.position_scale == 1.0
    expected = model.state_dict()["spatial_blocks.0.attn.qkv.weight"].numpy()
    np.testing.assert_allclose(loaded.weights["spatial_blocks.0.attn.qkv.weight"], expected, atol=1e-3)


@pytest.mark.parametrize("content", [None, b"", b"no training"])
def test_what_is_no_training_is_refused(tmp_path, content):
    from flightvgm.training import export

    if content is not None:
        (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="no file of a training"):
        export.averaged(tmp_path / "a.pt")
