"""Rotary position embedding of interleaved pairs."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Context, Decimal, localcontext
from functools import lru_cache

import numpy as np

from flightvgm_sim.golden.fp import F32, add, mul, sub

_TURN = Decimal("6.283185307179586476925286766559005768394338798750")
_DIGITS = 40


class HeadError(ValueError):
    """A head that has no pairs; the message names its extent."""


def _sine(angle: Decimal) -> Decimal:
    """Sine by its series, after whole turns are taken off."""
    angle = angle.remainder_near(_TURN)
    term = total = angle
    order = 1
    while abs(term) > Decimal(10) ** -_DIGITS:
        term *= -angle * angle / ((order + 1) * (order + 2))
        total += term
        order += 2
    return total


@lru_cache(maxsize=4096)
def _pairs(position: int, head_dim: int, theta: float) -> F32:
    rows = []
    with localcontext(Context(prec=_DIGITS + 10)):
        for channel in range(0, head_dim, 2):
            angle = position * (-Decimal(channel) / head_dim * Decimal(theta).ln()).exp()
            rows.append((float(_sine(angle + _TURN / 4)), float(_sine(angle))))
    return np.array(rows, np.float64).astype(np.float32)


def rope_table(positions: Iterable[int], head_dim: int, theta: float = 10000.0) -> F32:
    """``(cos a, sin a)`` with ``a = position theta^(-2 i / head_dim)`` for each position and pair i.

    Computed with 50 decimal digits and rounded to FP64, then FP32: the same on every platform.

    Parameters
    ----------
    positions : iterable of int
    head_dim : int
        Even.
    theta : float
        Base of the frequencies.

    Returns
    -------
    array ``[positions, head_dim / 2, 2]`` of FP32

    Raises
    ------
    HeadError
        ``head_dim`` is odd or not positive.
    """
    if head_dim < 2 or head_dim % 2:
        raise HeadError(f"a head of {head_dim} channels has no whole pairs; give an even number")
    table = [_pairs(int(position), head_dim, float(theta)) for position in positions]
    return np.stack(table) if table else np.zeros((0, head_dim // 2, 2), np.float32)


def rotate(x: F32, table: F32) -> F32:
    """Rotate each pair ``(a, b)`` of neighbouring channels.

    ``(fp32(fp32(a cos) - fp32(b sin)), fp32(fp32(b cos) + fp32(a sin)))``.

    Parameters
    ----------
    x : array ``[..., D]`` of FP32
    table : array ``[..., D / 2, 2]`` of FP32
        Pairs (cos, sin); leading axes broadcast against those of ``x``.
    """
    a, b = x[..., 0::2], x[..., 1::2]
    cosine, sine = table[..., 0], table[..., 1]
    first = sub(mul(a, cosine), mul(b, sine))
    second = add(mul(b, cosine), mul(a, sine))
    return np.stack((first, second), axis=-1).reshape(*first.shape[:-1], -1)
