"""Sparsity recipes: which tokens are compared at each site, and how alike they must be."""

from __future__ import annotations

from flightvgm.recipes.recipe import DEFAULT_RECIPE, Recipe, RecipeError, load_recipe, shipped

__all__ = ["DEFAULT_RECIPE", "Recipe", "RecipeError", "load_recipe", "shipped"]
