"""Types of the fields in request bodies. Each converts a value, or adds form errors.

Codes and messages are those of Discord. A value of another JSON type is converted where Discord
does so: ids may be numbers, and numbers may be strings.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlsplit

from bot.playground.errors import Json
from bot.playground.rest.validation.form import FormErrors, Path

MAX_SNOWFLAKE = (1 << 64) - 1
DECIMAL = re.compile(r"-?[0-9]{1,20}")
HOST = re.compile(r"[^\s.:]+(\.[^\s.:]+)+|[0-9a-f:.]*:[0-9a-f:.]*")  # with a dot, or IPv6
BOOLEANS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False}
WEB = ("http", "https")
ATTACHMENT = "attachment"


class Field(Protocol):
    """The type of a field."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        """Return the value as handlers use it; add the errors of the field at `path`."""


@dataclass(frozen=True)
class Required:
    """A field that must be present and not null."""

    field: Field

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        return self.field.read(value, path, errors)


@dataclass(frozen=True)
class Text:
    """A string with `minimum` to `maximum` characters; with `strip`, outer spaces do not count."""

    maximum: int
    minimum: int = 0
    strip: bool = False

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if not isinstance(value, str):
            errors.add(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
            return ""
        text = value.strip() if self.strip else value
        _check_length(len(text), self.minimum, self.maximum, path, errors)
        return text


@dataclass(frozen=True)
class Integer:
    """An integer in a range, or its decimal representation."""

    minimum: int = -(1 << 63)
    maximum: int = (1 << 63) - 1
    kind: str = "int"

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        number = _integer(value)
        if number is None:
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not {self.kind}.')
        elif number < self.minimum:
            message = f"{self.kind} value should be greater than or equal to {self.minimum}."
            errors.add(path, "NUMBER_TYPE_MIN", message)
        elif number > self.maximum:
            message = f"{self.kind} value should be less than or equal to {self.maximum}."
            errors.add(path, "NUMBER_TYPE_MAX", message)
        return number or 0


@dataclass(frozen=True)
class Float:
    """A finite number."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(float(str(value))):
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not float.')
            return 0.0
        return value


@dataclass(frozen=True)
class Boolean:
    """A boolean, or a string such as "true"."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if isinstance(value, bool):
            return value
        if str(value) not in BOOLEANS:
            errors.add(path, "BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
        return BOOLEANS.get(str(value), False)


@dataclass(frozen=True)
class Snowflake:
    """An id, as a decimal string or a number; the value is a string."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        number = _integer(value)
        if number is None or not 0 <= number <= MAX_SNOWFLAKE:
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
        return str(number or 0)


@dataclass(frozen=True)
class Nonce:
    """A string of at most 25 characters, or a 64-bit integer."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if isinstance(value, bool) or not isinstance(value, str | int):
            message = "This field must be a string or integer."
            errors.add(path, "NONCE_TYPE_INVALID_TYPE", message)
        elif isinstance(value, str) and len(value) > 25:
            errors.add(path, "NONCE_TYPE_TOO_LONG", "Must be 25 or fewer characters long.")
        elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
            message = f"Must be between {-(1 << 63)} and {(1 << 63) - 1}."
            errors.add(path, "NONCE_TYPE_OUT_OF_BOUNDS", message)
        return value


@dataclass(frozen=True)
class Timestamp:
    """An ISO 8601 timestamp, or seconds since 1970; the value is a timestamp in UTC."""

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        try:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return datetime.fromtimestamp(value, UTC).isoformat()
            time = datetime.fromisoformat(str(value))
            return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        except (ValueError, OverflowError, OSError):
            message = f"Could not parse {value}. Should be ISO8601."
            errors.add(path, "DATE_TIME_TYPE_PARSE", message)
        return value


@dataclass(frozen=True)
class Url:
    """A URL with one of the schemes, and for `http` and `https` a host with a dot."""

    maximum: int
    schemes: tuple[str, ...] = WEB

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if not isinstance(value, str):
            errors.add(path, "STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
            return ""
        _check_length(len(value), 0, self.maximum, path, errors)
        scheme = value.split(":", 1)[0].lower()
        if scheme not in self.schemes:
            schemes = ", ".join(f"'{name}'" for name in self.schemes)
            message = f'Scheme "{scheme}" is not supported. Scheme must be one of ({schemes}).'
            errors.add(path, "URL_TYPE_INVALID_SCHEME", message)
        elif not _is_well_formed(scheme, value):
            errors.add(path, "URL_TYPE_INVALID_URL", "Not a well formed URL.")
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few values."""

    values: tuple[str | int, ...]

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        choice = _integer(value) if isinstance(self.values[0], int) else value
        if choice is None:
            errors.add(path, "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
            return self.values[0]
        if choice not in self.values:
            errors.add(path, "BASE_TYPE_CHOICES", f"Value must be one of {_list(self.values)}.")
            return self.values[0]
        return choice


@dataclass(frozen=True)
class ListOf:
    """A list; `unique` forbids repeated values, `nulls` leaves out null items.

    An object with fields is read as the list of its keys.
    """

    field: Field
    maximum: int = 1 << 16
    minimum: int = 0
    unique: bool = False
    nulls: bool = False

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if value and isinstance(value, dict):
            value = list(value)
        if not isinstance(value, list):
            message = "Only iterables may be used in a ListType."
            errors.add(path, "LIST_TYPE_CONVERT", message)
            return []
        _check_length(len(value), self.minimum, self.maximum, path, errors)
        result: list[object] = []
        for index, item in enumerate(value[: self.maximum]):
            if item is None:
                if not self.nulls:
                    errors.require((*path, index))
                continue
            read_item = self.field.read(item, (*path, index), errors)
            if self.unique and read_item in result:
                message = "The set already contains this value"
                errors.add((*path, index), "SET_TYPE_ALREADY_CONTAINS_VALUE", message)
            result.append(read_item)
        return result


@dataclass(frozen=True)
class Model:
    """An object. Unknown fields are left out; null is the same as an absent field.

    With `nulls`, null fields are part of the value.
    """

    fields: Mapping[str, Field]
    nulls: bool = False

    def read(self, value: object, path: Path, errors: FormErrors) -> Json:
        """Return the fields that the model has."""
        if not isinstance(value, dict):
            message = "Only dictionaries may be used in a ModelType"
            errors.add(path, "MODEL_TYPE_CONVERT", message)
            return {}
        result: Json = {}
        for name, field in self.fields.items():
            if value.get(name) is not None:
                result[name] = field.read(value[name], (*path, name), errors)
            elif isinstance(field, Required):
                errors.require((*path, name))
            elif self.nulls and name in value:
                result[name] = None
        return result


@dataclass(frozen=True)
class Union:
    """One of several models, by the object's `type`."""

    models: Mapping[int, Model]

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if not isinstance(value, dict):
            return Model({}).read(value, path, errors)
        tag = value.get("type")
        if tag is None:
            message = 'Field "type" is required to determine the model type.'
            errors.add(path, "TAG_FIELD_MISSING", message)
        elif type(tag) is not int or tag not in self.models:
            add_wrong_type(path, tuple(self.models), errors)
        else:
            return {"type": tag} | self.models[tag].read(value, path, errors)
        return {}


@dataclass(frozen=True)
class Dictionary:
    """An object whose keys are from a list, and whose values are of one type."""

    keys: tuple[str, ...]
    field: Field

    def read(self, value: object, path: Path, errors: FormErrors) -> object:
        if not isinstance(value, dict):
            message = "Only dictionaries may be used in a DictType"
            errors.add(path, "DICT_TYPE_CONVERT", message)
            return {}
        for key, item in value.items():
            if key not in self.keys:
                message = f"Value must be one of {_list(self.keys)}."
                errors.add((*path, key), "BASE_TYPE_CHOICES", message)
            elif item is None:
                errors.require((*path, key))
            else:
                self.field.read(item, (*path, key), errors)
        return value


def read_form(model: Model, value: object, path: Path = ()) -> Json:
    """Return the request body as handlers use it; raise ApiError if it is invalid."""
    errors = FormErrors()
    result = model.read(value, path, errors)
    errors.raise_any()
    return result


def add_wrong_type(path: Path, types: tuple[int, ...], errors: FormErrors) -> None:
    """Add the error of an object whose `type` is not one of `types`."""
    message = f'Value of field "type" must be one of {_list(types)}.'
    errors.add(path, "UNION_TYPE_CHOICES", message)


def _list(values: tuple[str | int, ...]) -> str:
    return repr(tuple(value if isinstance(value, str) else int(value) for value in values))


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and DECIMAL.fullmatch(value):
        return int(value)
    return None


def _check_length(length: int, minimum: int, maximum: int, path: Path, errors: FormErrors) -> None:
    if minimum <= length <= maximum:
        return
    if minimum:
        message = f"Must be between {minimum} and {maximum} in length."
        errors.add(path, "BASE_TYPE_BAD_LENGTH", message)
    else:
        message = f"Must be {maximum} or fewer in length."
        errors.add(path, "BASE_TYPE_MAX_LENGTH", message)


def _is_well_formed(scheme: str, url: str) -> bool:
    if scheme not in WEB:
        return "://" in url
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return " " not in url and "://" in url and bool(HOST.fullmatch(host))
