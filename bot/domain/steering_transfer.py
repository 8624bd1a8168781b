"""LoRAs, controls and references of a recipe, for another model; pure."""

from collections.abc import Sequence

from bot.domain import loras
from engine.contract import Adapter, Control, ModelCard, Recipe, Reference


def adapters(
    base: Recipe,
    text: str | None,
    card: ModelCard,
    models: Sequence[ModelCard],
    *,
    is_own: bool,
) -> tuple[Adapter, ...]:
    """The LoRAs of a text or, if it is None, those of the recipe, for this model. Raises Refused if
    it has no such LoRA."""
    if text is None and is_own:
        return base.adapters
    return loras.parse(loras.text_of(base.adapters) if text is None else text, card, models)


def controls(base: Recipe, card: ModelCard) -> tuple[Control, ...]:
    """Those of the recipe, by this model's own. Raises ValueError if it has no such control."""
    return tuple(
        card.control(
            control.kind,
            control.image,
            preprocessor=control.preprocessor,
            scale=control.scale,
            start=control.start,
            end=control.end,
        )
        for control in base.controls
    )


def references(base: Recipe, card: ModelCard) -> tuple[Reference, ...]:
    """Those of the recipe, by this model's own adapter. Raises ValueError if it has none."""
    return tuple(
        card.reference(reference.image, role=reference.role, scale=reference.scale)
        for reference in base.references
    )
