"""Pure: what a person fills into the fields of a form (a modal), as their client sends it."""

from collections.abc import Mapping

from bot.playground.errors import InvalidOption, Json

TEXT_INPUT, STRING_SELECT = 4, 3
SELECTS = (3, 5, 6, 7, 8)
TEXT_LIMIT = 4000
Answer = str | list[str]


def fields(form: Json) -> list[Json]:
    """The fields that can be filled in, each with its label."""
    found: list[Json] = []
    for row in form["components"]:
        inside = [row["component"]] if "component" in row else row.get("components") or []
        named = {"label": row["label"]} if "label" in row else {}
        found += [field | named for field in inside if "custom_id" in field]
    return found


def submitted(form: Json, values: Mapping[str, Answer]) -> list[Json]:
    """The components of the answer; raise InvalidOption, in words, for what no client sends."""
    known = {field["custom_id"]: field for field in fields(form)}
    for name in values:
        if name not in known:
            raise InvalidOption(f"The form has no field called {name}.")
    answers = {name: _answer(field, values.get(name)) for name, field in known.items()}
    return [_row(row, answers) for row in form["components"]]


def _row(row: Json, answers: Mapping[str, Json]) -> Json:
    made: Json = {"type": row["type"], "id": row.get("id", 0)}
    if "component" in row:
        made["component"] = answers[row["component"]["custom_id"]]
    if "components" in row:
        made["components"] = [answers[child["custom_id"]] for child in row["components"]]
    return made


def _answer(field: Json, value: Answer | None) -> Json:
    made = {"type": field["type"], "id": field.get("id", 0), "custom_id": field["custom_id"]}
    if field["type"] in SELECTS:
        return made | {"values": _chosen(field, value)}
    if field["type"] != TEXT_INPUT:
        raise InvalidOption(f"The playground cannot fill in a field of type {field['type']}.")
    return made | {"value": _typed(field, value)}


def _typed(field: Json, value: Answer | None) -> str:
    text = field.get("value") or "" if value is None else value
    if not isinstance(text, str):
        raise InvalidOption(f"{_name(field)} takes text.")
    required = field.get("required") is not False
    least = max(field.get("min_length") or 0, int(required))
    most = field.get("max_length") or TEXT_LIMIT
    if (text or required) and not least <= len(text) <= most:
        raise InvalidOption(f"{_name(field)} takes {least} to {most} characters.")
    return text


def _chosen(field: Json, value: Answer | None) -> list[str]:
    chosen = [value] if isinstance(value, str) else value
    if chosen is None:
        chosen = [o["value"] for o in field.get("options") or [] if o.get("default")]
    least, most = field.get("min_values", 1), field.get("max_values") or 1
    if field.get("required") is False and not chosen:
        return []
    if not least <= len(chosen) <= most:
        raise InvalidOption(f"{_name(field)} takes {least} to {most} choices.")
    options = {option["value"] for option in field.get("options") or []}
    if field["type"] == STRING_SELECT and not set(chosen) <= options:
        raise InvalidOption(f"{_name(field)} takes one of: {', '.join(sorted(options))}.")
    return chosen


def _name(field: Json) -> str:
    return f"The field {field.get('label') or field['custom_id']}"
