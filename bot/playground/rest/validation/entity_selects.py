"""Validation of user, role, mentionable and channel select menus."""

from bot.playground.errors import Json, invalid
from bot.playground.model.enums import ComponentType

DEFAULT_VALUES_LIMIT = 25
DEFAULT_VALUE_TYPES: dict[int, set[str]] = {
    ComponentType.USER_SELECT: {"user"},
    ComponentType.ROLE_SELECT: {"role"},
    ComponentType.MENTIONABLE_SELECT: {"user", "role"},
    ComponentType.CHANNEL_SELECT: {"channel"},
}
Path = tuple[str | int, ...]


def check_default_values(component: Json, path: Path) -> None:
    """Raise ApiError if Discord would reject the `default_values` of a component.

    https://docs.discord.com/developers/components/reference#user-select-select-default-value-structure
    """
    default_values = component.get("default_values") or []
    types = DEFAULT_VALUE_TYPES.get(component.get("type", 0), set())
    for index, value in enumerate(default_values):
        value_path = (*path, "default_values", index)
        if value.get("id") is None:
            raise invalid((*value_path, "id"), "BASE_TYPE_REQUIRED", "This field is required")
        if value.get("type") not in types:
            sentence = f"Value must be one of {sorted(types)}."
            raise invalid((*value_path, "type"), "BASE_TYPE_CHOICES", sentence)
    minimum = 1 if component.get("min_values") is None else component["min_values"]
    maximum = min(component.get("max_values") or 1, DEFAULT_VALUES_LIMIT)
    if default_values and not minimum <= len(default_values) <= maximum:
        sentence = f"Must be between {minimum} and {maximum} in length."
        raise invalid((*path, "default_values"), "BASE_TYPE_BAD_LENGTH", sentence)
