"""Bits of a DSP58 cascade that computes fast inner products (Winograd 1968), in both precisions.

``x0 y0 + x1 y1 = (x0 + y1) (x1 + y0) - x0 x1 - y0 y1``: one multiplication, two products of the inner product. The last
two terms are one scalar for each row and one for each column, made where the operands are produced.

*FP16*: operands are 23-bit integers; the product of two 24-bit sums adds up in the 58-bit P register. *INT8*: two pairs
at once, ``u = u1 2^18 + u0`` and ``v = v1 2^15 + v0``, of which ``u0 v0`` and ``u1 v1`` are wanted::

    u v = u0 v0 + (u0 v1 + 8 u1 v0) 2^15 + u1 v1 2^33

In a cascade of N = 2^g slices the three parts overlap by ``2 + g`` and ``3 + g`` bits. Small multipliers beside the
cascade know the sums of the middle modulo ``2^(2+g)`` and of the top modulo ``2^(3+g)``; the last slice subtracts them
through its C port, together with a bias that makes the lower parts positive, and all parts can be cut out of P.

This is how the gateware computes; that the outcome is the exact inner product is what lets
:mod:`flightvgm_sim.golden.matmul` compute otherwise. Source: AM004 for the widths of the slice.
"""

from __future__ import annotations

import numpy as np

from flightvgm_sim.golden.fp import I8, I32, I64

A_BITS, B_BITS, P_BITS = 27, 24, 58
ACCUMULATOR_BITS = 28
DEPTHS = (1, 2, 4, 8)
_MIDDLE, _UPPER, _TOP = 15, 18, 33


class CascadeError(ValueError):
    """An operand or a depth that the cascade cannot take; the message names it."""


def wrap(value: I64, bits: int) -> I64:
    """Two's complement of ``bits`` bits, as a register keeps it."""
    half = 1 << bits - 1
    return (value + half & (1 << bits) - 1) - half


def _multiply(a: I64, b: I64) -> I64:
    """Multiply as one slice does: A has 27 bits, B has 24."""
    for name, operand, bits in (("A", a, A_BITS), ("B", b, B_BITS)):
        if (wrap(operand, bits) != operand).any():
            raise CascadeError(f"a value at port {name} exceeds {bits} bits; keep operands in their format")
    return a * b


def _growth(depth: int) -> int:
    if depth not in DEPTHS:
        raise CascadeError(f"a cascade of {depth} slices has no known residues; choose one of {DEPTHS}")
    return depth.bit_length() - 1


def int8_feed(x: I8, y: I8) -> I64:
    """Pass one feed through the cascade: ``sum_j (x[2j] + y[2j+1]) (x[2j+1] + y[2j])``.

    Parameters
    ----------
    x, y : arrays ``[..., 4 N]`` of INT8
        N is 1, 2, 4 or 8; ``y`` lies in [-127, 127].
    """
    growth = _growth(x.shape[-1] // 4)
    left, right = x.astype(np.int64), y.astype(np.int64)
    u0, u1 = left[..., 0::4] + right[..., 1::4], left[..., 2::4] + right[..., 3::4]
    v0, v1 = left[..., 1::4] + right[..., 0::4], left[..., 3::4] + right[..., 2::4]
    cascade = _multiply((u1 << _UPPER) + u0, (v1 << _MIDDLE) + v0).sum(axis=-1)
    middle_low, top_low = 2 + growth, 3 + growth
    middle = _low_products(u0, v1, middle_low) + 8 * _low_products(u1, v0, middle_low) & (1 << middle_low) - 1
    top = _low_products(u1, v1, top_low) & (1 << top_low) - 1
    bias = (1 << 16 + growth) + (1 << 35 + growth)
    c = bias - (middle << _MIDDLE) - (top << _TOP)
    p = wrap(cascade + c, P_BITS)
    low = (p & (1 << 17 + growth) - 1) - (1 << 16 + growth)
    high = ((p >> 36 + growth) << top_low) + top
    return low + high


def _low_products(a: I64, b: I64, bits: int) -> I64:
    """Sum over the cascade of products of the ``bits`` low bits: what the residue multipliers see."""
    mask = (1 << bits) - 1
    total: I64 = ((a & mask) * (b & mask)).sum(axis=-1)
    return total


def _feeds(x: I64, feed: int) -> I64:
    """Cut the inner extent into feeds, the last one padded with zeros: ``[..., feeds, feed]``."""
    count = -(-x.shape[-1] // feed)
    padding = [(0, 0)] * (x.ndim - 1) + [(0, count * feed - x.shape[-1])]
    return np.pad(x, padding).reshape(*x.shape[:-1], count, feed)


def _corrections(x: I64) -> I64:
    total: I64 = (x[..., 0::2] * x[..., 1::2]).sum(axis=(-1, -2))
    return total


def int8_dot(x: I8, y: I8, depth: int) -> I64:
    """Inner product over the last axis: feeds, a 28-bit accumulator, then both corrections.

    Exact for K up to 8,256, although the accumulator may wrap on the way.

    Parameters
    ----------
    x, y : arrays ``[..., K]`` of INT8
        ``y`` lies in [-127, 127].
    depth : int
        Slices of the cascade.
    """
    _growth(depth)
    left, right = _feeds(x.astype(np.int64), 4 * depth), _feeds(y.astype(np.int64), 4 * depth)
    accumulator = wrap(int8_feed(left.astype(np.int8), right.astype(np.int8)).sum(axis=-1), ACCUMULATOR_BITS)
    return wrap(accumulator - _corrections(left) - _corrections(right), ACCUMULATOR_BITS)


def fp16_dot(x: I32, y: I32, depth: int) -> I64:
    """Inner product of aligned operands: products add up in P of the last slice, then both corrections.

    Exact for K up to 4,096.

    Parameters
    ----------
    x, y : arrays ``[..., K]`` of integers
        Mantissas of :func:`flightvgm_sim.golden.align.align`.
    depth : int
        Slices of the cascade.
    """
    _growth(depth)
    left, right = _feeds(x.astype(np.int64), 2 * depth), _feeds(y.astype(np.int64), 2 * depth)
    u = left[..., 0::2] + right[..., 1::2]
    v = left[..., 1::2] + right[..., 0::2]
    p = wrap(_multiply(u, v).sum(axis=(-1, -2)), P_BITS)
    return wrap(p - _corrections(left) - _corrections(right), P_BITS)
