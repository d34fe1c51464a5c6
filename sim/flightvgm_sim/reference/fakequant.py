"""Quantisation simulated in floating point, to tell its error from all others.

``Hooks(linear=QuantisedLinear())`` is the machine's hybrid: INT8 linear layers, floating-point attention.
``Hooks(linear=QuantisedLinear(), attention=int8_attention)`` is everything in INT8, for comparison. Rounding of FP16
and FP32 is left out: the golden machine has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from flightvgm_sim.reference.hooks import Hooks
from flightvgm_sim.reference.shape import Array

LARGEST = 127


def quantise(x: Array, axis: int = -1) -> tuple[Array, Array]:
    """Symmetric INT8 values, as floating-point numbers, and their scale along ``axis``.

    ``scale = max |x| / 127``; values are rounded to nearest even. Zeros have scale 0.
    """
    scale = np.abs(x).max(axis, keepdims=True) / LARGEST
    return np.rint(x / np.where(scale > 0, scale, 1)), scale


@dataclass
class QuantisedLinear:
    """Linear layer with weights quantised per output channel and rows of ``x`` per token.

    The weights of a layer are quantised once; an instance serves one checkpoint in one precision.
    """

    cache: dict[str, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    def __call__(self, name: str, x: Array, weight: Array, bias: Array) -> Array:
        """Compute ``(xq wq^T) x_scale w_scale + bias``."""
        if name not in self.cache:
            self.cache[name] = quantise(weight)
        values, scale = self.cache[name]
        rows, row_scale = quantise(x)
        product: Array = rows @ values.T
        product *= row_scale
        product *= scale[:, 0]
        product += bias
        return product


def int8_attention(_name: str, q: Array, k: Array, v: Array) -> Array:
    """Attention with INT8 operands.

    Queries and keys are quantised per token and head, values per channel and head; probabilities, not normalised, so
    that the largest is 1, become ``round(127 p)`` and are divided by their sum at the end.
    """
    if not k.shape[-2]:
        return np.zeros_like(q)
    qi, q_scale = quantise(q * q.shape[-1] ** -0.5)
    ki, k_scale = quantise(k)
    vi, v_scale = quantise(v, axis=-2)
    scores = qi @ ki.swapaxes(-1, -2)
    scores *= q_scale
    scores *= k_scale.swapaxes(-1, -2)
    scores -= scores.max(-1, keepdims=True)
    powers = np.rint(LARGEST * np.exp(scores))
    attended: Array = powers @ vi * v_scale / powers.sum(-1, keepdims=True)
    return attended


def hybrid(site: Callable[[str, Array], Array | None] | None = None) -> Hooks:
    """Hooks of INT8 linear layers and floating-point attention, dense unless a ``site`` is given."""
    hooks = Hooks(linear=QuantisedLinear())
    return hooks if site is None else Hooks(linear=hooks.linear, site=site)


def all_int8(site: Callable[[str, Array], Array | None] | None = None) -> Hooks:
    """Hooks of INT8 linear layers and INT8 attention, dense unless a ``site`` is given."""
    hooks = hybrid(site)
    return Hooks(linear=hooks.linear, attention=int8_attention, site=hooks.site)
