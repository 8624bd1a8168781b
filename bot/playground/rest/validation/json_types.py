"""JSON types of the fields that handlers read, at any depth of a request."""

from bot.playground.errors import Json, invalid

OBJECT_LISTS = {
    "attachments",
    "choices",
    "components",
    "default_values",
    "embeds",
    "fields",
    "items",
    "options",
}
OBJECTS = {
    "allowed_mentions",
    "accessory",
    "author",
    "data",
    "emoji",
    "file",
    "footer",
    "image",
    "media",
    "message_reference",
    "thumbnail",
}
STRINGS = {"content", "custom_id", "description", "filename", "label", "name", "title", "url"}
INTEGERS = {"flags", "max_values", "min_values", "style", "type"}
STRING_TYPE_LISTS = {"default_values", "embeds"}
"""Lists of objects whose `type` is a string; elsewhere it is an integer."""
SNOWFLAKES = {"id", "message_id", "channel_id", "guild_id", "recipient_id"}
SNOWFLAKE_LISTS = {"users", "roles"}
BOOLEANS = {"is_spoiler"}
NUMBERS = {"min_value", "max_value"}
MAX_DEPTH = 32


def check_json_types(payload: Json, path: tuple[str | int, ...] = ()) -> None:
    """Raise ApiError for the first field with the wrong JSON type; null is always allowed."""
    if len(path) > MAX_DEPTH:
        raise invalid(path, "MODEL_TYPE_CONVERT", "This is nested too deeply")
    for key, value in payload.items():
        value_path = (*path, key)
        if value is None:
            continue
        has_string_type = key == "type" and bool(STRING_TYPE_LISTS.intersection(path[-2:-1]))
        if not (isinstance(value, str) if has_string_type else _has_type(key, value)):
            raise invalid(value_path, "MODEL_TYPE_CONVERT", "The value has the wrong type")
        if isinstance(value, dict):
            check_json_types(value, value_path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, dict):
                    check_json_types(item, (*value_path, index))


def without_nulls(payload: Json) -> Json:
    """Return a copy without null values, at any depth."""
    result: Json = {}
    for key, value in payload.items():
        if isinstance(value, dict):
            result[key] = without_nulls(value)
        elif isinstance(value, list):
            result[key] = [
                without_nulls(item) if isinstance(item, dict) else item for item in value
            ]
        elif value is not None:
            result[key] = value
    return result


def _has_type(key: str, value: object) -> bool:
    if key in OBJECT_LISTS:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    if key in OBJECTS:
        return isinstance(value, dict)
    if key in STRINGS:
        return isinstance(value, str)
    if key in INTEGERS:
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    if key in BOOLEANS:
        return isinstance(value, bool)
    if key == "value":
        return isinstance(value, str | int | float)
    if key in NUMBERS:
        return isinstance(value, int | float)
    if key == "parse":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if key in SNOWFLAKE_LISTS:
        return isinstance(value, list) and all(_is_snowflake(item) for item in value)
    return key not in SNOWFLAKES or _is_snowflake(value)


def _is_snowflake(value: object) -> bool:
    text = str(value)
    is_scalar = isinstance(value, str | int) and not isinstance(value, bool)
    return is_scalar and text.isascii() and text.isdecimal() and len(text) <= 20
