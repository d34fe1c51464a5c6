"""The weight ring as the matrix unit sees it."""

from __future__ import annotations

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

TILE_BYTE_BITS = 24


class RingPort(wiring.Signature):
    """Weight tiles on chip, as their consumer sees them.

    They are taken in order, and released in order when they have been fed.

    Parameters
    ----------
    lines : int
        Lines of 16 bytes in a bank of B.

    Members
    -------
    valid : In(1)
        The oldest tile that was not taken is on chip.
    place : In(range(lines))
        Its first line in each bank.
    bytes : In(24)
        Its size.
    take : Out(1)
        Pulse: it is taken; the next one may be there in the next cycle.
    release : Out(1)
        Pulse: the oldest tile that was taken is no longer read.
    """

    def __init__(self, lines: int) -> None:
        super().__init__(
            {
                "valid": In(1),
                "place": In(range(lines)),
                "bytes": In(TILE_BYTE_BITS),
                "take": Out(1),
                "release": Out(1),
            }
        )
