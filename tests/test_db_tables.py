"""Each field of a stored struct has a column, and each column has a field."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bot.db import rows
from bot.db.audit_log import AUDIT
from bot.db.deliveries import DELIVERIES, TARGETS
from bot.db.moderation import BLOCKS
from bot.db.reports import REPORTS
from bot.db.tables import Table
from bot.db.usage import USAGE
from bot.domain.delivery import Delivery
from bot.domain.job import ResponseTarget
from tests.new_database import create_database
from tests.samples import picture

TABLES = [AUDIT, BLOCKS, REPORTS, USAGE]
COLUMNS_WITHOUT_FIELD = {"audit_log": {"id"}, "reports": {"id"}}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """An empty database of the newest schema."""
    with closing(sqlite3.connect(create_database(tmp_path))) as connection:
        yield connection


def columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of the table's columns."""
    return {
        name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_fields_and_columns_match(table: Table[Any], connection: sqlite3.Connection) -> None:
    """The exceptions are ids that SQLite gives."""
    assert set(table.columns) == set(table.struct.__struct_fields__)
    unmapped_columns = COLUMNS_WITHOUT_FIELD.get(table.name, set())
    assert set(table.columns.values()) == columns_of(connection, table.name) - unmapped_columns


def test_a_picture_fills_each_column(connection: sqlite3.Connection) -> None:
    """Moderators fill one of those that are left, and a restoration the other."""
    assert set(rows.from_picture(picture())) | {"removed_at", "differs_on"} == columns_of(
        connection, "pictures"
    )


def test_a_delivery_has_a_column_for_each_field(connection: sqlite3.Connection) -> None:
    """Its target has several."""
    assert set(DELIVERIES.columns) == set(Delivery.__struct_fields__) - {"target"}
    assert set(TARGETS.columns) == set(ResponseTarget.__struct_fields__)
    columns = {*DELIVERIES.columns.values(), *TARGETS.columns.values()}
    assert columns | {"id", "delivered_at"} == columns_of(connection, "deliveries")


class Tags(msgspec.Struct):
    """A struct with a field that no column can hold."""

    names: list[str]


def test_an_unsupported_value_is_refused() -> None:
    """A column holds text, numbers or NULL."""
    with pytest.raises(TypeError, match="cannot hold list"):
        Table("tags", Tags, {"names": "names"}).to_row(Tags(["red"]))
