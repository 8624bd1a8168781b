"""The JSON kinds that known fields must have, wherever they stand in a request."""

from bot.playground.errors import Json, invalid

OBJECT_LISTS = {"embeds", "components", "fields", "items", "options", "choices", "attachments"}
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
TEXTS = {"content", "custom_id", "description", "filename", "label", "name", "title", "url"}
INTEGERS = {"flags", "style", "type"}
SNOWFLAKES = {"id", "message_id", "channel_id", "guild_id", "recipient_id"}
SNOWFLAKE_LISTS = {"users", "roles"}
BOOLEANS = {"is_spoiler"}
NUMBERS = {"min_value", "max_value"}
DEEPEST = 32


def check_json_types(payload: Json, path: tuple[str | int, ...] = ()) -> None:
    """Raise ApiError at the first field of another JSON kind than it must have; null is none."""
    if len(path) > DEEPEST:
        raise invalid(path, "MODEL_TYPE_CONVERT", "This is nested too deeply")
    for key, value in payload.items():
        at = (*path, key)
        if value is None:
            continue
        if not _fits(key, value):
            raise invalid(at, "MODEL_TYPE_CONVERT", "The value has the wrong type")
        if isinstance(value, dict):
            check_json_types(value, at)
        elif isinstance(value, list):
            for number, item in enumerate(value):
                if isinstance(item, dict):
                    check_json_types(item, (*at, number))


def without_nulls(given: Json) -> Json:
    """The same object; null means absent, at any depth."""
    made: Json = {}
    for key, value in given.items():
        if isinstance(value, dict):
            made[key] = without_nulls(value)
        elif isinstance(value, list):
            made[key] = [without_nulls(x) if isinstance(x, dict) else x for x in value]
        elif value is not None:
            made[key] = value
    return made


def _fits(key: str, value: object) -> bool:
    if key in OBJECT_LISTS:
        return isinstance(value, list) and all(isinstance(item, dict) for item in value)
    if key in OBJECTS:
        return isinstance(value, dict)
    if key in TEXTS:
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
    whole = isinstance(value, str | int) and not isinstance(value, bool)
    return whole and text.isascii() and text.isdecimal() and len(text) <= 20
