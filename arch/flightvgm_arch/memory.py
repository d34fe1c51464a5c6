"""Memory: windows that the host opens, pages that stripe over pseudo-channels, and the ledger's table.

Addresses of a machine are contiguous; each 4 KiB page of them lies in one pseudo-channel of HBM. Page ``p`` goes to
channel ``(p ^ p // channels) mod channels``: neighbouring pages lie in different channels, and so do pages that are
``channels`` pages apart, which rows of a power of two would otherwise all take from one channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from flightvgm_arch.config import PAGE_BYTES
from flightvgm_arch.operations import BY_NAME

PSEUDO_CHANNELS = 32
LEDGER_WORDS = ("rows_offered", "rows_kept", "macs_offered", "macs_skipped", "macs_done", "attention_macs")
LEDGER_ENTRY_BYTES = 64  # Words of 64 bits in the order of LEDGER_WORDS, then zeros.
LEDGER_LAYERS, LEDGER_SITES, LEDGER_BRANCHES = (1 << field.bits for field in BY_NAME["MARK"].fields)
LEDGER_BYTES = LEDGER_LAYERS * LEDGER_SITES * LEDGER_BRANCHES * LEDGER_ENTRY_BYTES


@dataclass(frozen=True)
class Window:
    """Bytes ``base`` to ``limit - 1``, which programs may touch.

    Raises
    ------
    ValueError
        The limit lies below the base.
    """

    base: int
    limit: int

    def __post_init__(self) -> None:
        if not 0 <= self.base <= self.limit:
            raise ValueError(
                f"window {self.base:#x} to {self.limit:#x} is not a range; give the first byte and the end"
            )

    def holds(self, address: int, size: int) -> bool:
        """Tell whether ``size`` bytes from ``address`` lie inside; an access of no bytes is always allowed."""
        return size == 0 or (self.base <= address and address + size <= self.limit)


def allowed(windows: Iterable[Window], address: int, size: int) -> bool:
    """Tell whether one of the windows holds ``size`` bytes from ``address``: an access never spans two."""
    return any(window.holds(address, size) for window in windows)


class Place(NamedTuple):
    """A byte of HBM: pseudo-channel, and offset in it."""

    channel: int
    offset: int


def place(address: int, channels: int = PSEUDO_CHANNELS) -> Place:
    """Find the byte of HBM behind an address.

    Parameters
    ----------
    address : int
        Byte address of the machine.
    channels : int
        Pseudo-channels; a power of two.
    """
    page, byte = divmod(address, PAGE_BYTES)
    stripe, lane = divmod(page, channels)
    return Place((lane ^ stripe) % channels, stripe * PAGE_BYTES + byte)


def address_of(where: Place, channels: int = PSEUDO_CHANNELS) -> int:
    """Invert :func:`place`."""
    stripe, byte = divmod(where.offset, PAGE_BYTES)
    lane = (where.channel ^ stripe) % channels
    return (stripe * channels + lane) * PAGE_BYTES + byte


def ledger_offset(*, layer: int, site: int, branch: int) -> int:
    """Offset of an entry from the address in the register ``LEDGER``; the whole table has :data:`LEDGER_BYTES`.

    Parameters
    ----------
    layer, site, branch : int
        The fields of MARK.

    Raises
    ------
    ValueError
        MARK cannot name the place.
    """
    if not (0 <= layer < LEDGER_LAYERS and 0 <= site < LEDGER_SITES and 0 <= branch < LEDGER_BRANCHES):
        raise ValueError(
            f"layer {layer}, site {site}, branch {branch} is no place that MARK can name; number from zero"
        )
    return ((layer * LEDGER_SITES + site) * LEDGER_BRANCHES + branch) * LEDGER_ENTRY_BYTES
