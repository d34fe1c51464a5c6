"""STDiT3 of Open-Sora 1.2 in NumPy, in the precision of its input.

The host's parts are those of :mod:`flightvgm_sim.reference.host`; this module runs the blocks between them. Order of
operations of a block, with ``sh, sc, g`` the shifts, scales and gates of :func:`modulation`::

    x = x + g1 attn(LN(x) (1 + sc1) + sh1)      spatial: tokens of a frame; temporal: frames of a place
    x = x + cross_attn(x, text)
    x = x + g2 fc2(gelu(fc1(LN(x) (1 + sc2) + sh2)))

At each sparsification site: linear layer on the kept rows, recovery, head RMSNorm, rotary embedding. Conditioning on
given frames (the original's ``x_mask``) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.host import (
    embed_patches,
    embed_text,
    final_layer,
    modulation,
    position_embedding,
    rope_tables,
    unpatchify,
)
from flightvgm_sim.reference.layers import gelu, layer_norm, rms_norm, rotate
from flightvgm_sim.reference.shape import Array, ModelError, ModelShape, Weights

EXACT = Hooks()


@dataclass(frozen=True)
class _Block:
    """One block: where its weights are, and what its tokens mean."""

    weights: Weights
    shape: ModelShape
    name: str
    frames: int
    rope: tuple[Array, Array] | None
    hooks: Hooks

    def linear(self, layer: str, x: Array) -> Array:
        name = f"{self.name}.{layer}"
        return self.hooks.linear(name, x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def site(self, layer: str, x: Array) -> Array:
        return self.hooks.reduced(f"{self.name}.{layer}", x, lambda rows: self.linear(layer, rows))

    def attend(self, x: Array) -> Array:
        heads, width, lead = self.shape.num_heads, self.shape.head_dim, x.shape[:-2]
        qkv = self.site("attn.qkv", x).reshape(*lead, self.frames, -1, 3, heads, width)
        # Problems come first, then heads, then the tokens that see each other.
        order = (-3, -4, -2, -5, -1) if self.rope else (-3, -5, -2, -4, -1)
        qkv = np.moveaxis(qkv, order, (-5, -4, -3, -2, -1))
        q, k, v = (qkv[..., i, :, :, :, :] for i in range(3))
        if self.shape.qk_norm:
            q, k = (rms_norm(z, self.weights[f"{self.name}.attn.{n}_norm.weight"]) for n, z in (("q", q), ("k", k)))
        if self.rope:
            q, k = rotate(q, *self.rope), rotate(k, *self.rope)
        out = self.hooks.attention(f"{self.name}.attn", q, k, v).swapaxes(-2, -3)
        if self.rope:
            out = out.swapaxes(-3, -4)
        return self.site("attn.proj", out.reshape(x.shape))

    def cross(self, x: Array, text: Array) -> Array:
        heads, width = self.shape.num_heads, self.shape.head_dim
        q = self.site("cross_attn.q_linear", x).reshape(*x.shape[:-1], heads, width).swapaxes(-2, -3)
        kv = self.linear("cross_attn.kv_linear", text).reshape(*text.shape[:-1], 2, heads, width)
        k, v = (kv[..., i, :, :].swapaxes(-2, -3) for i in range(2))
        out = self.hooks.attention(f"{self.name}.cross_attn", q, k, v).swapaxes(-2, -3)
        return self.site("cross_attn.proj", out.reshape(x.shape))

    def mlp(self, rows: Array) -> Array:
        return self.linear("mlp.fc2", gelu(self.linear("mlp.fc1", rows)))

    def run(self, x: Array, text: Array, table: Array) -> Array:
        sh1, sc1, g1, sh2, sc2, g2 = table
        x = x + g1 * self.attend(layer_norm(x) * (1 + sc1) + sh1)
        x = x + self.cross(x, text)
        gated: Array = g2 * self.hooks.reduced(f"{self.name}.mlp", layer_norm(x) * (1 + sc2) + sh2, self.mlp)
        return x + gated


def embed(
    weights: Weights, shape: ModelShape, x: Array, pixels: tuple[float, float] | None = None, hooks: Hooks = EXACT
) -> Array:
    """Tokens ``[..., N, C]`` that enter the first block: patches plus position embedding.

    Parameters
    ----------
    pixels : tuple of float, optional
        Rows and columns of the video, for the scale of the position embedding.
    """
    tokens = embed_patches(weights, shape, x)
    hooks.observe("x_embedder", tokens)
    t, h, w = shape.grid((x.shape[-3], x.shape[-2], x.shape[-1]))
    places = position_embedding(shape, h, w, shape.scale(pixels))
    placed: Array = tokens + np.tile(places, (t, 1)).astype(tokens.dtype)
    return placed


def run_blocks(
    weights: Weights, shape: ModelShape, x: Array, text: Array, tables: Array, *, frames: int, hooks: Hooks = EXACT
) -> Array:
    """Run all blocks on tokens ``x [..., N, C]``: what the accelerator computes in a step and branch.

    Parameters
    ----------
    text : Array
        Valid text tokens ``[..., L, C]``, from :func:`embed_text`.
    tables : Array
        From :func:`modulation`.
    frames : int
        Frames T of the ``N = T S`` tokens.
    """
    cos, sin = (table.astype(x.dtype) for table in rope_tables(weights, frames))
    for name, table in zip(shape.blocks, tables.astype(x.dtype), strict=True):
        rope = (cos, sin) if name.startswith("temporal") else None
        x = _Block(weights, shape, name, frames, rope, hooks).run(x, text, table)
        hooks.observe(name, x)
    return x


def forward(
    weights: Weights,
    shape: ModelShape,
    x: Array,
    timestep: float,
    y: Array,
    *,
    fps: float,
    pixels: tuple[float, float] | None = None,
    hooks: Hooks = EXACT,
) -> Array:
    """Predict from a noisy video.

    Parameters
    ----------
    weights : Mapping
        From :func:`cast`, in the precision of ``x``.
    shape : ModelShape
        Sizes of the checkpoint.
    x : Array
        ``[..., in_channels, T, H, W]`` in float64 or float32; leading axes are samples of one timestep.
    timestep : float
        0 (clean) to 1000 (noise).
    y : Array
        Valid caption tokens ``[..., L, caption_channels]``, with the leading axes of ``x``; none gives a cross
        attention of zeros.
    fps : float
        Frames a second.
    pixels : tuple of float, optional
        Rows and columns of the video in pixels, where the position embedding depends on them.
    hooks : Hooks
        Quantisation, sparsification and observation.

    Returns
    -------
    Array
        ``[..., out_channels, T, H, W]``.

    Raises
    ------
    ModelError
        An input has the wrong shape.
    """
    if y.ndim != x.ndim - 2 or y.shape[:-2] != x.shape[:-4] or y.shape[-1] != shape.caption_channels:
        raise ModelError(
            f"captions are {y.shape}; for a video of {x.shape} they must be "
            f"{(*x.shape[:-4], 'tokens', shape.caption_channels)}"
        )
    t, tables = modulation(weights, shape, timestep, fps)
    tokens = embed(weights, shape, x, pixels, hooks)
    text = embed_text(weights, y.astype(x.dtype))
    tokens = run_blocks(weights, shape, tokens, text, tables, frames=x.shape[-3], hooks=hooks)
    return unpatchify(shape, final_layer(weights, shape, tokens, t), (x.shape[-3], x.shape[-2], x.shape[-1]))
