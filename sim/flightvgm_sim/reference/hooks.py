"""Places where a variant of the network differs from the exact one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flightvgm_sim.reference.layers import dense, softmax
from flightvgm_sim.reference.shape import Array, ModelError


def exact_linear(_name: str, x: Array, weight: Array, bias: Array) -> Array:
    """Linear layer without quantisation."""
    return dense(x, weight, bias)


def exact_attention(_name: str, q: Array, k: Array, v: Array) -> Array:
    """``softmax(q k^T / sqrt(d)) v`` for ``[..., heads, tokens, d]``; zeros where there is no key."""
    if not k.shape[-2]:
        return np.zeros_like(q)
    scores = (q * q.shape[-1] ** -0.5) @ k.swapaxes(-1, -2)
    attended: Array = softmax(scores) @ v
    return attended


def every_row(_name: str, _x: Array) -> Array | None:
    """Keep every row of every site."""
    return None


def unobserved(_name: str, _x: Array) -> None:
    """Look at nothing."""


@dataclass(frozen=True)
class Hooks:
    """Functions that the blocks call; the defaults give the exact network.

    Names are those of the modules in the state dict, such as ``spatial_blocks.0.attn.qkv``.

    Parameters
    ----------
    linear : callable
        ``(name, x [..., in], weight [out, in], bias [out]) -> [..., out]``.
    attention : callable
        ``(name, q, k, v)``, each ``[..., heads, tokens, d]``, to the attended values; ``name`` ends in ``attn`` or
        ``cross_attn``.
    site : callable
        ``(name, x [..., N, C])`` to the map ``[..., N]`` of a sparsification site, or ``None`` to keep all rows.
        A map gives, for each token, the number of the token whose result it takes; a kept token gives its own.
    observe : callable
        ``(name, x)``, called with the embedded patches (``x_embedder``) and each block's output.
    """

    linear: Callable[[str, Array, Array, Array], Array] = exact_linear
    attention: Callable[[str, Array, Array, Array], Array] = exact_attention
    site: Callable[[str, Array], Array | None] = every_row
    observe: Callable[[str, Array], None] = unobserved

    def reduced(self, name: str, x: Array, layer: Callable[[Array], Array]) -> Array:
        """Apply ``layer`` to the rows that site ``name`` keeps and recover the others.

        Raises
        ------
        ModelError
            The site's map has the wrong size or refers to a token that is not kept.
        """
        rows = self.site(name, x)
        if rows is None:
            return layer(x)
        tokens = x.shape[-2]
        if rows.shape != x.shape[:-1] or rows.min() < 0 or rows.max() >= tokens:
            raise ModelError(f"the map of {name} must name one of {tokens} tokens for each token")
        samples = rows.reshape(-1, tokens)
        target = (samples + tokens * np.arange(len(samples))[:, None]).ravel()
        kept = target == np.arange(target.size)
        if not kept[target].all():
            raise ModelError(f"the map of {name} refers to a token that is not kept; store the final kept token")
        results: Array = layer(x.reshape(target.size, -1)[kept])
        recovered: Array = results[(np.cumsum(kept) - 1)[target]]
        return recovered.reshape(*x.shape[:-1], -1)
