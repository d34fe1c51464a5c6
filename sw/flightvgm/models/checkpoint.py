"""Checkpoints: weights by their original names, and what a sampler must know about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm.models.conditioning import CODE_CHANNELS
from flightvgm.models.safetensors import load_safetensors, save_safetensors
from flightvgm.models.text import Caption, TextEncoder
from flightvgm_sim.reference.sampler import Prediction
from flightvgm_sim.reference.shape import ModelShape

FOLDER = Path(__file__).parent.parent / "checkpoints"
DEFAULT_CHECKPOINT = "studio"
PREDICTIONS: tuple[Prediction, ...] = ("velocity", "sample")
NUMBER = (int, float)
MOST = {"frames": 8191, "size": 4096, "steps": 1000}  # Timesteps are 0 to 1000; a grid has 13 bits a side.
MOST_GUIDANCE = 100.0  # Beyond it the tokens leave the range of FP16.
FULL_PRECISION = ("rope.freqs",)  # Angles, not weights: FP16 would turn late frames visibly.


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file, the culprit and the remedy."""


@dataclass(frozen=True)
class CheckpointConfig:
    """What the metadata of a checkpoint state.

    Parameters
    ----------
    shape : ModelShape
        Sizes of the network.
    frames, size : int
        Frames of a video and pixels of its side.
    prediction : str
        What the network predicts: ``velocity`` or ``sample``, the clean video.
    shift : float
        Timestep shift of the sampler.
    steps : int
        Denoising steps, unless the user says otherwise.
    guidance : float
        Scale of classifier-free guidance, unless the user says otherwise.
    recipe : str
        Sparsity recipe, unless the user says otherwise.
    fps : float
        Frames a second, as told to the network.
    words : tuple of str
        The word of each row of the text encoder's table.

    Raises
    ------
    CheckpointError
        A value is out of range.
    """

    shape: ModelShape
    frames: int
    size: int
    prediction: Prediction
    shift: float
    steps: int
    guidance: float
    recipe: str
    fps: float
    words: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            if not 1 <= getattr(self, name) <= most:
                raise CheckpointError(f"{name} is {getattr(self, name)} in the checkpoint; it must be 1 to {most}")
        if not abs(self.guidance) <= MOST_GUIDANCE:
            raise CheckpointError(
                f"the guidance {self.guidance} must lie between -{MOST_GUIDANCE:g} and {MOST_GUIDANCE:g}"
            )
        if not (isfinite(self.shift) and isfinite(self.fps) and self.shift > 0 and self.fps > 0):
            raise CheckpointError(f"shift {self.shift} and fps {self.fps} of the checkpoint must be above 0 and finite")
        if self.prediction not in PREDICTIONS:
            raise CheckpointError(f"the prediction '{self.prediction}' must be {' or '.join(PREDICTIONS)}")
        if len(self.words) != self.shape.vocabulary:
            raise CheckpointError(
                f"the checkpoint lists {len(self.words)} words for {self.shape.vocabulary} rows; list one for each row"
            )

    @property
    def channels(self) -> int:
        """Channels of the picture among those that enter the network; the others hold the frame code."""
        return self.shape.out_channels

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, those of the shape among them."""
        values = asdict(self)
        return {**values.pop("shape"), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], weights: Mapping[str, NDArray[Any]]) -> CheckpointConfig:
        """Read metadata; what they say about the network is completed from the weights."""
        fields = {"frames": (int,), "size": (int,), "prediction": (str,), "shift": NUMBER, "steps": (int,),
                  "guidance": NUMBER, "recipe": (str,), "fps": NUMBER, "words": (list, tuple)}  # fmt: skip
        if not isinstance(values, dict):
            raise CheckpointError("the checkpoint's configuration is no JSON object; export the checkpoint again")
        for name in fields:
            if name not in values:
                raise CheckpointError(f"the checkpoint's configuration lacks '{name}'; export the checkpoint again")
        for name, kinds in fields.items():
            if type(values[name]) not in kinds:
                raise CheckpointError(
                    f"the checkpoint's configuration is malformed: {name} is {values[name]!r}; export it again"
                )
        for name, value in values.items():
            if isinstance(value, float) and not isfinite(value):
                raise CheckpointError(f"the checkpoint's configuration has {name} {value}; it must be finite")
        known = {name: values[name] for name in fields} | {"words": tuple(map(str, values["words"]))}
        depth = values.get("depth")
        if isinstance(depth, int) and depth > len(weights):
            raise CheckpointError(
                f"the configuration's depth {depth} exceeds the checkpoint's tensors; export it again"
            )
        return cls(shape=ModelShape.from_metadata(values, weights), **known)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint in memory.

    Attributes
    ----------
    name : str
        Name of a shipped checkpoint, or the file's.
    config : CheckpointConfig
        What its metadata state.
    weights : Mapping
        FP32 tensors by their names in the original state dict.
    """

    name: str
    config: CheckpointConfig
    weights: Mapping[str, NDArray[np.float32]]

    @property
    def text_encoder(self) -> TextEncoder:
        """Encoder of prompts."""
        words, places = (self.weights[f"text_encoder.{name}.weight"].astype(np.float64) for name in ("words", "places"))
        return TextEncoder(words, places, self.config.words)

    def null_caption(self, valid: int) -> Caption:
        """Caption of the unconditional branch, of as many valid tokens as the prompt's."""
        return Caption(self.weights["y_embedder.y_embedding"].astype(np.float64), valid)


def shipped() -> tuple[str, ...]:
    """Names of the checkpoints that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.safetensors")))


def find_checkpoint(name: str | Path) -> Path:
    """Path of a shipped checkpoint, or of a file.

    Raises
    ------
    CheckpointError
        There is neither.
    """
    if str(name) in shipped():
        return FOLDER / f"{name}.safetensors"
    path = Path(name)
    if not path.is_file():
        raise CheckpointError(
            f"there is no checkpoint '{name}'; name a .safetensors file"
            + (f" or one of {', '.join(shipped())}" if shipped() else "")
        )
    return path


def load_checkpoint(name: str | Path = DEFAULT_CHECKPOINT) -> Checkpoint:
    """Read a shipped checkpoint by name, or a safetensors file.

    Raises
    ------
    ValueError
        The file is missing or malformed, a tensor is missing, misshaped or not finite, or its metadata do not suffice.
    """
    path = find_checkpoint(name)
    tensors, metadata = load_safetensors(path)
    try:
        values = json.loads(metadata.get("config", ""))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"'{path}' has no readable 'config' in its metadata; export the checkpoint again"
        ) from error
    for key, value in tensors.items():
        if value.dtype.kind != "f":
            raise CheckpointError(f"tensor '{key}' of '{path}' is {value.dtype}; export it as floating point")
    with np.errstate(over="ignore"):
        weights = {key: value.astype(np.float32) for key, value in tensors.items()}
    for key, value in weights.items():
        if not value.ndim or not np.isfinite(value).all():
            raise CheckpointError(f"tensor '{key}' of '{path}' is a scalar or beyond FP32; export the checkpoint again")
    config = CheckpointConfig.from_dict(values, weights)
    config.shape.check(weights)
    if config.shape.in_channels != config.channels + CODE_CHANNELS:
        raise CheckpointError(
            f"'{path}' takes {config.shape.in_channels} channels for a picture of {config.channels}; "
            f"the pipeline feeds the picture and {CODE_CHANNELS} channels of frame code"
        )
    return Checkpoint(path.stem, config, weights)


def save_checkpoint(path: Path, config: CheckpointConfig, weights: Mapping[str, NDArray[Any]]) -> None:
    """Write a checkpoint, FP16 on disk but for :data:`FULL_PRECISION`.

    Raises
    ------
    ValueError
        A tensor is missing, misshaped, not finite or beyond the range of FP16.
    """
    config.shape.check(weights)
    stored: dict[str, NDArray[Any]] = {}
    for key, value in weights.items():
        with np.errstate(over="ignore"):
            stored[key] = value.astype(np.float32 if key in FULL_PRECISION else np.float16)
        if not np.isfinite(stored[key]).all():
            raise CheckpointError(f"tensor '{key}' is not finite in FP16; train with smaller weights")
    save_safetensors(path, stored, {"config": json.dumps(config.to_dict())})
