"""Like earlier pictures, but a little different; pure, so chance comes in as an argument."""

from collections.abc import Sequence
from typing import Final

import msgspec

from engine.contract import MAX_PICTURES, SEED_LIMIT, ModelCard, Recipe

VARIATION_STRENGTH: Final = 0.15
"""The share of other noise in a variation: enough to see, little enough to know the parent."""
_OFFSETS: Final = (0.06, -0.06, 0.1, -0.1, 0.14, -0.14, 0.18, -0.18)
_JITTER: Final = 0.02


def vary(parents: Sequence[Recipe], model: ModelCard, *, seed: int) -> tuple[Recipe, ...]:
    """Four variations of one parent, or one of each of several; `chance` is a fresh seed.

    A first variation keeps the parent's seed and mixes in VARIATION_STRENGTH of the noise of
    subseeds chance, chance + 1, … (the rule of AUTOMATIC1111's "variation seed").

    A recipe has room for one subseed only, so a variation of a variation cannot add a third
    noise. Replacing its subseed would come out as near to its siblings as to itself; so seed and
    subseed stay, and the share of the subseed's noise drifts by 0.04 to 0.2 to both sides. Such
    variations are nearer to the picture that was chosen than to any of its siblings, but they
    differ less boldly among themselves.
    """
    if len(parents) > 1:
        return model.with_row_class(
            [_variation_of(parent, seed, n) for n, parent in enumerate(parents)]
        )
    return model.with_row_class([_variation_of(parents[0], seed, n) for n in range(MAX_PICTURES)])


def _variation_of(parent: Recipe, seed: int, nth: int) -> Recipe:
    if parent.subseed_strength == 0.0:
        return msgspec.structs.replace(
            parent, subseed=(seed + nth) % SEED_LIMIT, subseed_strength=VARIATION_STRENGTH
        )
    share = _nudged_strength(parent.subseed_strength, seed, nth)
    return msgspec.structs.replace(parent, subseed_strength=share)


def _nudged_strength(strength: float, seed: int, nth: int) -> float:
    """The share moved a little; different for each nth and, most likely, each chance."""
    wander = (seed % 1009 / 1008 * 2 - 1) * _JITTER
    moved = (strength + drift + wander for drift in _OFFSETS)
    return round([option for option in moved if 0.0 < option <= 1.0][nth], 4)
