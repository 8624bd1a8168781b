"""How much work a row of a picture is in a forward pass, by its recipe; pure."""

from collections.abc import Mapping
from typing import Final

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import Backend

CONTROL_WORK: Final = 0.4
"""Of a ControlNet's evaluation, relative to the denoiser's: 0.39 of the starter's time on one core,
0.33 (Stable Diffusion 1.5) and 0.44 (SDXL) of the floating-point operations. A T2I-Adapter takes
less; recipes do not tell."""
ADAPTER_WORK: Final = 0.2
"""Of a LoRA: 0.2 of the starter's time on one core; in larger models less."""
REFERENCE_WORK: Final = 0.05
"""Of all references together, whose images are encoded once for each picture."""
BACKEND_WORK: Final[Mapping[Backend, float]] = {
    Backend.TORCH: 1.0,
    Backend.OPENVINO: 0.5,
    Backend.OPENVINO_BF16: 0.5,
}
"""Of a picture, relative to torch on the same CPU; 0.47 to 0.63 measured with the starter."""


def row_work(recipe: Recipe) -> float:
    """The work of a row, averaged over the picture's evaluations; 1 for a plain picture that torch
    runs. Rows, evaluations and pixels are not part of it."""
    controls = sum(control.end - control.start for control in recipe.controls)
    has_references = any(reference.adapter for reference in recipe.references)
    steering = (
        controls * CONTROL_WORK
        + len(recipe.adapters) * ADAPTER_WORK
        + has_references * REFERENCE_WORK
    )
    return BACKEND_WORK[recipe.backend] + steering
