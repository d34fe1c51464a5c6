"""The sparsifier's decision: which tokens of a site are kept, and which kept token stands for each other one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.formats import ROW_CHANNELS_MOST, THETA_BITS
from flightvgm_arch.grid import Grid
from flightvgm_sim.golden.fp import I8, I16, I64


class SparsifierError(ValueError):
    """Rows or thresholds that do not fit the site; the message names them."""


@dataclass(frozen=True)
class Decision:
    """The outcome for the tokens of a range of bands.

    Parameters
    ----------
    kept : array of int64
        Kept tokens in the order of compaction: ``kept[n]`` becomes compacted row n.
    root : array of int64
        For each token of the site the kept token that stands for it, itself if kept; -1 outside the bands.
    """

    kept: I64
    root: I64


@dataclass(frozen=True)
class _Table:
    """Comparisons in the order of the hardware: token numbers, and positions of the partners in that order."""

    token: I64
    middle: I64
    reference: I64


@lru_cache(maxsize=1024)
def _table(grid: Grid, t: int, h: int, w: int, first: int, count: int) -> _Table:
    comparisons = list(grid.order(t=t, h=h, w=w, first=first, count=count))
    columns = np.array([(c.token, c.middle, c.reference) for c in comparisons], np.int64).reshape(-1, 3)
    position = np.zeros(t * h * w, np.int64)
    position[columns[:, 0]] = np.arange(len(columns))
    return _Table(columns[:, 0], position[columns[:, 1]], position[columns[:, 2]])


def alike(dot: I64, a_square: I64, b_square: I64, theta2: int) -> NDArray[np.bool_]:
    """``dot > 0 and dot^2 2^16 >= theta2 |a|^2 |b|^2``, exact.

    Parameters
    ----------
    dot, a_square, b_square : arrays of int64
        Inner products of pairs of rows, and of their rows with themselves, of magnitudes up to 2^27.
    theta2 : int
        Squared cosine threshold, 0.16 fixed point.
    """
    product = a_square * b_square
    # The product has up to 54 bits: theta2 times it is summed in two parts, the lower one rounded up.
    high, low = product >> THETA_BITS, product & (1 << THETA_BITS) - 1
    bound = theta2 * high + (theta2 * low + (1 << THETA_BITS) - 1 >> THETA_BITS)
    return (dot > 0) & (dot * dot >= bound)


def _dots(a: I8, b: I8) -> I64:
    products: I16 = np.multiply(a, b, dtype=np.int16)
    sums: I64 = products.sum(axis=1, dtype=np.int32).astype(np.int64)
    return sums


def decide(
    rows: I8, grid: Grid, *, t: int, h: int, w: int, first: int, count: int, theta_group: int, theta_chunk: int
) -> Decision:
    """Decide for the tokens of the bands ``first`` to ``first + count``.

    In the reference plane of a group the middle of each chunk is kept; another token maps to it if alike, and is kept
    otherwise. In other planes a token alike to the same place of the reference plane maps to that token's kept row;
    otherwise a middle is kept, and another token maps to its plane's middle if that one was kept and is alike, and is
    kept otherwise. Bands that the grid does not have hold no tokens.

    Parameters
    ----------
    rows : array ``[t h w, C]`` of INT8
        Quantised tokens, by token number.
    grid : Grid
        The site's comparison grid.
    t, h, w : int
        Extents of the token set.
    first, count : int
        The bands.
    theta_group, theta_chunk : int
        Squared thresholds of the two comparisons, 0.16 fixed point.

    Raises
    ------
    SparsifierError
        The rows are not those of the token set, or a threshold does not fit.
    """
    if rows.shape[0] != t * h * w or rows.shape[1] > ROW_CHANNELS_MOST:
        raise SparsifierError(
            f"rows of shape {rows.shape} must be {t * h * w} tokens of at most {ROW_CHANNELS_MOST} channels "
            f"for a token set of {t} x {h} x {w}"
        )
    for theta2 in (theta_group, theta_chunk):
        if not 0 <= theta2 < 1 << THETA_BITS:
            raise SparsifierError(f"the squared threshold {theta2} must be 0 to {(1 << THETA_BITS) - 1}")
    table = _table(grid, t, h, w, first, count)
    places = np.arange(len(table.token))
    ordered = rows[table.token]
    squares = _dots(ordered, ordered)

    def compare(partner: I64, theta2: int) -> NDArray[np.bool_]:
        """Tell which tokens are alike to a partner that is not the token itself."""
        verdict = np.zeros(len(places), np.bool_)
        token = np.flatnonzero(partner != places)
        other = partner[token]
        verdict[token] = alike(_dots(ordered[token], ordered[other]), squares[token], squares[other], theta2)
        return verdict

    grouped, chunked = compare(table.reference, theta_group), compare(table.middle, theta_chunk)
    joined = ~grouped & chunked & ~grouped[table.middle]
    own = np.where(joined, table.middle, places)
    stands = np.where(grouped, own[table.reference], own)
    root = np.full(t * h * w, -1, np.int64)
    root[table.token] = table.token[stands]
    return Decision(kept=table.token[stands == places], root=root)
