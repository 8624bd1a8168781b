"""Reroll: the same recipes with other seeds; pure."""

from collections.abc import Sequence

from bot.domain.kinds.seeds import seeded
from engine.contract import ModelCard, Recipe


def reroll(recipes: Sequence[Recipe], model: ModelCard, *, seed: int) -> tuple[Recipe, ...]:
    """The same recipes with the seeds seed, seed + 1, …"""
    return model.with_row_class([seeded(recipe, seed + n) for n, recipe in enumerate(recipes)])
