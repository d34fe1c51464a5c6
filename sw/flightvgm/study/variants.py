"""The curves of the study: families of recipes that differ in one threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flightvgm.recipes import Recipe
from flightvgm.recipes.recipe import SiteRecipe, Theta
from flightvgm_arch.grid import Grid
from flightvgm_arch.sites import KINDS, SITE_NAMES, SITES

PICTURE = "t / h / w"
POSITION = "- / t / hw"
WHOLE_PLANE = (1, 1)


@dataclass(frozen=True)
class Curve:
    """One line of a plot.

    Parameters
    ----------
    figure : str
        Plot to which it belongs.
    name : str
        Label.
    sites : tuple of str
        Sites that are sparsified; the others are dense.
    inter, intra : bool
        Compare with the reference plane of a group of frames; compare with the middle of a 2 x 2 chunk.
    everywhere : bool
        Match with all references of a plane instead of the own chunk's.
    """

    figure: str
    name: str
    sites: tuple[str, ...] = SITE_NAMES
    inter: bool = False
    intra: bool = True
    everywhere: bool = False

    def recipe(self, cosine: float, frames: int) -> Recipe:
        """Recipe of one threshold; half of the frames share a reference frame."""
        thetas = {"theta_group": Theta(cosine), "theta_chunk": Theta(cosine)}
        group = max(2, frames // 2) if self.inter else 1
        grid = Grid(PICTURE, group, (2, 2) if self.intra else WHOLE_PLANE)
        return Recipe(f"{self.name} {cosine}", {site: SiteRecipe(grid, thetas) for site in self.sites})


def of_both_kinds(site: str) -> tuple[str, ...]:
    """Full names of a site in spatial and temporal blocks."""
    return tuple(f"{kind}.{site}" for kind in KINDS)


CURVES: Sequence[Curve] = (
    *(Curve("sites", site, of_both_kinds(site), inter=True) for site in SITES),
    Curve("directions", "inter-frame and intra-frame", inter=True),
    Curve("directions", "inter-frame only", inter=True, intra=False),
    Curve("directions", "intra-frame only"),
    Curve("matching", "local: the own chunk's middle"),
    Curve("matching", "global: the best of all middles", everywhere=True),
)
