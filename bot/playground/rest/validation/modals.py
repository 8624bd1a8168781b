"""Validation of modals."""

from bot.playground.errors import Json
from bot.playground.model.enums import ComponentType
from bot.playground.rest.validation.component_models import MODAL
from bot.playground.rest.validation.components import check_options, check_parts, check_range, walk
from bot.playground.rest.validation.fields import read_form
from bot.playground.rest.validation.form import FormErrors, Path

TEXT_LIMIT = 4000
SHORT = 1  # style of a text input with one line
ZERO_MESSAGE = "Select menus marked as required cannot have a min_values of 0"


def read_modal(data: Json, path: Path) -> Json:
    """Return the modal; raise ApiError if Discord would reject it."""
    modal = read_form(MODAL, data, path)
    errors = FormErrors()
    parts = list(walk(modal["components"], (*path, "components")))
    for component, component_path in parts:
        if component["type"] == ComponentType.ACTION_ROW:
            _check_row(component["components"], (*component_path, "components"), errors)
        elif component["type"] == ComponentType.TEXT_INPUT:
            _check_text_input(component, component_path, errors)
        elif component["type"] == ComponentType.RADIO_GROUP:
            check_options(component["options"], 1, (*component_path, "options"), errors)
        elif component["type"] == ComponentType.CHECKBOX_GROUP:
            maximum = component.get("max_values", len(component["options"]))
            check_options(component["options"], maximum, (*component_path, "options"), errors)
        _check_selection(component, component_path, errors)
    check_parts(parts, errors)
    errors.raise_any()
    return modal


def _check_row(children: list[Json], path: Path, errors: FormErrors) -> None:
    """A row has one text input, which has a label."""
    for index, child in enumerate(children):
        if "label" not in child:
            errors.require((*path, index, "label"))
        if index:
            message = "The specified component exceeds the maximum width"
            errors.add((*path, index), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)


def _check_text_input(text_input: Json, path: Path, errors: FormErrors) -> None:
    check_range(text_input, "min_length", "max_length", path, errors)
    value = text_input.get("value")
    if value is None:
        return
    minimum = text_input.get("min_length", 1 if text_input.get("required", True) else 0)
    maximum = text_input.get("max_length", TEXT_LIMIT)
    if len(value) > maximum:
        message = f"Must be {maximum} or fewer in length."
        errors.add((*path, "value"), "BASE_TYPE_MAX_LENGTH", message)
    elif len(value) < minimum:
        message = f"Must be {minimum} or more in length."
        errors.add((*path, "value"), "BASE_TYPE_MIN_LENGTH", message)
    if "\n" in value and text_input["style"] == SHORT:
        message = "Component validation failed"
        errors.add((*path, "value"), "COMPONENT_VALIDATION_FAILED", message)


def _check_selection(component: Json, path: Path, errors: FormErrors) -> None:
    if component.get("disabled"):
        message = "Modals do not support disabled components"
        errors.add((*path, "disabled"), "MODAL_COMPONENT_DISABLED", message)
    if component.get("min_values") == 0 and component.get("required", True):
        code = "SELECT_COMPONENT_REQUIRED_ZERO_MIN_VALUES"
        errors.add((*path, "min_values"), code, ZERO_MESSAGE)
