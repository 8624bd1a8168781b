"""Variations: earlier pictures with small differences; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.plan import JobKind
from engine.contract import MAX_PICTURES, SEED_LIMIT, ModelCard, Recipe

VARIATION_STRENGTH: Final = 0.15
"""The share of the subseed's noise: enough to see a difference, little enough to keep the
composition."""
_OFFSETS: Final = (0.06, -0.06, 0.1, -0.1, 0.14, -0.14, 0.18, -0.18)
_JITTER: Final = 0.02


def vary(parents: Sequence[Recipe], model: ModelCard, *, seed: int) -> tuple[Recipe, ...]:
    """Four variations of one parent, or one of each of several; `seed` is random.

    A first variation keeps the parent's seed and mixes in VARIATION_STRENGTH of the noise of
    subseeds seed, seed + 1, … (AUTOMATIC1111's "variation seed").

    A recipe has only one subseed, so a variation of a variation cannot add a third noise, and with
    another subseed it would be as close to its siblings as to its parent. So both seeds stay, and
    the strength of the subseed changes by 0.04 to 0.2. Such variations are closer to their parent
    than to its siblings, but differ less from each other.
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
    strength = _nudged_strength(parent.subseed_strength, seed, nth)
    return msgspec.structs.replace(parent, subseed_strength=strength)


def _nudged_strength(strength: float, seed: int, nth: int) -> float:
    """The strength plus an offset that depends on nth and a jitter that depends on the seed."""
    jitter = (seed % 1009 / 1008 * 2 - 1) * _JITTER
    candidates = (strength + offset + jitter for offset in _OFFSETS)
    return round([candidate for candidate in candidates if 0.0 < candidate <= 1.0][nth], 4)


KIND: Final = JobKind(name="variation", title="Variations: ", rebuild=vary)
