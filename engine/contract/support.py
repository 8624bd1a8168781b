"""What this version of the engine can do of all that recipes can say."""

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import Edit, Inpaint


def check_supported(recipe: Recipe) -> None:
    """Raise ValueError, with a sentence for the user, if no model here can paint this recipe."""
    for name, is_used in (
        ("adapters", recipe.adapters),
        ("controls", recipe.controls),
        ("references", recipe.references),
        ("masks", isinstance(recipe.source, Inpaint)),
        ("edits by instruction", isinstance(recipe.source, Edit)),
    ):
        if is_used:
            raise ValueError(f"This engine does not support {name}; the recipe must have none.")
