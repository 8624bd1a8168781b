"""Validation of message components."""

from bot.playground.errors import Json, invalid
from bot.playground.model.enums import SELECT_TYPES, ComponentType
from bot.playground.rest.validation.entity_selects import check_default_values

ROWS_LIMIT = 5
ROW_WIDTH = 5
V2_LIMIT = 40  # components of a message, including nested ones
CUSTOM_ID_LIMIT = 100
LABEL_LIMIT = 80
Path = tuple[str | int, ...]


V2_TOP_LEVEL_TYPES = {
    ComponentType.ACTION_ROW,
    ComponentType.SECTION,
    ComponentType.TEXT_DISPLAY,
    ComponentType.MEDIA_GALLERY,
    ComponentType.FILE,
    ComponentType.SEPARATOR,
    ComponentType.CONTAINER,
}
LINK, PREMIUM = 5, 6


def check_components(components: list[Json], *, v2: bool) -> None:
    """Raise ApiError if Discord would reject the components."""
    if not v2 and len(components) > ROWS_LIMIT:
        raise _error(("components",), "Must be 5 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
    custom_ids: set[str] = set()
    count = 0
    allowed = V2_TOP_LEVEL_TYPES if v2 else {ComponentType.ACTION_ROW}
    for index, component in enumerate(components):
        path: Path = ("components", index)
        if component.get("type") not in allowed:
            raise _error((*path, "type"), "This component cannot be used here")
        count += _check_component(component, path, custom_ids)
    if v2 and count > V2_LIMIT:
        raise _error(("components",), f"Must be {V2_LIMIT} or fewer in length.")


def _check_component(component: Json, path: Path, custom_ids: set[str]) -> int:
    component_type = component.get("type")
    if component_type == ComponentType.ACTION_ROW:
        _check_row(component.get("components") or [], path)
    if component_type == ComponentType.BUTTON:
        _check_button(component, path)
    if component_type in SELECT_TYPES or component_type == ComponentType.BUTTON:
        _check_custom_id(component, path, custom_ids)
        check_default_values(component, path)
    if (
        component_type == ComponentType.MEDIA_GALLERY
        and not 1 <= len(component.get("items") or []) <= 10
    ):
        raise _error((*path, "items"), "Must be between 1 and 10 in length.")
    count = 1
    for index, child in enumerate(component.get("components") or []):
        count += _check_component(child, (*path, "components", index), custom_ids)
    if isinstance(component.get("accessory"), dict):
        count += _check_component(component["accessory"], (*path, "accessory"), custom_ids)
    return count


def _check_row(children: list[Json], path: Path) -> None:
    if not 1 <= len(children) <= ROW_WIDTH:
        raise _error((*path, "components"), "Must be between 1 and 5 in length.")
    types = {child.get("type") for child in children}
    if types & SELECT_TYPES and len(children) > 1:
        raise _error((*path, "components"), "A select menu fills its row")
    if not types <= SELECT_TYPES | {ComponentType.BUTTON}:
        raise _error((*path, "components"), "This component cannot be used in a row")


def _check_button(button: Json, path: Path) -> None:
    style = button.get("style")
    if not isinstance(style, int) or not 1 <= style <= PREMIUM:
        raise _error((*path, "style"), "Value must be one of {1, 2, 3, 4, 5, 6}.")
    label = button.get("label")
    if label is not None and not (isinstance(label, str) and len(label) <= LABEL_LIMIT):
        raise _error((*path, "label"), "Must be 80 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
    if style != PREMIUM and not (label or button.get("emoji")):
        raise _error((*path, "label"), "A button needs a label or an emoji")
    if (style == LINK) != bool(button.get("url")):
        raise _error((*path, "url"), "A url must be specified on link buttons, and only there")


def _check_custom_id(component: Json, path: Path, custom_ids: set[str]) -> None:
    custom_id = component.get("custom_id")
    if component.get("type") == ComponentType.BUTTON and component.get("style") in (LINK, PREMIUM):
        if custom_id is not None:
            raise _error((*path, "custom_id"), "A custom id cannot be used with this button")
        return
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= CUSTOM_ID_LIMIT:
        raise _error((*path, "custom_id"), "Must be between 1 and 100 in length.")
    if custom_id in custom_ids:
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise _error((*path, "custom_id"), "Component custom id cannot be duplicated", code)
    custom_ids.add(custom_id)


def _error(path: Path, sentence: str, code: str = "COMPONENT_INVALID") -> Exception:
    return invalid(path, code, sentence)
