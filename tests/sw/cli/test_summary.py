import numpy as np
import pytest

from flightvgm.cli.summary import summary
from flightvgm.pipeline import PipelineOutput
from flightvgm.runtime.ledger import Ledger


@pytest.mark.parametrize(
    ("frames", "steps", "words"), [(1, 1, "1 frame in 1 step, seed 3"), (2, 30, "2 frames in 30 steps, seed 3")]
)
def test_one_is_no_plural(frames, steps, words):
    output = PipelineOutput(
        prompt="a ball", checkpoint="pocket", backend="golden", preset="TINY", recipe="paper", seed=3, steps=steps,
        guidance=1.0, frames=np.zeros((frames, 2, 2, 3)), reference=None, ledger=Ledger(), steps_ledger=(),
        saturations=0, seconds=0.5, psnr_db=None, ssim=None,
    )  # fmt: skip
    assert summary(output).splitlines()[0] == f"'a ball': {words}"
