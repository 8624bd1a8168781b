"""Recipes with other seeds; pure."""

import msgspec

from engine.contract import SEED_LIMIT, Recipe


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The recipe with this seed modulo SEED_LIMIT."""
    return msgspec.structs.replace(recipe, seed=seed % SEED_LIMIT)
