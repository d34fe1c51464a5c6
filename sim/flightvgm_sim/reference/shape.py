"""Sizes of an STDiT3 checkpoint and the tensors that they imply."""

from __future__ import annotations

import re
import reprlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.isa import EXTENT_BITS
from flightvgm_arch.memory import LEDGER_LAYERS
from flightvgm_arch.sites import KINDS

Array = NDArray[Any]
Weights = Mapping[str, Array]

SINUSOID = 256
SHOWN = 4
DEPTH_MOST, SIZE_MOST = LEDGER_LAYERS // len(KINDS), (1 << EXTENT_BITS) - 1


class ModelError(ValueError):
    """A checkpoint, an input or a recipe does not fit; the message names the culprit and the remedy."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of an STDiT3.

    Parameters
    ----------
    hidden_size, depth, num_heads : int
        Channels, pairs of a spatial and a temporal block (as many as the machine's ledger tells apart), and attention
        heads.
    caption_channels, model_max_length : int
        Width of a caption token and the longest caption.
    in_channels, out_channels : int
        Channels of the latent video that enters and of the prediction that leaves.
    patch : tuple of int
        Frames, rows and columns of a patch; one frame.
    mlp_ratio : float
        Hidden channels of the MLP over ``hidden_size``.
    input_sq_size : int
        Side in pixels at which the position embedding has scale 1.
    position_scale : float, optional
        Scale of the position embedding where it does not follow from the video's size in pixels.
    qk_norm : bool
        Queries and keys of self-attention pass a head RMSNorm.
    vocabulary : int
        Words of the embedding table that the checkpoint brings as text encoder; 0 for none.

    Raises
    ------
    ModelError
        A value has the wrong type, is out of range or not finite.
    """

    hidden_size: int
    depth: int
    num_heads: int
    caption_channels: int
    model_max_length: int
    in_channels: int
    out_channels: int
    patch: tuple[int, int, int] = (1, 2, 2)
    mlp_ratio: float = 4.0
    input_sq_size: int = 512
    position_scale: float | None = None
    qk_norm: bool = True
    vocabulary: int = 0

    def __post_init__(self) -> None:
        sizes = ("hidden_size", "depth", "num_heads", "caption_channels", "model_max_length", "in_channels",
                 "out_channels", "input_sq_size")  # fmt: skip
        for name in FIELDS:
            _check_type(name, getattr(self, name))
        for name in sizes:
            value, most = getattr(self, name), DEPTH_MOST if name == "depth" else SIZE_MOST
            if value < 1:
                raise ModelError(f"{name} is {value}; it must be at least 1")
            if value > most:
                raise ModelError(f"{name} is {reprlib.repr(value)}; it must be at most {most}")
        if self.hidden_size % self.num_heads or self.head_dim % 2:
            raise ModelError(f"hidden_size {self.hidden_size} must be num_heads {self.num_heads} times an even width")
        if self.hidden_size % 4:
            raise ModelError(f"hidden_size {self.hidden_size} must be a multiple of 4 for the position embedding")
        if len(self.patch) != 3 or self.patch[0] != 1 or not 1 <= min(self.patch) <= max(self.patch) <= SIZE_MOST:
            raise ModelError(f"patch {reprlib.repr(self.patch)} must be one frame, rows and columns, such as (1, 2, 2)")
        if self.mlp_ratio <= 0 or (self.position_scale is not None and self.position_scale <= 0):
            raise ModelError(f"mlp_ratio {self.mlp_ratio} and position_scale {self.position_scale} must be positive")
        if not 1 <= self.hidden_size * self.mlp_ratio <= SIZE_MOST:
            raise ModelError(f"mlp_ratio is {self.mlp_ratio}; it must give the MLP 1 to {SIZE_MOST} channels")
        if not 0 <= self.vocabulary <= SIZE_MOST:
            raise ModelError(f"vocabulary is {reprlib.repr(self.vocabulary)}; it must be 0 to {SIZE_MOST} words")

    @property
    def head_dim(self) -> int:
        """Channels of an attention head."""
        return self.hidden_size // self.num_heads

    @property
    def mlp_hidden(self) -> int:
        """Hidden channels of the MLP."""
        return int(self.hidden_size * self.mlp_ratio)

    @property
    def blocks(self) -> tuple[str, ...]:
        """Names of the blocks in the order of execution: spatial 0, temporal 0, spatial 1, ..."""
        return tuple(f"{kind}_blocks.{i}" for i in range(self.depth) for kind in ("spatial", "temporal"))

    def grid(self, size: tuple[int, int, int]) -> tuple[int, int, int]:
        """Frames, rows and columns of tokens of a latent video of ``size`` (frames, rows, columns)."""
        frames, rows, columns = (-(-extent // side) for extent, side in zip(size, self.patch, strict=True))
        return frames, rows, columns

    def scale(self, pixels: tuple[float, float] | None) -> float:
        """Scale of the position embedding of a video of ``pixels`` (rows, columns).

        Raises
        ------
        ModelError
            The scale depends on the pixels, and none are given.
        """
        if self.position_scale is not None:
            return self.position_scale
        if pixels is None:
            raise ModelError("the position embedding depends on the video's size; give its rows and columns in pixels")
        return float(np.sqrt(pixels[0] * pixels[1])) / self.input_sq_size

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by its name in the original state dict."""
        c, hidden, text = self.hidden_size, self.mlp_hidden, self.caption_channels
        linears = {
            "t_embedder.mlp.0": (c, SINUSOID),
            "t_embedder.mlp.2": (c, c),
            "fps_embedder.mlp.0": (c, SINUSOID),
            "fps_embedder.mlp.2": (c, c),
            "t_block.1": (6 * c, c),
            "y_embedder.y_proj.fc1": (c, text),
            "y_embedder.y_proj.fc2": (c, c),
            "final_layer.linear": (prod(self.patch) * self.out_channels, c),
        }
        shapes: dict[str, tuple[int, ...]] = {
            "x_embedder.proj.weight": (c, self.in_channels, *self.patch),
            "x_embedder.proj.bias": (c,),
            "y_embedder.y_embedding": (self.model_max_length, text),
            "rope.freqs": (self.head_dim // 2,),
            "final_layer.scale_shift_table": (2, c),
        }
        for block in self.blocks:
            linears |= {
                f"{block}.attn.qkv": (3 * c, c),
                f"{block}.attn.proj": (c, c),
                f"{block}.cross_attn.q_linear": (c, c),
                f"{block}.cross_attn.kv_linear": (2 * c, c),
                f"{block}.cross_attn.proj": (c, c),
                f"{block}.mlp.fc1": (hidden, c),
                f"{block}.mlp.fc2": (c, hidden),
            }
            shapes[f"{block}.scale_shift_table"] = (6, c)
            if self.qk_norm:
                shapes |= {f"{block}.attn.{name}_norm.weight": (self.head_dim,) for name in "qk"}
        if self.vocabulary:
            shapes["text_encoder.words.weight"] = (self.vocabulary, text)
            shapes["text_encoder.places.weight"] = (self.model_max_length, text)
        for name, (rows, columns) in linears.items():
            shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
        return shapes

    def check(self, weights: Weights) -> None:
        """Refuse weights that are not exactly those of this shape.

        Raises
        ------
        ModelError
            One sentence names the missing, misshaped and unknown tensors, the first few of each.
        """
        expected = self.tensors()
        problems = {
            "missing": sorted(set(expected) - set(weights)),
            "misshaped": [
                f"{name} (is {weights[name].shape}, must be {shape})"
                for name, shape in sorted(expected.items())
                if name in weights and weights[name].shape != shape
            ],
            "unknown": sorted(set(weights) - set(expected)),
        }
        if any(problems.values()):
            parts = [f"{kind}: {_some(names)}" for kind, names in problems.items() if names]
            raise ModelError(
                f"the checkpoint does not fit its configuration, {'; '.join(parts)}; "
                "correct the configuration or export the checkpoint again"
            )

    @classmethod
    def from_metadata(cls, config: Mapping[str, Any], weights: Weights) -> ModelShape:
        """Read the sizes from a checkpoint's configuration; what it omits follows from the tensors.

        Parameters
        ----------
        config : Mapping
            The fields of this class, or the original's names: ``patch_size`` for ``patch``, and ``pred_sigma``, which
            doubles the outgoing channels where ``out_channels`` is absent. A number for the patch is its side.
            Other keys are ignored.
        weights : Mapping
            Tensors by name.

        Raises
        ------
        ModelError
            A value has the wrong type, is out of range, or is neither stated nor implied.
        """
        known = {**_implied(weights), **_stated(config)}
        if not isinstance(config.get("pred_sigma"), bool | None):
            raise ModelError(
                f"pred_sigma is {reprlib.repr(config['pred_sigma'])} in the configuration; it must be true or false"
            )
        if config.get("pred_sigma") is not None and "out_channels" not in config and "in_channels" in known:
            known["out_channels"] = known["in_channels"] * (2 if config["pred_sigma"] else 1)
        needed = ("hidden_size", "depth", "num_heads", "caption_channels", "model_max_length", "in_channels",
                  "out_channels")  # fmt: skip
        for name in needed:
            if name not in known:
                raise ModelError(f"the configuration lacks {name}; state it in the checkpoint's metadata")
        return cls(**known)


FIELDS: dict[str, type] = {
    name: {"bool": bool, "int": int, "tuple[int, int, int]": tuple}.get(str(annotation), float)
    for name, annotation in ModelShape.__annotations__.items()
}
TYPES = {int: "a whole number", float: "a finite number", bool: "true or false", tuple: "three whole numbers"}


def _some(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _check_type(name: str, value: Any, where: str = "") -> None:
    """Refuse a field's value of the wrong type, or a number that is not finite."""
    kind = FIELDS[name]
    if kind is bool:
        right = isinstance(value, bool)
    elif kind is tuple:
        right = isinstance(value, tuple) and all(type(side) is int for side in value)
    elif kind is int:
        right = type(value) is int
    else:
        right = (name == "position_scale" and value is None) or (
            isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        )
    if not right:
        raise ModelError(f"{name} is {reprlib.repr(value)}{where}; it must be {TYPES[kind]}")


def _stated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that a configuration states, with their types checked."""
    stated: dict[str, Any] = {}
    for name, kind in FIELDS.items():
        if kind is not tuple and config.get(name) is not None:
            _check_type(name, config[name], " in the configuration")
            stated[name] = kind(config[name])
    patch = config.get("patch_size", config.get("patch"))
    if patch is not None:
        sides = [1, patch, patch] if isinstance(patch, int) else patch
        if not isinstance(sides, (list, tuple)) or not all(type(side) is int for side in sides):
            raise ModelError(
                f"patch_size is {reprlib.repr(patch)} in the configuration; it must be a list such as [1, 2, 2]"
            )
        stated["patch"] = tuple(sides)
    return stated


def _implied(weights: Weights) -> dict[str, Any]:
    """Fields that follow from the tensors that are there."""
    implied: dict[str, Any] = {}
    embedder, caption = weights.get("x_embedder.proj.weight"), weights.get("y_embedder.y_embedding")
    if embedder is not None and embedder.ndim == 5:
        implied |= {"hidden_size": embedder.shape[0], "in_channels": embedder.shape[1], "patch": embedder.shape[2:]}
        final = weights.get("final_layer.linear.bias")
        if final is not None:
            implied["out_channels"] = final.size // max(prod(embedder.shape[2:]), 1)
    if caption is not None and caption.ndim == 2:
        implied |= {"model_max_length": caption.shape[0], "caption_channels": caption.shape[1]}
    found = [re.match(r"spatial_blocks\.(\d{1,4})\.", name) for name in weights]
    implied["depth"] = 1 + max((int(match[1]) for match in found if match), default=-1)
    implied["qk_norm"] = any(name.endswith("attn.q_norm.weight") for name in weights)
    if "rope.freqs" in weights and "hidden_size" in implied:
        implied["num_heads"] = implied["hidden_size"] // max(2 * weights["rope.freqs"].size, 1)
    words = weights.get("text_encoder.words.weight")
    if words is not None and words.ndim:
        implied["vocabulary"] = words.shape[0]
    return implied
