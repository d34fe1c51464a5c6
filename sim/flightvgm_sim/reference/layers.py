"""Elementary functions of the network, in the precision of their input."""

from __future__ import annotations

import numpy as np

from flightvgm_sim.reference.shape import Array

EPSILON = 1e-6


def dense(x: Array, weight: Array, bias: Array) -> Array:
    """Linear layer ``x weight^T + bias``; ``weight`` is ``[out, in]``."""
    product: Array = x @ weight.T
    product += bias
    return product


def gelu(x: Array) -> Array:
    """GELU by its hyperbolic tangent, ``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``."""
    inner = x * x
    inner *= 0.044715
    inner += 1.0
    inner *= x
    inner *= float(np.sqrt(2 / np.pi))
    np.tanh(inner, out=inner)
    inner += 1.0
    inner *= x
    inner *= 0.5
    return inner


def silu(x: Array) -> Array:
    """``x / (1 + exp(-x))``, free of overflow."""
    gate: Array = np.exp(-np.logaddexp(0.0, -x))
    return gate * x


def layer_norm(x: Array) -> Array:
    """LayerNorm over the last axis without affine part."""
    centred: Array = x - x.mean(-1, keepdims=True)
    centred /= np.sqrt(np.square(centred).mean(-1, keepdims=True) + EPSILON)
    return centred


def rms_norm(x: Array, weight: Array) -> Array:
    """RMSNorm over the last axis."""
    normed: Array = x / np.sqrt(np.square(x).mean(-1, keepdims=True) + EPSILON)
    return normed * weight


def rotate(x: Array, cos: Array, sin: Array) -> Array:
    """Rotary embedding of interleaved pairs of ``x [..., positions, d]`` by tables ``[positions, d / 2]``."""
    out = np.empty_like(x)
    even, odd = x[..., 0::2], x[..., 1::2]
    out[..., 0::2] = even * cos - odd * sin
    out[..., 1::2] = odd * cos + even * sin
    return out


def softmax(scores: Array) -> Array:
    """Softmax over the last axis."""
    powers: Array = scores - scores.max(-1, keepdims=True)
    np.exp(powers, out=powers)
    powers /= powers.sum(-1, keepdims=True)
    return powers
