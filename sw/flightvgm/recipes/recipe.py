"""A sparsity recipe and its TOML file.

A file names sites, ``spatial.attn.qkv``, or a site of both kinds of block, ``mlp``, which the longer name overrides::

    [sites."cross_attn.proj"]
    grid = "- / h / tw"                               # group / row / column
    group = 1                                         # planes that share a reference plane; 1 is the default
    chunk = [2, 2]                                    # rows and columns that share a reference token; [1, 1]
    theta_chunk = { start = 0.9, step = 0.002 }       # cosine; a number, or a line in the step that ends at 1
    theta_group = 0.95                                # wanted where group is above 1
    [[sites."cross_attn.proj".where]]                 # overrides; the last one that applies counts
    layers = [0, 3]                                   # first and last block in order of execution, which must exist
    steps = [20, 29]                                  # first and last step, which must exist
    theta_chunk = 0.99

Sites that are not named are dense.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from flightvgm_arch.formats import theta_squared
from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import KINDS, SITE_NAMES, SITES

FOLDER = Path(__file__).parent
DEFAULT_RECIPE = "paper"
DENSE = Grid("t / h / w", 1, (1, 1))
THETAS = ("theta_group", "theta_chunk")


class RecipeError(ValueError):
    """A recipe that cannot be used; the message names the culprit and what is known."""


@dataclass(frozen=True)
class Theta:
    """Cosine threshold ``start + slope * step``, at most 1."""

    start: float
    slope: float = 0.0

    def at(self, step: int) -> float:
        """Threshold of a step."""
        return min(max(self.start + self.slope * step, 0.0), 1.0)


@dataclass(frozen=True)
class Override:
    """Thresholds for a range of blocks and steps, both ends included; ``None`` is no bound."""

    thetas: Mapping[str, Theta]
    layers: tuple[int, int] | None = None
    steps: tuple[int, int] | None = None

    def applies(self, step: int, layer: int) -> bool:
        """Tell whether the place is in the range."""
        pairs = ((self.layers, layer), (self.steps, step))
        return all(span is None or span[0] <= value <= span[1] for span, value in pairs)


@dataclass(frozen=True)
class SiteRecipe:
    """Grid and thresholds of a site."""

    grid: Grid = DENSE
    thetas: Mapping[str, Theta] = field(default_factory=dict)
    overrides: tuple[Override, ...] = ()

    @property
    def compares(self) -> tuple[bool, bool]:
        """Whether tokens are compared with the reference plane, and with their chunk's middle."""
        return self.grid.group > 1, self.grid.chunk != (1, 1)

    def cosines(self, step: int, layer: int) -> tuple[float | None, float | None]:
        """Thresholds against the reference plane and the middle; ``None`` where nothing is compared."""
        thetas = dict(self.thetas)
        for override in self.overrides:
            if override.applies(step, layer):
                thetas.update(override.thetas)
        group, chunk = (thetas[name].at(step) if on else None for name, on in zip(THETAS, self.compares, strict=True))
        return group, chunk


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Parameters
    ----------
    name : str
        For reports.
    sites : Mapping
        :class:`SiteRecipe` by site, ``spatial.attn.qkv``; others are dense.
    """

    name: str
    sites: Mapping[str, SiteRecipe] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for site in self.sites:
            _check_site(f"recipe '{self.name}'", site, SITE_NAMES)

    def site(self, site: str) -> SiteRecipe:
        """Rule of a site.

        Raises
        ------
        RecipeError
            There is no such site.
        """
        _check_site(f"recipe '{self.name}'", site, SITE_NAMES)
        return self.sites.get(site, SiteRecipe())

    def grid(self, site: str) -> Grid:
        """Comparison grid of a site."""
        return self.site(site).grid

    def cosines(self, site: str, step: int, layer: int) -> tuple[float | None, float | None]:
        """Cosine thresholds (group, chunk) of a site; ``None`` where nothing is compared."""
        return self.site(site).cosines(step, layer)

    def thresholds(self, step: int, layer: int) -> NDArray[np.uint32]:
        """Squared thresholds ``[sites, 2]`` (group, chunk) of a block, 0.16 fixed point; unused ones are zero."""
        kind = KINDS[layer % len(KINDS)]
        pairs = [self.cosines(f"{kind}.{site}", step, layer) for site in SITES]
        return np.array([[0 if theta is None else theta_squared(theta) for theta in pair] for pair in pairs], np.uint32)

    def check(self, steps: int, layers: int) -> None:
        """Refuse overrides of blocks or steps that are not there.

        Raises
        ------
        RecipeError
            A range ends beyond the model's blocks or the denoising steps.
        """
        for site, rule in self.sites.items():
            for override in rule.overrides:
                for name, span, count in (("layers", override.layers, layers), ("steps", override.steps, steps)):
                    if span is not None and span[1] >= count:
                        raise RecipeError(
                            f"an override of site '{site}' of recipe '{self.name}' is for {name} {span[0]} to "
                            f"{span[1]}, but there are {count}; end it at {count - 1} or leave {name} out"
                        )

    def table(self, steps: int, layers: int) -> NDArray[np.uint32]:
        """Squared thresholds ``[steps, layers, sites, 2]``, as the program reads them.

        Raises
        ------
        RecipeError
            The recipe overrides blocks or steps that are not there.
        """
        self.check(steps, layers)
        return np.array([[self.thresholds(step, layer) for layer in range(layers)] for step in range(steps)], np.uint32)


def shipped() -> tuple[str, ...]:
    """Names of the recipes that come with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_recipe(name: str | Path = DEFAULT_RECIPE) -> Recipe:
    """Read a shipped recipe by name, or a TOML file; without either, the authors' table.

    A checkpoint names a recipe of its own, which :class:`flightvgm.pipeline.Pipeline` loads instead.

    Raises
    ------
    RecipeError
        There is no such recipe, or the file is malformed.
    """
    path = FOLDER / f"{name}.toml" if str(name) in shipped() else Path(name)
    if path.suffix != ".toml" or not path.is_file():
        raise RecipeError(f"there is no recipe '{name}'; name a .toml file or one of {', '.join(shipped())}")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as problem:
        raise RecipeError(f"recipe '{path}' cannot be read as TOML: {problem}") from None
    return parse_recipe(path.stem, values)


def parse_recipe(name: str, values: Mapping[str, Any]) -> Recipe:
    """Read a recipe from the content of a TOML file.

    Raises
    ------
    RecipeError
        A key or site is unknown, a grid is malformed, or a threshold is missing or out of range.
    """
    where = f"recipe '{name}'"
    _check_keys(where, values, ("text", "sites"))
    entries = values.get("sites", {})
    if not isinstance(entries, dict):
        raise RecipeError(f"{where} must have a table 'sites'")
    sites: dict[str, SiteRecipe] = {}
    for site in sorted(entries, key=lambda item: item in SITE_NAMES):
        _check_site(where, site, (*SITES, *SITE_NAMES))
        rule = _site(f"site '{site}' of {where}", entries[site])
        sites.update({full: rule for full in SITE_NAMES if site in (full, full.partition(".")[2])})
    return Recipe(name, sites)


def _site(where: str, entry: object) -> SiteRecipe:
    if not isinstance(entry, dict):
        raise RecipeError(f"{where} must be a table")
    _check_keys(where, entry, ("grid", "group", "chunk", *THETAS, "where"))
    group, chunk = entry.get("group", DENSE.group), entry.get("chunk", list(DENSE.chunk))
    pair = isinstance(chunk, list) and len(chunk) == 2 and all(type(side) is int for side in chunk)
    slots = entry.get("grid", DENSE.slots)
    if type(group) is not int or not pair or not isinstance(slots, str):
        raise RecipeError(f"{where} needs a grid such as 't / h / w', a group such as 1 and a chunk such as [2, 2]")
    try:
        grid = Grid(slots, group, (chunk[0], chunk[1]))
    except ValueError as problem:
        raise RecipeError(f"{where}: {problem}") from None
    overrides = entry.get("where", [])
    if not isinstance(overrides, list):
        raise RecipeError(f"{where} must write its overrides as [[sites.NAME.where]]")
    rule = SiteRecipe(grid, _thetas(where, entry), tuple(_override(where, item) for item in overrides))
    for name, wanted in zip(THETAS, rule.compares, strict=True):
        if wanted and name not in rule.thetas:
            raise RecipeError(f"{where} compares tokens but lacks {name}; give a cosine between 0 and 1")
    return rule


def _override(where: str, entry: object) -> Override:
    if not isinstance(entry, dict):
        raise RecipeError(f"an override of {where} must be a table")
    _check_keys(f"an override of {where}", entry, ("layers", "steps", *THETAS))
    return Override(_thetas(where, entry), _span(where, entry, "layers"), _span(where, entry, "steps"))


def _span(where: str, entry: Mapping[str, Any], name: str) -> tuple[int, int] | None:
    value = entry.get(name)
    if value is None:
        return None
    pair = isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value)
    if not pair or not 0 <= value[0] <= value[1]:
        raise RecipeError(f"{name} of an override of {where} is {value!r}; give the first and the last, such as [0, 3]")
    return value[0], value[1]


def _thetas(where: str, entry: Mapping[str, Any]) -> dict[str, Theta]:
    return {name: _theta(f"{name} of {where}", entry[name]) for name in THETAS if name in entry}


def _theta(where: str, value: object) -> Theta:
    parts: dict[str, Any] = value if isinstance(value, dict) else {"start": value}
    _check_keys(where, parts, ("start", "step"))
    start, slope = parts.get("start"), parts.get("step", 0.0)
    if not _is_number(start) or not _is_number(slope):
        raise RecipeError(f"{where} is {value!r}; give a cosine such as 0.9 or {{ start = 0.75, step = 0.01 }}")
    if not 0.0 <= start <= 1.0 or not -1.0 <= slope <= 1.0:
        raise RecipeError(f"{where} is {value!r}; a cosine threshold must lie between 0 and 1")
    return Theta(float(start), float(slope))


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_site(where: str, site: str, known: tuple[str, ...]) -> None:
    if site not in known:
        raise RecipeError(f"{where} names the unknown site '{site}'; the sites are {', '.join(known)}")


def _check_keys(where: str, entry: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(entry) - set(known))
    if unknown:
        raise RecipeError(f"{where} has the unknown key '{unknown[0]}'; known keys are {', '.join(known)}")
