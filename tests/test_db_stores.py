"""Each table has one store, which is the only writer of the table and erases its user data."""

import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from sys import modules

from bot.db.database import Database
from bot.db.file_deletions import FileDeletion, FileKind
from bot.db.store import Store
from bot.db.usage import UsageRecord
from bot.domain.job_input import InputRole, PlanInput
from bot.domain.plan import Edge, Relation
from bot.domain.votes import Vote
from engine.contract import Img2Img
from tests.bot_harness import query
from tests.samples import direct_message, job, picture, recipe
from tests.stored_jobs import delivered_job
from tests.test_db_plans import FILM

WRITES = re.compile(
    r"\b(?:INSERT (?:OR \w+ )?INTO|DELETE FROM|UPDATE(?: OR \w+)?) (\w+)|Table\(\s*\"(\w+)\""
)
INSERTS = re.compile(r"insert_sql\(\s*\"(\w+)\"")


def tables_of(store: Store) -> set[str]:
    """The tables that the store declares."""
    return {*store.erased_tables, *store.retained_tables}


def all_tables(data: Path) -> set[str]:
    """All tables of the database."""
    with closing(sqlite3.connect(data / "imagine.db")) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows}


def written_by(store: Store) -> set[str]:
    """The tables that the SQL of the store's module inserts into, updates or deletes from."""
    source = Path(modules[type(store).__module__].__file__ or "").read_text(encoding="utf-8")
    names = {name for match in WRITES.findall(source) for name in match if name}
    return (names | set(INSERTS.findall(source))) - {"SET"}


def refers_to_j1(data: Path, table: str) -> bool:
    """Whether the table has a row of job j1."""
    return bool(query(data, f"SELECT 1 FROM {table} WHERE job = 'j1'"))  # noqa: S608 # our names


async def test_each_table_has_one_store(db: Database, tmp_path: Path) -> None:
    """Each table is thus either erased with its job or retained for a stated reason."""
    counts = Counter(table for store in db.stores for table in tables_of(store))
    assert set(counts) == all_tables(tmp_path)
    assert set(counts.values()) == {1}


async def test_only_its_store_writes_a_table(db: Database) -> None:
    """A module writes the tables of the stores that are defined in it."""
    declared: dict[str, set[str]] = {}
    for store in db.stores:
        declared.setdefault(type(store).__module__, set()).update(tables_of(store))
    for store in db.stores:
        assert written_by(store) == declared[type(store).__module__]


async def test_an_erased_job_leaves_no_rows(db: Database, tmp_path: Path) -> None:
    """Only the anonymous row of the job itself stays."""
    img2img = recipe(source=Img2Img("b" * 64, 0.5))
    await delivered_job(db, "j0", user_id=2)
    sketch = PlanInput(role=InputRole.SKETCH, url="https://a/b")
    await db.jobs.add(job(), inputs=[sketch], edges=[Edge(1, "j0-1", Relation.VARIATION)])
    await db.jobs.mark_queued("j1", (img2img,), ["b" * 64])
    await db.jobs.claim("j1", now=1.0)
    await db.artifacts.add(FILM, attempt=1)
    usage = UsageRecord(
        job_id="j1",
        attempt=1,
        user_id=1,
        seconds=1.0,
        created_at=2.0,
        revision="0",
        pixels=64,
        work=1.0,
    )
    await db.jobs.complete("j1", 1, [picture()], 2.0, usage)
    await db.jobs.set_message("j1", 50)
    await db.deliveries.record(direct_message(), 51, now=3.0)
    vote = Vote(message_id=50, user_id=2, job_id="j1", nth=1, created_at=3.0)
    await db.votes.add(vote)
    await db.deliveries.add_ballot(10, 52, ["j1"])
    await db.jobs.mark_delivered("j1", now=3.0)
    erased = {table for store in db.stores for table in store.erased_tables} - {"jobs"}
    referring = {table for table in erased if refers_to_j1(tmp_path, table)}
    assert referring == erased - {"erasure_requests"}
    assert await db.erasure.erase_user(1, now=4.0) == 1
    assert not any(refers_to_j1(tmp_path, table) for table in erased)
    assert await db.file_deletions.all() == [
        FileDeletion(FileKind.PICTURES, "j1"),
        FileDeletion(FileKind.SKETCH, "b" * 64),
    ]
