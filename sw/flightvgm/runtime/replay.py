"""Replay a recording, dense, on a device: what each block of the compiled network makes of the recorded inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from flightvgm.compiler import compile_model
from flightvgm.recipes import load_recipe
from flightvgm.runtime.backend import BRANCHES, Array
from flightvgm.runtime.device import Device
from flightvgm.runtime.fixture import OUTPUT, Fixture
from flightvgm.runtime.session import Session
from flightvgm_sim.reference.host import cast, embed_text, final_layer, modulation, unpatchify
from flightvgm_sim.reference.stdit3 import embed

LAST_LAYERS = ("attn.proj", "cross_attn.proj", "mlp.fc2")  # With zeros in these a block hands its tokens on unchanged.


def replay(
    fixture: Fixture, make_device: Callable[[], Device], progress: Callable[[float, float], None] | None = None
) -> dict[str, Array]:
    """Compute the recorded block outputs and the final output.

    The network is compiled up to each recorded block in turn, so that nothing but its ordinary result is read. Where
    the block is a spatial one, the temporal block behind it is made to hand its tokens on.

    Parameters
    ----------
    make_device : callable
        Gives a fresh device for each program.
    progress : callable, optional
        Called with ``(done, total)``.

    Returns
    -------
    dict
        Arrays by the names of the recording.
    """
    blocks = [name for name in fixture.recorded if name in fixture.shape.blocks]
    weights = cast(fixture.weights)
    found: dict[str, Array] = {}
    for done, block in enumerate([*blocks, OUTPUT]):
        if progress is not None:
            progress(done, len(blocks) + 1)
        layers = len(fixture.shape.blocks) if block == OUTPUT else fixture.shape.blocks.index(block) + 1
        tokens = _tokens(fixture, weights, make_device(), layers)
        found[block] = np.stack(tokens)
    found[OUTPUT] = np.stack(
        [
            unpatchify(
                fixture.shape,
                final_layer(
                    weights, fixture.shape, tokens, modulation(weights, fixture.shape, sample.timestep, fixture.fps)[0]
                ),
                fixture.size,
            )
            for sample, tokens in zip(fixture.samples, found[OUTPUT], strict=True)
        ]
    )
    return found


def _tokens(fixture: Fixture, weights: Mapping[str, Array], device: Device, layers: int) -> list[Array]:
    """Tokens of each sample behind the first ``layers`` blocks."""
    shape = replace(fixture.shape, depth=-(-layers // 2))
    t, h, w = shape.grid(fixture.size)
    silent = {f"{block}.{layer}" for block in shape.blocks[layers:] for layer in LAST_LAYERS}
    compiled = {
        name: np.zeros_like(value) if name.rpartition(".")[0] in silent else value
        for name, value in fixture.weights.items()
    }
    program = compile_model(
        compiled,
        shape,
        frames=t,
        height_tokens=h,
        width_tokens=w,
        text_tokens=shape.model_max_length,
        config=device.config,
        recipe=load_recipe("dense"),
        steps=1,
    )
    session = Session(device, program)
    found = []
    for sample in fixture.samples:
        text = embed_text(weights, sample.y)
        _, tables = modulation(weights, shape, sample.timestep, fixture.fps)
        session.prompt(np.stack([text] * BRANCHES), tables[None])
        found.append(session.step(embed(weights, shape, sample.x, fixture.pixels), 0)[0])
    return found
