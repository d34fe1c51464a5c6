"""The reference equals the PyTorch model that is trained, dense and with the sparsifier in the loop."""

from dataclasses import asdict

import numpy as np
import pytest

from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import SITE_NAMES
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.matching import local_map
from flightvgm_sim.reference.metrics import relative_error
from flightvgm_sim.reference.shape import ModelShape
from flightvgm_sim.reference.sparsity import SiteRule, Sparsifier
from flightvgm_sim.reference.stdit3 import forward

torch = pytest.importorskip("torch", reason="the twin of the reference is a PyTorch model")
INSIDE, ACROSS = Grid("t / h / w", 3, (2, 2)), Grid("- / t / hw", 1, (2, 1))
GRIDS = {name: ACROSS if name.startswith("temporal.attn") else INSIDE for name in SITE_NAMES}
EXTENTS = (5, 3, 3)


@pytest.fixture(scope="module")
def twin():
    from flightvgm.training.model import ModelShape as TwinShape
    from flightvgm.training.model import STDiT3

    torch.manual_seed(0)
    sizes = TwinShape(hidden_size=24, depth=2, num_heads=2, caption_channels=8, model_max_length=6, patch=4)
    model = STDiT3(sizes).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape) * (1.0 if value.ndim == 1 else 2 * value.shape[-1] ** -0.5))
    weights = {name: value.numpy().astype(np.float64) for name, value in model.state_dict().items()}
    shape = ModelShape.from_metadata(asdict(sizes) | {"position_scale": 1.0}, weights)
    shape.check(weights)
    return model, weights, shape


@pytest.mark.parametrize("threshold", [None, 0.4])
def test_forward_equals_the_twin(twin, threshold):
    from flightvgm.training.sparsity import Match, Sites

    model, weights, shape = twin
    t, h, w = EXTENTS
    rng = np.random.default_rng(5)
    x = rng.standard_normal((6, t, 4 * h, 4 * w)).astype(np.float32)
    tokens = np.array([3, 7, 2, 0, 0, 0])
    level = 2.0 if threshold is None else threshold
    sites = Sites({name: Match(grid, t, h, w) for name, grid in GRIDS.items()}, dict.fromkeys(GRIDS, (level, level)))
    with torch.no_grad():
        expected = model(
            torch.from_numpy(x)[None],
            torch.tensor([640.0]),
            torch.from_numpy(tokens)[None],
            torch.tensor([False]),
            sites,
        )[0].numpy()
    words = weights["text_encoder.words.weight"][tokens] + weights["text_encoder.places.weight"]
    rules = {} if threshold is None else {n: SiteRule(g, threshold, threshold) for n, g in GRIDS.items()}
    sparse = Sparsifier(rules, EXTENTS)
    out = forward(weights, shape, x.astype(np.float64), 640.0, words[:3], fps=8, hooks=Hooks(site=sparse))
    assert relative_error(out, expected) < 1e-4
    share = sum(rows.kept for rows in sparse.ledger.values()) / sum(rows.offered for rows in sparse.ledger.values())
    assert share == 1 if threshold is None else 0.2 < share < 0.9


@pytest.mark.parametrize("group", [None, 0.3])
@pytest.mark.parametrize("chunk", [None, 0.2])
def test_maps_equal_those_of_training(group, chunk):
    from flightvgm.training.sparsity import Match

    t, h, w = 7, 3, 5
    x = np.random.default_rng(6).standard_normal((t * h * w, 3))
    off = [2.0 if theta is None else theta for theta in (group, chunk)]
    for grid in (INSIDE, ACROSS):
        expected = Match(grid, t, h, w)(torch.from_numpy(x)[None], *off)[0].numpy()
        found = local_map(x, grid, t=t, h=h, w=w, theta_group=group, theta_chunk=chunk)
        np.testing.assert_array_equal(found, expected)
