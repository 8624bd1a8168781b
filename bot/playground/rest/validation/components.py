"""Rules between the components of a message or modal, and between the fields of a component."""

from collections.abc import Iterator

from bot.playground.errors import Json
from bot.playground.model.emoji import is_emoji
from bot.playground.model.enums import SELECT_TYPES, ButtonStyle, ComponentType
from bot.playground.rest.validation.component_models import COMPONENTS_LIMIT
from bot.playground.rest.validation.fields import add_wrong_type
from bot.playground.rest.validation.form import FormErrors, Path

ROWS_LIMIT = 5
TEXT_LIMIT = 4000  # characters in all text displays of a message

CLICKABLE_STYLES = (
    ButtonStyle.PRIMARY,
    ButtonStyle.SECONDARY,
    ButtonStyle.SUCCESS,
    ButtonStyle.DANGER,
)
BUTTON_ADDRESSES: dict[int, str] = {
    **dict.fromkeys(CLICKABLE_STYLES, "custom_id"),
    ButtonStyle.LINK: "url",
    ButtonStyle.PREMIUM: "sku_id",
}
"""The field that a button of each style must have; the other two must be absent."""
BUTTON_FACE = ("label", "emoji")
"""A button has one of these; a premium button has none."""
ADDRESS_MESSAGES = {
    "custom_id": "A custom id is required",
    "url": "A url is required",
    "sku_id": "A sku id is required",
}


def walk(components: list[Json], path: Path) -> Iterator[tuple[Json, Path]]:
    """Yield all components with their paths, including nested ones."""
    for index, component in enumerate(components):
        yield component, (*path, index)
        yield from walk(component.get("components") or [], (*path, index, "components"))
        for key in ("accessory", "component"):
            if key in component:
                yield component[key], (*path, index, key)


def check_components(components: list[Json], path: Path, errors: FormErrors, *, v2: bool) -> None:
    """Add the errors of a message's components."""
    if not v2:
        _check_legacy_layout(components, path, errors)
    parts = list(walk(components, path))
    if len(parts) > COMPONENTS_LIMIT:
        message = f"Total number of components exceeds maximum of {COMPONENTS_LIMIT}"
        errors.add(path, "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED", message)
    texts = (p["content"] for p, _ in parts if p.get("type") == ComponentType.TEXT_DISPLAY)
    if sum(len(text) for text in texts) > TEXT_LIMIT:
        message = f"Components displayable text size exceeds maximum size of {TEXT_LIMIT}"
        errors.add(path, "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED", message)
    for component, component_path in parts:
        if component.get("type") == ComponentType.ACTION_ROW:
            _check_row(component["components"], (*component_path, "components"), errors)
    check_parts(parts, errors)


def check_parts(parts: list[tuple[Json, Path]], errors: FormErrors) -> None:
    """Add the errors of single components, and of ids that are not unique."""
    for component, path in parts:
        if component.get("type") == ComponentType.BUTTON:
            _check_button(component, path, errors)
        elif component.get("type") in SELECT_TYPES:
            _check_select(component, path, errors)
        check_range(component, "min_values", "max_values", path, errors)
    message = "Component custom id cannot be duplicated"
    _check_unique(parts, "custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", message, errors)
    message = "Component id cannot be duplicated"
    _check_unique(parts, "id", "COMPONENT_ID_DUPLICATED", message, errors)


def check_range(item: Json, low: str, high: str, path: Path, errors: FormErrors) -> None:
    """Add the error of a minimum above the maximum; either may be absent."""
    if low in item and high in item and item[low] > item[high]:
        message = f"{low} value should be less than or equal to {item[high]}."
        errors.add((*path, low), "NUMBER_TYPE_MAX", message)


def _check_unique(
    parts: list[tuple[Json, Path]], key: str, code: str, message: str, errors: FormErrors
) -> None:
    values: set[object] = set()
    for component, path in parts:
        value = component.get(key) or None  # the id 0 is the same as none
        if value is not None and value in values:
            errors.add((*path, key), code, message)
        values.add(value)


def _check_legacy_layout(components: list[Json], path: Path, errors: FormErrors) -> None:
    if len(components) > ROWS_LIMIT:
        message = f"Must be {ROWS_LIMIT} or fewer in length."
        errors.add(path, "BASE_TYPE_MAX_LENGTH", message)
    for index, component in enumerate(components):
        if component.get("type") != ComponentType.ACTION_ROW:
            add_wrong_type((*path, index), (ComponentType.ACTION_ROW,), errors)


def _check_row(children: list[Json], path: Path, errors: FormErrors) -> None:
    """A select menu fills its row."""
    if any(child.get("type") in SELECT_TYPES for child in children):
        for index in range(1, len(children)):
            message = "The specified component exceeds the maximum width"
            errors.add((*path, index), "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)


def _check_button(button: Json, path: Path, errors: FormErrors) -> None:
    style = button["style"]
    for key, message in ADDRESS_MESSAGES.items():
        has_address = bool(button.get(key))
        if has_address and key != BUTTON_ADDRESSES[style]:
            code = "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE"
            errors.add((*path, key), code, "A custom id and url cannot both be specified")
        if not has_address and key == BUTTON_ADDRESSES[style]:
            errors.add((*path, key), f"BUTTON_COMPONENT_{key.upper()}_REQUIRED", message)
    faces = [key for key in BUTTON_FACE if button.get(key) is not None]
    if style == ButtonStyle.PREMIUM:
        for key in faces:
            message = "A premium button has neither label nor emoji"
            errors.add((*path, key), "BUTTON_COMPONENT_PREMIUM_FACE", message)
    elif "emoji" not in faces and not button.get("label"):
        errors.require((*path, "label"))
    _check_emoji(button, path, errors)


def _check_emoji(item: Json, path: Path, errors: FormErrors) -> None:
    emoji = item.get("emoji")
    if emoji is None:
        return
    if emoji.get("id"):
        errors.add((*path, "emoji", "id"), "BUTTON_COMPONENT_INVALID_EMOJI", "Invalid emoji")
    elif not is_emoji(emoji.get("name") or ""):
        errors.add((*path, "emoji", "name"), "BUTTON_COMPONENT_INVALID_EMOJI", "Invalid emoji")


def _check_select(select: Json, path: Path, errors: FormErrors) -> None:
    minimum = select.get("min_values", 1)
    maximum = select.get("max_values", max(minimum, 1))
    default_values = select.get("default_values") or []
    if default_values and not minimum <= len(default_values) <= maximum:
        message = f"Must be between {minimum} and {maximum} in length."
        errors.add((*path, "default_values"), "BASE_TYPE_BAD_LENGTH", message)
    if "options" in select:
        check_options(select["options"], maximum, (*path, "options"), errors)


def check_options(options: list[Json], maximum: int, path: Path, errors: FormErrors) -> None:
    """Add the errors of options of which up to `maximum` can be chosen."""
    if maximum > len(options):
        message = f"Must be {maximum} or more in length."
        errors.add(path, "BASE_TYPE_MIN_LENGTH", message)
    if sum(bool(option.get("default")) for option in options) > maximum:
        message = "The specified number of default values exceeds the specified maximum values"
        errors.add(path, "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES", message)
    values: set[str] = set()
    for index, option in enumerate(options):
        if option["value"] in values:
            message = "The specified option value is already used"
            errors.add((*path, index), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message)
        values.add(option["value"])
        _check_emoji(option, (*path, index), errors)
