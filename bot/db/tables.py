"""Which column of a table holds which field of a struct; pure."""

from collections.abc import Iterable, Mapping
from enum import Enum
from sqlite3 import Row
from typing import Generic, TypeVar

import msgspec

Value = str | int | float | None
S = TypeVar("S", bound=msgspec.Struct)


class Table(msgspec.Struct, Generic[S], frozen=True):
    """A table whose rows are structs of one type; enums are stored as their values."""

    name: str
    struct: type[S]
    columns: Mapping[str, str]
    """The column of each field."""

    def to_row(self, value: S) -> dict[str, Value]:
        """The value of each column."""
        return {column: _stored(getattr(value, field)) for field, column in self.columns.items()}

    def from_row(self, row: Row, **other_fields: Value) -> S:
        """The struct in this row; `other_fields` are those without a column."""
        fields = {field: row[column] for field, column in self.columns.items()}
        return msgspec.convert(fields | other_fields, self.struct)

    def insert_sql(self, conflict: str = "") -> str:
        """The statement that inserts `to_row`; `conflict` is an ON CONFLICT clause."""
        return insert_sql(self.name, self.columns.values(), conflict)


def insert_sql(table: str, columns: Iterable[str], conflict: str = "") -> str:
    """The statement that adds a row of these columns; `conflict` is an ON CONFLICT clause."""
    names = list(columns)
    values = ", ".join(f":{name}" for name in names)
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values}) {conflict}"  # noqa: S608 # our names


def _stored(value: object) -> Value:
    stored = value.value if isinstance(value, Enum) else value
    if stored is None or isinstance(stored, str | int | float):
        return stored
    raise TypeError(f"A column cannot hold {type(value).__name__}.")
