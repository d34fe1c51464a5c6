"""The sparsity ledger as the host sees it: rows and MACs offered, done and skipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

OUTSIDE = "outside the sites"  # Keys and values of the text, once a prompt.


class Place(NamedTuple):
    """Where work was done: guidance branch, block in order of execution, and site (or :data:`OUTSIDE`)."""

    branch: int
    layer: int
    site: str


@dataclass(frozen=True)
class Work:
    """Rows and MACs of one place; ``attention`` are the FP16 MACs, which are never skipped."""

    rows_offered: int = 0
    rows_kept: int = 0
    offered: int = 0
    done: int = 0
    skipped: int = 0
    attention: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*(getattr(self, name) + getattr(other, name) for name in FIELDS))

    def __sub__(self, other: Work) -> Work:
        return Work(*(getattr(self, name) - getattr(other, name) for name in FIELDS))

    def to_dict(self) -> dict[str, int]:
        """Fields by name."""
        return {name: getattr(self, name) for name in FIELDS}


FIELDS = tuple(Work.__dataclass_fields__)
Key = TypeVar("Key")


def _summed(items: Iterable[tuple[Key, Work]]) -> dict[Key, Work]:
    sums: dict[Key, Work] = {}
    for key, work in items:
        sums[key] = sums.get(key, Work()) + work
    return sums


@dataclass(frozen=True)
class Ledger:
    """Work by place."""

    entries: Mapping[Place, Work] = field(default_factory=dict)

    @property
    def total(self) -> Work:
        """Sum over all places."""
        return sum(self.entries.values(), Work())

    @property
    def equivalent(self) -> int:
        """MACs done, those in FP16 counted twice: they take twice the time on the array."""
        total = self.total
        return total.done + 2 * total.attention

    def by_site(self) -> dict[str, Work]:
        """Sum over branches and layers, in the order in which sites first occur."""
        return _summed((place.site, work) for place, work in self.entries.items())

    def by_layer(self) -> dict[int, Work]:
        """Sum over branches and sites."""
        return _summed((place.layer, work) for place, work in self.entries.items())

    def __add__(self, other: Ledger) -> Ledger:
        return Ledger(_summed([*self.entries.items(), *other.entries.items()]))

    def __sub__(self, other: Ledger) -> Ledger:
        return Ledger({place: work - other.entries.get(place, Work()) for place, work in self.entries.items()})

    def check(self) -> None:
        """Assert the conservation law at every place.

        Raises
        ------
        ValueError
            Work was offered and neither done nor skipped.
        """
        for place, work in self.entries.items():
            if work.offered != work.done + work.skipped:
                raise ValueError(
                    f"the ledger of branch {place.branch}, block {place.layer}, {place.site} offers {work.offered} MACs"
                    f" but accounts for {work.done} done and {work.skipped} skipped; report this as a bug"
                )
