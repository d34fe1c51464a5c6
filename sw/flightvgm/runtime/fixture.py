"""Recorded runs of an original network: weights, inputs, each block's output and the final output in one file.

The file is safetensors: weights under ``model.``, inputs under ``input.`` (``x [B, channels, T, H, W]``,
``timestep [B]``, ``y [B, 1, L, caption channels]``, ``mask [B, L]``, ``fps``, ``height`` and ``width`` of one value),
block outputs ``[B, N, C]`` under ``intermediate.``, the result as ``output``; ``config`` in the metadata is JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.models.safetensors import load_safetensors
from flightvgm_arch.formats import FP16_MOST
from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.host import cast
from flightvgm_sim.reference.shape import ModelShape
from flightvgm_sim.reference.stdit3 import forward

Array = NDArray[Any]
INPUTS = ("x", "timestep", "y", "mask", "fps", "height", "width")
OUTPUT = "output"


class FixtureError(ValueError):
    """A recording that cannot be replayed; the message names the culprit and the remedy."""


@dataclass(frozen=True)
class Sample:
    """One sample of a recording: what goes into the network.

    Attributes
    ----------
    x : NDArray
        ``[channels, T, H, W]``.
    timestep : float
        0 to 1000.
    y : NDArray
        Valid caption tokens ``[L, caption channels]``.
    """

    x: Array
    timestep: float
    y: Array


@dataclass(frozen=True)
class Fixture:
    """A recording in memory.

    Attributes
    ----------
    recorded : Mapping
        What the original computed, by name in the order of execution; ``output`` comes last.
    """

    shape: ModelShape
    weights: Mapping[str, Array]
    samples: tuple[Sample, ...]
    fps: float
    pixels: tuple[float, float]
    recorded: Mapping[str, Array]

    @property
    def size(self) -> tuple[int, int, int]:
        """Frames, rows and columns of the latent video."""
        frames, rows, columns = self.samples[0].x.shape[1:]
        return frames, rows, columns

    def reference(self) -> dict[str, Array]:
        """Compute everything that is recorded, in float64."""
        seen: dict[str, list[Array]] = {}
        weights = cast(self.weights)
        for sample in self.samples:
            hooks = Hooks(observe=lambda name, x: seen.setdefault(name, []).append(x.copy()))
            out = forward(
                weights, self.shape, sample.x, sample.timestep, sample.y, fps=self.fps, pixels=self.pixels, hooks=hooks
            )
            seen.setdefault(OUTPUT, []).append(out)
        return {name: np.stack(seen[name]) for name in self.recorded if name in seen}


def load_fixture(path: Path) -> Fixture:
    """Read a recording.

    Raises
    ------
    ValueError
        The file is malformed, or an input, a weight or the output is missing or misshaped.
    """
    tensors, metadata = load_safetensors(path)
    try:
        config = json.loads(metadata.get("config", ""))
    except (ValueError, RecursionError) as error:
        raise FixtureError(f"'{path}' has no readable 'config' in its metadata; record it again") from error
    if not isinstance(config, dict) or not all(
        isfinite(value) for value in config.values() if isinstance(value, float)
    ):
        raise FixtureError(f"the 'config' of '{path}' must be a JSON object of finite values; record it again")
    parts: dict[str, dict[str, Array]] = {"model": {}, "input": {}, "intermediate": {}}
    for name, value in tensors.items():
        group, _, rest = name.partition(".")
        if name != OUTPUT and group not in parts:
            raise FixtureError(
                f"'{path}' has the unknown tensor '{name}'; names begin with model, input or intermediate"
            )
        parts.setdefault(group, {})[rest] = value
    for name in INPUTS:
        if name not in parts["input"]:
            raise FixtureError(f"'{path}' lacks the tensor 'input.{name}'; record it again")
    if OUTPUT not in tensors:
        raise FixtureError(f"'{path}' lacks the tensor '{OUTPUT}'; record it again")
    if isinstance(config.get("depth"), int) and config["depth"] > len(parts["model"]):
        raise FixtureError(f"'{path}' states a depth beyond its tensors; record it again")
    shape = ModelShape.from_metadata(config, parts["model"])
    shape.check(parts["model"])
    inputs = parts["input"]
    _check_inputs(path, inputs)
    samples = tuple(
        Sample(
            np.asarray(inputs["x"][i], np.float64),
            float(inputs["timestep"][i]),
            np.asarray(inputs["y"][i, 0][inputs["mask"][i] != 0], np.float64),
        )
        for i in range(len(inputs["x"]))
    )
    order = [name for name in ("x_embedder", *shape.blocks) if name in parts["intermediate"]]
    recorded = {**{name: parts["intermediate"][name] for name in order}, OUTPUT: tensors[OUTPUT]}
    fps, height, width = (float(inputs[name].ravel()[0]) for name in ("fps", "height", "width"))
    return Fixture(shape, parts["model"], samples, fps, (height, width), recorded)


def _check_inputs(path: Path, inputs: Mapping[str, Array]) -> None:
    """Refuse inputs of other shapes than a recording has, and values that no network takes."""
    for name, axes in (("x", 5), ("timestep", 1), ("y", 4), ("mask", 2)):
        if inputs[name].ndim != axes or len(inputs[name]) != len(inputs["x"]) or not inputs[name].size:
            raise FixtureError(
                f"'input.{name}' of '{path}' is {inputs[name].shape}; it needs {axes} axes, the batch first; "
                "record it again"
            )
    if inputs["mask"].shape[1] != inputs["y"].shape[2]:
        raise FixtureError(
            f"'input.mask' and 'input.y' of '{path}' differ in the length of the text; record them again"
        )
    for name in ("x", "y", "timestep"):
        if not (np.abs(inputs[name].astype(np.float64)) <= FP16_MOST).all():
            raise FixtureError(f"'input.{name}' of '{path}' holds values beyond {FP16_MOST:,.0f}; record it again")
    for name in ("fps", "height", "width"):
        if inputs[name].size != 1 or not 0 < inputs[name].item() <= FP16_MOST:
            raise FixtureError(f"'input.{name}' of '{path}' must be one number above 0; record it again")


def rms_error(a: Array, exact: Array) -> float:
    """Root mean square of ``a - exact`` over that of ``exact``."""
    difference = np.asarray(a, np.float64) - exact
    return float(np.sqrt(np.square(difference).mean() / np.square(np.asarray(exact, np.float64)).mean()))
