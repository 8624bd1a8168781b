"""The noise of pictures that are blended; pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from engine.contract import Recipe, Subseed
from engine.contract.recipe import MAX_SUBSEEDS

OWN_SHARE: Final = 0.15
"""Of the noise of a recipe's own seed, as of a variation."""


class BlendedPicture(NamedTuple):
    """One of the pictures, as far as its recipe is known."""

    recipe: Recipe
    share: float
    """How much of it, compared with the others."""


def with_noise_of(recipe: Recipe, pictures: Sequence[BlendedPicture]) -> Recipe:
    """The recipe with the noise of these pictures, mixed by their shares, so that the composition
    is one between theirs; its own seed is a small share, so that it differs from its siblings.

    Of all but the first picture, the subseeds are left out. Without pictures, nothing is changed.
    """
    if not pictures:
        return recipe
    first, *others = pictures
    subseeds, total = list[Subseed](), first.share
    for picture in others:
        total += picture.share
        subseeds.append(Subseed(picture.recipe.seed, picture.share / total))
    subseeds.append(Subseed(recipe.seed, OWN_SHARE))
    own = first.recipe.subseeds[: MAX_SUBSEEDS - len(subseeds)]
    return msgspec.structs.replace(recipe, seed=first.recipe.seed, subseeds=(*own, *subseeds))
