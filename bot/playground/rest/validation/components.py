"""Discord's rules for buttons, selects and the other components of a message."""

from bot.playground.errors import Json, invalid
from bot.playground.model.enums import ComponentType

ROWS_LIMIT = 5
ROW_WIDTH = 5
V2_LIMIT = 40  # components of a message, nested ones too
CUSTOM_ID_LIMIT = 100
LABEL_LIMIT = 80
Path = tuple[str | int, ...]


SELECTS = {
    ComponentType.STRING_SELECT,
    ComponentType.USER_SELECT,
    ComponentType.ROLE_SELECT,
    ComponentType.MENTIONABLE_SELECT,
    ComponentType.CHANNEL_SELECT,
}
V2_TOP = {
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
    """Raise ApiError when Discord would refuse these components."""
    if not v2 and len(components) > ROWS_LIMIT:
        raise _bad(("components",), "Must be 5 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
    seen: set[str] = set()
    count = 0
    allowed = V2_TOP if v2 else {ComponentType.ACTION_ROW}
    for number, component in enumerate(components):
        path: Path = ("components", number)
        if component.get("type") not in allowed:
            raise _bad((*path, "type"), "This component cannot be used here")
        count += _check(component, path, seen)
    if v2 and count > V2_LIMIT:
        raise _bad(("components",), f"Must be {V2_LIMIT} or fewer in length.")


def _check(component: Json, path: Path, seen: set[str]) -> int:
    kind = component.get("type")
    if kind == ComponentType.ACTION_ROW:
        _check_row(component.get("components") or [], path)
    if kind == ComponentType.BUTTON:
        _check_button(component, path)
    if kind in SELECTS or kind == ComponentType.BUTTON:
        _check_custom_id(component, path, seen)
    if kind == ComponentType.MEDIA_GALLERY and not 1 <= len(component.get("items") or []) <= 10:
        raise _bad((*path, "items"), "Must be between 1 and 10 in length.")
    count = 1
    for number, child in enumerate(component.get("components") or []):
        count += _check(child, (*path, "components", number), seen)
    if isinstance(component.get("accessory"), dict):
        count += _check(component["accessory"], (*path, "accessory"), seen)
    return count


def _check_row(children: list[Json], path: Path) -> None:
    if not 1 <= len(children) <= ROW_WIDTH:
        raise _bad((*path, "components"), "Must be between 1 and 5 in length.")
    kinds = {child.get("type") for child in children}
    if kinds & SELECTS and len(children) > 1:
        raise _bad((*path, "components"), "A select menu fills its row")
    if not kinds <= SELECTS | {ComponentType.BUTTON}:
        raise _bad((*path, "components"), "This component cannot be used in a row")


def _check_button(button: Json, path: Path) -> None:
    style = button.get("style")
    if not isinstance(style, int) or not 1 <= style <= PREMIUM:
        raise _bad((*path, "style"), "Value must be one of {1, 2, 3, 4, 5, 6}.")
    label = button.get("label")
    if label is not None and not (isinstance(label, str) and len(label) <= LABEL_LIMIT):
        raise _bad((*path, "label"), "Must be 80 or fewer in length.", "BASE_TYPE_MAX_LENGTH")
    if style != PREMIUM and not (label or button.get("emoji")):
        raise _bad((*path, "label"), "A button needs a label or an emoji")
    if (style == LINK) != bool(button.get("url")):
        raise _bad((*path, "url"), "A url must be specified on link buttons, and only there")


def _check_custom_id(component: Json, path: Path, seen: set[str]) -> None:
    custom_id = component.get("custom_id")
    if component.get("type") == ComponentType.BUTTON and component.get("style") in (LINK, PREMIUM):
        if custom_id is not None:
            raise _bad((*path, "custom_id"), "A custom id cannot be used with this button")
        return
    if not isinstance(custom_id, str) or not 1 <= len(custom_id) <= CUSTOM_ID_LIMIT:
        raise _bad((*path, "custom_id"), "Must be between 1 and 100 in length.")
    if custom_id in seen:
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise _bad((*path, "custom_id"), "Component custom id cannot be duplicated", code)
    seen.add(custom_id)


def _bad(path: Path, sentence: str, code: str = "COMPONENT_INVALID") -> Exception:
    return invalid(path, code, sentence)
