"""The parts of STDiT3 outside its blocks, which the host computes.

Leading axes of the arrays are samples; ``weights`` hold the original state-dict names.
"""

from __future__ import annotations

from math import prod

import numpy as np

from flightvgm_sim.reference.layers import dense, gelu, layer_norm, silu
from flightvgm_sim.reference.shape import SINUSOID, Array, ModelError, ModelShape, Weights

BASE = 10000.0


def cast(weights: Weights, dtype: type[np.floating] = np.float64) -> dict[str, Array]:
    """Weights in one precision, so that no layer converts them again."""
    return {name: np.ascontiguousarray(value, dtype) for name, value in weights.items()}


def embed_patches(weights: Weights, shape: ModelShape, x: Array) -> Array:
    """Tokens ``[..., T S, C]``, frame major, of a latent video ``x [..., channels, T, H, W]``.

    Rows and columns that do not fill a patch are padded with zeros. The position embedding is not added.

    Raises
    ------
    ModelError
        ``x`` has not the checkpoint's channels, or no extent.
    """
    if x.ndim < 4 or x.shape[-4] != shape.in_channels or 0 in x.shape:
        raise ModelError(f"the latent video is {x.shape}; it must be (..., {shape.in_channels}, frames, rows, columns)")
    t, h, w = shape.grid((x.shape[-3], x.shape[-2], x.shape[-1]))
    _, p, q = shape.patch
    short = [(0, 0)] * (x.ndim - 2) + [(0, h * p - x.shape[-2]), (0, w * q - x.shape[-1])]
    lead = x.shape[:-4]
    cells = np.pad(x, short).reshape(*lead, shape.in_channels, t, h, p, w, q)
    patches = np.moveaxis(cells, (-6, -3, -1), (-3, -2, -1)).reshape(*lead, t * h * w, -1)
    matrix = weights["x_embedder.proj.weight"].reshape(shape.hidden_size, -1)
    return dense(patches, matrix, weights["x_embedder.proj.bias"])


def position_embedding(shape: ModelShape, h: int, w: int, scale: float) -> Array:
    """Return the fixed 2-D sinusoid ``[h w, C]``: columns in the first half of the channels, rows in the second.

    A half is the sines, then the cosines, of ``place base / (extent scale) 10000^(-2 i / (C / 2))`` with
    ``base = round(sqrt(h w))``.
    """
    half = shape.hidden_size // 2
    base = round((h * w) ** 0.5)
    frequencies = BASE ** (-np.arange(0, half, 2) / half)

    def waves(places: Array, extent: int) -> Array:
        angles = (places * (base / extent / scale))[:, None] * frequencies
        return np.concatenate([np.sin(angles), np.cos(angles)], -1)

    rows, columns = np.indices((h, w)).reshape(2, -1)
    return np.concatenate([waves(columns, w), waves(rows, h)], -1)


def _sinusoid(value: float) -> Array:
    angles = value * np.exp(-np.log(BASE) * np.arange(SINUSOID // 2) / (SINUSOID // 2))
    return np.concatenate([np.cos(angles), np.sin(angles)])


def timestep_embedding(weights: Weights, timestep: float, fps: float) -> Array:
    """Embedding ``t [C]`` of the timestep, 0 to 1000, plus that of the frames a second."""

    def embedder(name: str, value: float) -> Array:
        hidden = dense(_sinusoid(value), weights[f"{name}.mlp.0.weight"], weights[f"{name}.mlp.0.bias"])
        return dense(silu(hidden), weights[f"{name}.mlp.2.weight"], weights[f"{name}.mlp.2.bias"])

    return embedder("t_embedder", timestep) + embedder("fps_embedder", fps)


def modulation(weights: Weights, shape: ModelShape, timestep: float, fps: float) -> tuple[Array, Array]:
    """Vectors that depend on the timestep.

    Returns
    -------
    t : Array
        ``[C]``, for :func:`final_layer`.
    tables : Array
        ``[2 depth, 6, C]`` in the order of ``shape.blocks``: shift, scale and gate of attention, then of the MLP, with
        each block's ``scale_shift_table`` added; 1 is not yet added to the scales.
    """
    t = timestep_embedding(weights, timestep, fps)
    shared = dense(silu(t), weights["t_block.1.weight"], weights["t_block.1.bias"]).reshape(6, -1)
    tables = np.stack([weights[f"{block}.scale_shift_table"] for block in shape.blocks])
    return t, tables + shared


def embed_text(weights: Weights, y: Array) -> Array:
    """Text tokens ``[..., L, C]`` of caption tokens ``y [..., L, caption channels]``."""
    name = "y_embedder.y_proj"
    hidden = gelu(dense(y, weights[f"{name}.fc1.weight"], weights[f"{name}.fc1.bias"]))
    return dense(hidden, weights[f"{name}.fc2.weight"], weights[f"{name}.fc2.bias"])


def rope_tables(weights: Weights, frames: int) -> tuple[Array, Array]:
    """Cosines and sines ``[frames, head_dim / 2]`` of the rotary embedding of the temporal blocks."""
    angles = np.arange(frames)[:, None] * weights["rope.freqs"].astype(np.float64)
    return np.cos(angles), np.sin(angles)


def final_layer(weights: Weights, shape: ModelShape, x: Array, t: Array) -> Array:
    """Patches ``[..., N, patch values * out_channels]`` of the last block's tokens ``x``."""
    shift, scale = (weights["final_layer.scale_shift_table"] + t).astype(x.dtype)
    name = "final_layer.linear"
    patches = dense(layer_norm(x) * (1 + scale) + shift, weights[f"{name}.weight"], weights[f"{name}.bias"])
    assert patches.shape[-1] == prod(shape.patch) * shape.out_channels
    return patches


def unpatchify(shape: ModelShape, x: Array, size: tuple[int, int, int]) -> Array:
    """Video ``[..., out_channels, T, H, W]`` of ``size`` (T, H, W) from patches ``[..., N, p q channels]``.

    What :func:`embed_patches` has padded is cut off.
    """
    t, h, w = shape.grid(size)
    _, p, q = shape.patch
    lead = x.shape[:-2]
    cells = x.reshape(*lead, t, h, w, p, q, shape.out_channels)
    cells = np.moveaxis(cells, (-1, -6, -5, -3, -4, -2), (-6, -5, -4, -3, -2, -1))
    return cells.reshape(*lead, shape.out_channels, t, h * p, w * q)[..., : size[1], : size[2]]
