"""What the input images of a recipe are to people."""

from typing import Final

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import Img2Img
from engine.contract.steering import Reference, ReferenceRole

SKETCH: Final = "sketch"
REFERENCE: Final = "reference picture"
PICTURE: Final = "picture"
_REFERENCES: Final = {
    ReferenceRole.LIKE: REFERENCE,
    ReferenceRole.STYLE: "style picture",
    ReferenceRole.BLEND: PICTURE,
}


def input_name(recipe: Recipe, image: str) -> str:
    """What this input image of the recipe is called in sentences to users."""
    if image in recipe.source.images:
        return SKETCH if isinstance(recipe.source, Img2Img) else PICTURE
    if any(control.image == image for control in recipe.controls):
        return SKETCH
    for reference in recipe.references:
        if reference.image == image:
            return _reference_name(recipe, reference)
    return REFERENCE


def _reference_name(recipe: Recipe, reference: Reference) -> str:
    """With its number, if there are several of its role."""
    name, role = _REFERENCES[reference.role], reference.role
    images = [other.image for other in recipe.references if other.role is role]
    return name if len(images) == 1 else f"{name} {images.index(reference.image) + 1}"
