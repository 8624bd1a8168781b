"""What the input images of a recipe are to people."""

from typing import Final

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import Img2Img

SKETCH: Final = "sketch"
REFERENCE: Final = "reference picture"
PICTURE: Final = "picture"


def input_name(recipe: Recipe, image: str) -> str:
    """What this input image of the recipe is called in sentences to users."""
    if image in recipe.source.images:
        return SKETCH if isinstance(recipe.source, Img2Img) else PICTURE
    is_control = any(control.image == image for control in recipe.controls)
    return SKETCH if is_control else REFERENCE
