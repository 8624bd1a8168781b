"""Modals: validate the values of a submission and build its components."""

from collections.abc import Callable, Mapping, Sequence

from bot.playground.client.resolved_data import ResolvedDataBuilder
from bot.playground.client.selects import SelectValue, default_choices, selected_values
from bot.playground.errors import InvalidOption, Json
from bot.playground.model.attachments import Upload
from bot.playground.model.enums import SELECT_TYPES, ComponentType

TEXT_LIMIT = 4000
FieldValue = SelectValue | bool | Upload | Sequence[SelectValue | Upload]
Store = Callable[[Upload], str]
"""Stores a file and returns the id of the attachment."""


def modal_fields(modal: Json) -> list[Json]:
    """Return the fields of a modal, each with its label."""
    fields: list[Json] = []
    for row in modal["components"]:
        children = [row["component"]] if "component" in row else row.get("components") or []
        label = {"label": row["label"]} if "label" in row else {}
        fields += [child | label for child in children if "custom_id" in child]
    return fields


def submit_components(
    modal: Json, values: Mapping[str, FieldValue], builder: ResolvedDataBuilder, store: Store
) -> list[Json]:
    """Return the components of a submission with values by custom id.

    Raise InvalidOption for values that Discord's client would not submit.
    """
    fields = {field["custom_id"]: field for field in modal_fields(modal)}
    for name in values:
        if name not in fields:
            raise InvalidOption(f"The form has no field called {name}.")
    components = {name: _field(field, values.get(name), builder) for name, field in fields.items()}
    for component in components.values():  # now that all values are valid
        if component["type"] == ComponentType.FILE_UPLOAD:
            component["values"] = [store(upload) for upload in component["values"]]
    return [_row(row, components) for row in modal["components"]]


def _row(row: Json, fields: Mapping[str, Json]) -> Json:
    result: Json = {"type": row["type"], "id": row.get("id", 0)}
    if "component" in row:
        result["component"] = fields[row["component"]["custom_id"]]
    if "components" in row:
        result["components"] = [fields[child["custom_id"]] for child in row["components"]]
    return result


def _field(field: Json, value: FieldValue | None, builder: ResolvedDataBuilder) -> Json:
    result = {"type": field["type"], "id": field.get("id", 0), "custom_id": field["custom_id"]}
    match field["type"]:
        case ComponentType.TEXT_INPUT:
            return result | {"value": _text(field, value)}
        case ComponentType.FILE_UPLOAD:
            return result | {"values": _files(field, value)}
        case ComponentType.RADIO_GROUP:
            choices = _selection(field, value, builder)
            return result | {"value": choices[0] if choices else None}
        case ComponentType.CHECKBOX_GROUP:
            field = {"max_values": len(field["options"]), **field}
            return result | {"values": _selection(field, value, builder)}
        case ComponentType.CHECKBOX:
            return result | {"value": _checkbox(field, value)}
        case kind if kind in SELECT_TYPES:
            return result | {"values": _selection(field, value, builder)}
        case kind:
            raise InvalidOption(f"The playground does not support fields of type {kind}.")


def _checkbox(field: Json, value: FieldValue | None) -> bool:
    checked = bool(field.get("default")) if value is None else value
    if not isinstance(checked, bool):
        raise InvalidOption(f"{_name(field)} is true or false.")
    return checked


def _files(field: Json, value: FieldValue | None) -> list[Upload]:
    items = [] if value is None else value if isinstance(value, list) else [value]
    uploads = [item for item in items if isinstance(item, Upload)]
    if len(uploads) < len(items):
        raise InvalidOption(f"{_name(field)} takes files.")
    if not uploads and field.get("required") is False:
        return []
    minimum, maximum = field.get("min_values", 1), field.get("max_values", 1)
    if not minimum <= len(uploads) <= maximum:
        raise InvalidOption(f"{_name(field)} takes {minimum} to {maximum} files.")
    return uploads


def _text(field: Json, value: FieldValue | None) -> str:
    text = field.get("value") or "" if value is None else value
    if not isinstance(text, str):
        raise InvalidOption(f"{_name(field)} takes text.")
    required = field.get("required") is not False
    minimum = max(field.get("min_length") or 0, int(required))
    maximum = field.get("max_length") or TEXT_LIMIT
    if (text or required) and not minimum <= len(text) <= maximum:
        raise InvalidOption(f"{_name(field)} takes {minimum} to {maximum} characters.")
    return text


def _selection(field: Json, value: FieldValue | None, builder: ResolvedDataBuilder) -> list[str]:
    if value is None:
        choices = default_choices(field)
    else:
        items: Sequence[object] = value if isinstance(value, list) else [value]
        choices = [
            item
            for item in items
            if isinstance(item, SelectValue) and not isinstance(item, Upload | bool)
        ]
        if len(choices) < len(items):
            raise InvalidOption(f"{_name(field)} takes no file, and is not true or false.")
    if field.get("required") is False and not choices:
        return []
    return selected_values(field, choices, builder, subject=_name(field))


def _name(field: Json) -> str:
    return f"The field {field.get('label') or field['custom_id']}"
