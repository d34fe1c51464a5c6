"""Cases: measurements with a bound."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Report = Callable[[float, float], None]  # Called with (done, total).


class BenchError(ValueError):
    """A measurement that cannot be made; the message names the case and the remedy."""


@dataclass(frozen=True)
class Figure:
    """One measured number.

    Parameters
    ----------
    text : str
        What it is.
    value : float
        The measurement.
    unit : str
        Its unit; empty for plain numbers.
    least, most : float or None
        Bounds; a figure without them is reported only.
    """

    text: str
    value: float
    unit: str = ""
    least: float | None = None
    most: float | None = None

    @property
    def bound(self) -> str:
        """The bound in words; empty where there is none."""
        parts = [
            f">= {self.least:g}" if self.least is not None else "",
            f"<= {self.most:g}" if self.most is not None else "",
        ]
        return " and ".join(part for part in parts if part)

    @property
    def holds(self) -> bool:
        """Whether the value is within its bounds; not-a-number never is."""
        low = self.least is None or self.value >= self.least
        high = self.most is None or self.value <= self.most
        return low and high and not math.isnan(self.value)

    @property
    def verdict(self) -> str:
        """``ok``, ``SHORT`` or, without a bound, ``reported``."""
        if not self.bound:
            return "reported"
        return "ok" if self.holds else "SHORT"

    def to_dict(self) -> dict[str, Any]:
        """Plain values; an infinite or undefined value is ``null``."""
        return {
            "text": self.text,
            "figure": self.value if math.isfinite(self.value) else None,
            "unit": self.unit,
            "least": self.least,
            "most": self.most,
            "verdict": self.verdict,
        }


@dataclass(frozen=True)
class Case:
    """A named measurement.

    Parameters
    ----------
    name : str
        What the command line calls it.
    text : str
        What it measures, in one line.
    measure : callable
        Takes a :data:`Report` and returns figures.
    """

    name: str
    text: str
    measure: Callable[[Report], list[Figure]]


_CASES: dict[str, Case] = {}


def case(name: str, text: str) -> Callable[[Callable[[Report], list[Figure]]], Callable[[Report], list[Figure]]]:
    """Register the decorated function as a case."""

    def register(measure: Callable[[Report], list[Figure]]) -> Callable[[Report], list[Figure]]:
        if name in _CASES:
            raise BenchError(f"two cases are called '{name}'; rename one")
        _CASES[name] = Case(name, text, measure)
        return measure

    return register


def cases() -> Mapping[str, Case]:
    """All cases by name, in the order of their modules."""
    package = importlib.import_module("flightvgm.bench.cases")
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda item: item.name):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _CASES


def chosen(names: list[str]) -> list[Case]:
    """Cases by name; all of them for an empty list.

    Raises
    ------
    BenchError
        There is no such case.
    """
    known = cases()
    for name in names:
        if name not in known:
            raise BenchError(f"there is no case '{name}'; the cases are {', '.join(known)}")
    return [known[name] for name in names or known]
