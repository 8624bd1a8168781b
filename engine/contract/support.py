"""Whether a model can paint what steers a recipe: its source, adapters, controls and references."""

from collections.abc import Sequence
from typing import Protocol

from engine.contract.recipe import Recipe
from engine.contract.recipe_parts import Backend, Edit, Inpaint, Outpaint, short_revision
from engine.contract.steering import AdapterCard, ControlCard, ImageAdapterCard


class SteeringCard(Protocol):
    """The part of a ModelCard that is needed here."""

    @property
    def name(self) -> str: ...
    @property
    def adapters(self) -> Sequence[AdapterCard]: ...
    @property
    def controls(self) -> Sequence[ControlCard]: ...
    @property
    def image_adapter(self) -> ImageAdapterCard | None: ...
    @property
    def can_inpaint(self) -> bool: ...
    @property
    def is_editor(self) -> bool: ...


def check_steering(recipe: Recipe, card: SteeringCard) -> None:
    """Raise ValueError, with a sentence for the user, if the model cannot be steered so."""
    _check_source(recipe, card)
    _check_adapters(recipe, card)
    _check_controls(recipe, card)
    _check_references(recipe, card)
    if recipe.is_steered and recipe.backend is not Backend.TORCH:
        raise ValueError(
            "A picture with LoRAs, controls or references is run by torch, not by "
            f"{recipe.backend}."
        )


def _check_source(recipe: Recipe, card: SteeringCard) -> None:
    is_edit = isinstance(recipe.source, Edit)
    if is_edit and not card.is_editor:
        raise ValueError(f"The model {card.name} does not edit pictures by instructions.")
    if card.is_editor and not is_edit:
        raise ValueError(
            f"The model {card.name} edits pictures by instructions, and does nothing else."
        )
    if isinstance(recipe.source, Inpaint | Outpaint) and not card.can_inpaint:
        raise ValueError(f"The model {card.name} cannot repaint a part of a picture.")


def _check_adapters(recipe: Recipe, card: SteeringCard) -> None:
    here = {adapter.name: adapter for adapter in card.adapters}
    for adapter in recipe.adapters:
        if adapter.name not in here:
            raise ValueError(
                f"This picture needs the LoRA {adapter.name[:50]}, which is not here for the model "
                f"{card.name}."
            )
        _check_revision("LoRA", adapter.name, adapter.revision, here[adapter.name].revision)


def _check_controls(recipe: Recipe, card: SteeringCard) -> None:
    here = {control.kind: control for control in card.controls}
    for control in recipe.controls:
        if control.kind not in here:
            raise ValueError(
                f"The model {card.name} has no control “{control.kind[:50]}” here. "
                f"{_offered(sorted(here))}"
            )
        _check_revision("control", control.kind, control.revision, here[control.kind].revision)
        if control.preprocessor not in here[control.kind].preprocessors:
            raise ValueError(
                f"The control {control.kind} takes no input image by {control.preprocessor}."
            )


def _check_references(recipe: Recipe, card: SteeringCard) -> None:
    adapter = card.image_adapter
    if adapter is not None and not adapter.name and len(recipe.references) != 1:
        raise ValueError(f"The model {card.name} needs one reference picture for each picture.")
    for reference in recipe.references:
        if adapter is None:
            raise ValueError(f"The model {card.name} takes no reference pictures here.")
        if reference.adapter != adapter.name:
            raise ValueError(
                f"This picture needs the IP-Adapter “{reference.adapter[:50]}”, which is not here "
                f"for the model {card.name}."
            )
        _check_revision("IP-Adapter", adapter.name, reference.revision, adapter.revision)
        if reference.role not in adapter.roles:
            raise ValueError(
                f"The model {card.name} takes no reference as “{reference.role}”. "
                f"{_offered(adapter.roles)}"
            )


def _check_revision(what: str, name: str, needed: str, here: str) -> None:
    if needed != here:
        raise ValueError(
            f"This picture needs the {what} {name} ({short_revision(needed)}); here is another one "
            f"of this name ({short_revision(here)})."
        )


def _offered(names: Sequence[str]) -> str:
    return f"Choose one of: {', '.join(names)}." if names else "It has none."
