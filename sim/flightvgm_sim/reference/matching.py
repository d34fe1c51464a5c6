"""Which tokens of a site are kept, and whose result the others take.

A *map* holds, for each token, the number of the token whose result it takes; a kept token holds its own number. The
machine stores the kept row's number instead; the partition is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.grid import Grid
from flightvgm_sim.reference.shape import Array, ModelError

Tokens = NDArray[np.intp]


@dataclass(frozen=True)
class _Tables:
    """For each token, its middle and its place in the reference plane; for each plane, its middles and its others."""

    middle: Tokens
    reference: Tokens
    middles: Tokens
    others: Tokens


@lru_cache(maxsize=64)
def _tables(grid: Grid, t: int, h: int, w: int) -> _Tables:
    order = sorted(grid.order(t=t, h=h, w=w), key=lambda comparison: comparison.token)
    middle = np.array([comparison.middle for comparison in order], np.intp)
    reference = np.array([comparison.reference for comparison in order], np.intp)
    planes, rows, columns = grid.extents(t, h, w)
    cells = np.array(
        [[grid.place(p, r, c, t=t, h=h, w=w) for r in range(rows) for c in range(columns)] for p in range(planes)],
        np.intp,
    )
    is_middle = middle[cells] == cells
    return _Tables(middle, reference, cells[is_middle].reshape(planes, -1), cells[~is_middle].reshape(planes, -1))


def _checked(x: Array, grid: Grid, t: int, h: int, w: int) -> _Tables:
    if min(t, h, w) < 1 or x.ndim < 2 or x.shape[-2] != t * h * w:
        raise ModelError(f"tokens are {x.shape}; a grid of {t} x {h} x {w} needs (..., {t * h * w}, channels)")
    return _tables(grid, t, h, w)


def _alike(x: Array, squares: Array, other: Tokens, threshold: float | None) -> NDArray[np.bool_]:
    """Whether each token's cosine with token ``other`` is positive and reaches the threshold."""
    if threshold is None:
        return np.zeros(x.shape[:-1], np.bool_)
    dots = np.einsum("...nc,...nc->...n", x, x[..., other, :])
    like: NDArray[np.bool_] = (dots > 0) & (dots >= threshold * np.sqrt(squares * squares[..., other]))
    return like


def local_map(
    x: Array, grid: Grid, *, t: int, h: int, w: int, theta_group: float | None, theta_chunk: float | None
) -> Tokens:
    """Map ``[..., N]`` of tokens ``x [..., N, C]`` by the machine's rule.

    In the reference plane of a group the middle of a chunk is kept; another token takes the middle's result if their
    cosine reaches ``theta_chunk``, and is kept otherwise. A token of another plane takes the result of the same place
    of the reference plane (its own, or that of its middle) if their cosine reaches ``theta_group``; otherwise a middle
    is kept, and another token takes its own plane's middle if that one was kept and is alike, and is kept otherwise.
    A zero token is alike to nothing. The machine decides on INT8 values; cosines here are those of ``x``.

    Parameters
    ----------
    t, h, w : int
        Extents of the N tokens, frame major.
    theta_group, theta_chunk : float, optional
        Cosine thresholds; ``None`` switches a comparison off.

    Raises
    ------
    ModelError
        The extents do not fit ``x``.
    """
    tables = _checked(x, grid, t, h, w)
    here = np.arange(x.shape[-2])
    squares = np.einsum("...nc,...nc->...n", x, x)
    is_reference, is_middle = tables.reference == here, tables.middle == here
    copied = ~is_reference & _alike(x, squares, tables.reference, theta_group)
    like_middle = ~is_middle & _alike(x, squares, tables.middle, theta_chunk)
    # In the reference plane nothing is copied, so that its middles count as kept.
    own = np.where(like_middle & ~copied[..., tables.middle], tables.middle, here)
    taken: Tokens = np.where(copied, own[..., tables.reference], own)
    return taken


def global_map(x: Array, grid: Grid, *, t: int, h: int, w: int, theta: float | None) -> Tokens:
    """Map ``[..., N]`` by bipartite matching with all reference tokens of a plane, as the authors' GPU code does it.

    A chunk's middle is a reference token and is kept. Another token takes the result of the reference token of its
    plane, in whatever chunk, with the greatest cosine if that reaches ``theta``; the first one wins a tie. Groups of
    planes play no part. To match the frames of one position only, name the plane so: ``hw / t / -``.

    The authors choose each chunk's reference at random, which costs nothing on a GPU, and drop as many tokens of each
    sample as the most reluctant one allows; here the reference is the middle, as in :func:`local_map`, so that the
    two differ by locality alone, and a token follows its own cosine.

    Parameters
    ----------
    t, h, w : int
        Extents of the N tokens, frame major.
    theta : float, optional
        Cosine threshold; ``None`` keeps every token.

    Raises
    ------
    ModelError
        The extents do not fit ``x``.
    """
    tables = _checked(x, grid, t, h, w)
    here = np.broadcast_to(np.arange(x.shape[-2]), x.shape[:-1]).copy()
    if theta is None or not tables.others.size:
        return here
    lengths = np.sqrt(np.einsum("...nc,...nc->...n", x, x))
    lengths = np.where(lengths > 0, lengths, 1)
    # Products come before lengths, so that the sign of orthogonal tokens' cosine is not a matter of rounding.
    cosines = x[..., tables.others, :] @ x[..., tables.middles, :].swapaxes(-1, -2)
    cosines /= lengths[..., tables.others][..., :, None]
    cosines /= lengths[..., tables.middles][..., None, :]
    best = cosines.argmax(-1)
    cosine = np.take_along_axis(cosines, best[..., None], -1)[..., 0]
    match = tables.middles[np.arange(len(tables.middles))[:, None], best]
    here[..., tables.others] = np.where((cosine > 0) & (cosine >= theta), match, tables.others)
    return here
