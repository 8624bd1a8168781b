"""Recipes with other seeds; pure."""

import msgspec

from engine.contract import SEED_LIMIT, Recipe


def seeded(recipe: Recipe, seed: int) -> Recipe:
    """The same recipe with this seed, or, if that is too large, its remainder."""
    return msgspec.structs.replace(recipe, seed=seed % SEED_LIMIT)
