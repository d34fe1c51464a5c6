"""The sparsity ledger: rows and MACs offered, done and skipped at each place, and the law that binds them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from flightvgm_arch.errors import ErrorCode
from flightvgm_arch.sites import OUTSIDE
from flightvgm_sim.machine.errors import FaultError


class Place(NamedTuple):
    """What MARK names."""

    branch: int
    layer: int
    site: int


@dataclass(slots=True)
class Entry:
    """Work at one place.

    Parameters
    ----------
    rows_offered, rows_kept : int
        Rows compared, and rows that remained.
    macs_offered, macs_skipped : int
        MACs of those rows in the layers behind the site.
    macs_done : int
        INT8 MACs of the array, of the mathematical operation.
    macs_fp16 : int
        FP16 MACs of the array, which no site offers.
    """

    rows_offered: int = 0
    rows_kept: int = 0
    macs_offered: int = 0
    macs_skipped: int = 0
    macs_done: int = 0
    macs_fp16: int = 0


class Ledger:
    """Entries by place."""

    def __init__(self) -> None:
        self.entries: dict[Place, Entry] = {}

    def at(self, place: Place) -> Entry:
        """The entry of a place, made when it is first needed."""
        entry = self.entries.get(place)
        if entry is None:
            entry = self.entries[place] = Entry()
        return entry

    def copy(self) -> Ledger:
        """A ledger of the same content that the machine does not change."""
        ledger = Ledger()
        ledger.entries = {place: replace(entry) for place, entry in self.entries.items()}
        return ledger

    def check(self) -> None:
        """Assert ``offered = done + skipped`` at every site.

        Raises
        ------
        FaultError
            The law does not hold at a place, which the message names.
        """
        for place, entry in self.entries.items():
            accounted = entry.macs_done + entry.macs_skipped
            if place.site != OUTSIDE and entry.macs_offered != accounted:
                raise FaultError(
                    ErrorCode.LEDGER,
                    f"branch {place.branch}, layer {place.layer}, site {place.site} offers {entry.macs_offered} MACs "
                    f"but did {entry.macs_done}, skipped {entry.macs_skipped}; take each kept row through each layer "
                    f"behind the site once, and mark what belongs to no site with site {OUTSIDE}",
                )
