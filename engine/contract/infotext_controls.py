"""Controls and references in the text about a picture, as sd-webui-controlnet writes them.

    ControlNet 0: "Module: scribble, Model: scribble [1a2b3c4d], Weight: 0.8, Guidance Start: 0, …"

That extension of the web UI (`serialize_unit` in scripts/infotext.py) has references as units too.
"""

from typing import Final

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import short_revision
from engine.contract.steering import Control, Reference

_HASH_CHARS: Final = 8
_IMAGE_PROMPT: Final = "image prompt"
"""The adapter of a model whose own prompt is an image."""


def control_settings(recipe: Recipe) -> dict[str, str]:
    """A setting for each control and each reference of a recipe; their images are not in it."""
    units = [*map(_control, recipe.controls), *map(_reference, recipe.references)]
    return {
        f"ControlNet {nth}": ", ".join(f"{name}: {value}" for name, value in unit.items())
        for nth, unit in enumerate(units)
    }


def _control(control: Control) -> dict[str, str]:
    return {
        "Module": control.preprocessor.value,
        "Model": f"{control.kind} [{short_revision(control.revision, _HASH_CHARS)}]",
        "Weight": f"{control.scale:g}",
        "Guidance Start": f"{control.start:g}",
        "Guidance End": f"{control.end:g}",
    }


def _reference(reference: Reference) -> dict[str, str]:
    name = reference.adapter or _IMAGE_PROMPT
    return {
        "Module": f"ip-adapter {reference.role}",
        "Model": f"{name} [{short_revision(reference.revision, _HASH_CHARS)}]",
        "Weight": f"{reference.scale:g}",
        "Guidance Start": "0",
        "Guidance End": "1",
    }
