"""A model of random weights, a video size and inputs, for compilations that run on machines."""

import numpy as np

from flightvgm.compiler import compile_model
from flightvgm_sim.machine import Machine
from flightvgm_sim.reference.shape import ModelShape

BASE = 1 << 16  # Programs are not at home at address zero.


def model(width, heads, depth=1, seed=0, **others):
    """Shape and weights that keep activations of order one."""
    shape = ModelShape(
        hidden_size=width, depth=depth, num_heads=heads, caption_channels=8, model_max_length=16, in_channels=3,
        out_channels=3, patch=(1, 2, 2), position_scale=1.0, **others,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    weights = {}
    for name, extents in shape.tensors().items():
        spread = 0.3 if len(extents) == 1 else float(np.prod(extents[1:])) ** -0.5
        weights[name] = (spread * rng.standard_normal(extents)).astype(np.float32)
        if name.endswith("norm.weight"):
            weights[name] += 1
    weights["rope.freqs"] = (10000.0 ** (-np.arange(0, shape.head_dim, 2) / shape.head_dim)).astype(np.float32)
    return shape, weights


class Case:
    """A model, a video size and inputs."""

    def __init__(self, width, heads, grid, text=4, valid=(4, 2), depth=1, seed=0, **others):
        self.shape, self.weights = model(width, heads, depth, seed, **others)
        self.grid, self.text, self.valid = grid, text, valid
        rng = np.random.default_rng(seed)
        t, h, w = grid
        place = rng.standard_normal((h * w, width))
        self.x = [
            (1 + np.tile(place, (t, 1)) / 2 + rng.standard_normal((t * h * w, width)) / 2).astype(np.float16)
            for _ in range(2)
        ]
        self.texts = [rng.standard_normal((count, width)).astype(np.float16) for count in valid]
        self.tables = 0.3 * rng.standard_normal((2 * depth, 6, width))

    def compile(self, config, recipe, steps=2, grid=None):
        t, h, w = grid or self.grid
        return compile_model(
            self.weights, self.shape, frames=t, height_tokens=h, width_tokens=w, text_tokens=self.text, config=config,
            recipe=recipe, steps=steps,
        )  # fmt: skip

    def run(self, config, recipe, *, order_seed=None, step=1):
        """Residual streams of both branches behind the last block, and the machine."""
        program = self.compile(config, recipe)
        machine = Machine(config, order_seed=order_seed)
        machine.open_window(BASE, program.size)
        machine.memory.write(BASE, program.image)
        for branch in range(2):
            machine.memory.write(program.address(f"x.{branch}", BASE), program.rows(self.x[branch]))
            if len(self.texts[branch]):
                machine.memory.write(program.address(f"text.{branch}", BASE), program.rows(self.texts[branch]))
        arguments = program.arguments(step, self.valid, BASE)
        machine.memory.write(arguments[0], program.modulation(self.tables))
        for entry in ("prompt", "forward"):
            machine.start(program.entry(entry, BASE), arguments)
            machine.run()
        regions = [program.regions[f"x.{branch}"] for branch in range(2)]
        out = [program.values(machine.memory.read(BASE + region.address, region.size)) for region in regions]
        return np.stack(out), machine
