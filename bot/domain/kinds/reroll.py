"""Reroll: the same recipes with other seeds; pure."""

from collections.abc import Sequence
from typing import Final

from bot.domain.plan import JobKind
from engine.contract import ModelCard, Recipe

KIND: Final = JobKind(name="reroll", title="Again: ")


def reroll(recipes: Sequence[Recipe], model: ModelCard, *, seed: int) -> tuple[Recipe, ...]:
    """The same recipes with the seeds seed, seed + 1, …"""
    return model.with_row_class([recipe.with_seed(seed + n) for n, recipe in enumerate(recipes)])
