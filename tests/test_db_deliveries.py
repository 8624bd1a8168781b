"""Storing what must arrive, and the messages that show it."""

import sqlite3
from pathlib import Path

import msgspec

from bot.db.database import Database
from bot.db.deliveries import INTERACTION_SECONDS
from bot.domain.delivery import Delivery, DeliveryKind, result_of
from bot.domain.job import Status
from tests.bot_harness import query
from tests.capacity_limits import live
from tests.samples import direct_message, full_size, job
from tests.test_db_erasure import report


async def ended_job(db: Database, name: str = "j1") -> None:
    """A job that has ended, at 150.0, and whose ending was delivered."""
    await db.jobs.add(job(name))
    await db.jobs.finish_without_pictures(name, Status.CANCELLED, 150.0)
    await db.jobs.mark_delivered(name, now=151.0)


async def test_each_request_is_undelivered_once_until_it_is_complete(db: Database) -> None:
    """The oldest comes first; the repr of a delivery hides the token."""
    await ended_job(db)
    older = full_size(request="6", created_at=999.0)
    for delivery in (full_size(), full_size(), older):
        await db.deliveries.add(delivery)
    assert await db.deliveries.undelivered() == [older, full_size()]
    await db.deliveries.complete(older, now=1001.0)
    assert await db.deliveries.undelivered() == [full_size()]
    assert await db.deliveries.current(older) is None
    assert "secret" not in repr(full_size())


async def test_the_result_of_a_job_is_undelivered_from_its_end_on(db: Database) -> None:
    """Each job has one, which is stored with it."""
    await db.jobs.add(job())
    assert await db.deliveries.undelivered() == []
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 150.0)
    assert await db.deliveries.undelivered() == [result_of(job())]
    await db.jobs.mark_delivered("j1", now=151.0)
    assert await db.deliveries.undelivered() == []


async def test_secrets_are_deleted_with_the_delivery(db: Database, tmp_path: Path) -> None:
    """The message stays, and users can act on it."""
    await ended_job(db)
    await db.deliveries.add(full_size())
    await db.deliveries.set_message(full_size(), 60)
    await db.deliveries.complete(full_size(), now=1001.0)
    [row] = query(tmp_path, "SELECT * FROM deliveries WHERE kind = 'picture'")
    assert (row["message"], row["delivered_at"]) == (60, 1001.0)
    assert row["token"] is row["request"] is row["recipient"] is None
    shown = await db.deliveries.find(60)
    assert shown is not None and (shown.job.id, shown.nth) == ("j1", 2)


async def test_a_message_is_recorded_even_if_its_request_could_not_be(db: Database) -> None:
    """The database was locked when the user clicked."""
    await ended_job(db)
    await db.deliveries.set_message(full_size(), 60)
    await db.deliveries.complete(full_size(), now=1001.0)
    assert await db.deliveries.messages_of_job("j1") == [(10, 60)]


async def test_what_is_too_old_expires(db: Database, tmp_path: Path) -> None:
    """An interaction cannot be responded to without its token; a result is delivered at any age."""
    await db.jobs.add(job())
    await db.jobs.finish_without_pictures("j1", Status.CANCELLED, 150.0)
    for delivery in (full_size(), full_size(request="6"), direct_message()):
        await db.deliveries.add(delivery)
    await db.deliveries.set_message(full_size(), 60)
    await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS - 1)
    assert len(await db.deliveries.undelivered()) == 4
    await db.erasure.expire_all(now=1000.0 + INTERACTION_SECONDS)
    assert [each.kind for each in await db.deliveries.undelivered()] == [DeliveryKind.RESULT]
    assert query(tmp_path, "SELECT 1 FROM deliveries WHERE token IS NOT NULL") == []
    assert await db.deliveries.messages_of_job("j1") == [(10, 60)]


async def test_moderators_reach_every_message_of_a_job(db: Database) -> None:
    """All direct messages, any picture, and a message that another one has replaced."""
    await ended_job(db)
    await db.jobs.set_message("j1", 50)
    await db.jobs.set_message("j1", 51)
    for delivery, message_id in ((full_size(nth=200), 60), (full_size(request="6"), 61)):
        await db.deliveries.set_message(delivery, message_id)
        await db.deliveries.complete(delivery, now=1001.0)
    for message_id in (70, 71):
        await db.deliveries.record(direct_message(), message_id, now=1001.0)
    messages = [(10, 51), (10, 50), (10, 60), (10, 61), (50, 70), (50, 71)]
    assert await db.deliveries.messages_of_job("j1") == messages
    assert [await nth_of(db, message_id) for _, message_id in messages] == [
        *("whole", "whole", 200, 2, None, None)
    ]
    for _, message_id in messages:
        await db.deliveries.forget(message_id)
    assert await db.deliveries.messages_of_job("j1") == []
    stored = await db.jobs.job("j1")
    assert stored is not None and stored.target.message_id is None


async def nth_of(db: Database, message_id: int) -> int | str | None:
    """The number of the picture that the message shows, or `whole`; None if it shows none."""
    shown = await db.deliveries.find(message_id)
    return None if shown is None else shown.nth or "whole"


async def test_a_deleted_message_that_must_still_be_edited_is_not_forgotten(db: Database) -> None:
    """Otherwise a new message would be sent in its place."""
    await db.jobs.add(job())
    await db.jobs.set_message("j1", 50)
    await db.deliveries.forget(50)
    stored = await db.jobs.job("j1")
    assert stored is not None and stored.target.message_id == 50


async def test_an_erased_job_keeps_what_has_not_arrived(db: Database, tmp_path: Path) -> None:
    """Its user still gets an answer, and after that nothing is left."""
    await ended_job(db)
    await db.deliveries.add(full_size())
    await db.deliveries.set_message(full_size(), 60)
    await db.erasure.erase_user(1, now=1000.0)
    assert [each.request for each in await db.deliveries.undelivered()] == ["5"]
    assert await db.deliveries.find(60) is None
    assert await db.deliveries.messages_of_job("j1") == []
    await db.deliveries.complete(full_size(), now=1001.0)
    assert query(tmp_path, "SELECT * FROM deliveries") == []


def with_message(delivery: Delivery, message_id: int) -> Delivery:
    """The delivery with this message."""
    target = msgspec.structs.replace(delivery.target, message_id=message_id)
    return msgspec.structs.replace(delivery, target=target)


async def test_the_stored_delivery_has_its_message(db: Database) -> None:
    """A later attempt edits it."""
    await ended_job(db)
    await db.deliveries.add(full_size())
    await db.deliveries.set_message(full_size(), 60)
    assert await db.deliveries.current(full_size()) == with_message(full_size(), 60)


async def test_a_delivery_does_not_read_all_jobs(db: Database) -> None:
    """The time of a job's life is measured in steps of SQLite's virtual machine."""

    async def steps(name: str) -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection = db._connection.raw
        await connection.set_progress_handler(step, 1)
        await live(db, name)
        await db.deliveries.complete(full_size(), now=1000.0)
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
        return count

    await db._connection.raw.execute("PRAGMA synchronous = OFF")
    before = await steps("first")
    for number in range(300):
        await live(db, f"other{number}")
    assert await steps("last") < 1.2 * before


async def test_periodic_queries_do_not_read_all_messages(db: Database, tmp_path: Path) -> None:
    """The time is measured in steps of SQLite's virtual machine."""

    async def steps() -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection = db._connection.raw
        await connection.set_progress_handler(step, 1)
        await db.erasure.expire_all(now=1000.0)
        await db.reports.without_card()
        await db.deliveries.undelivered()
        await db.deliveries.current(result_of(job()))
        await connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
        return count

    await ended_job(db)
    await ended_job(db, "j2")
    await report(db, "j2", at=1000.0)
    before = await steps()
    connection = sqlite3.connect(tmp_path / "imagine.db")
    with connection:
        connection.executemany(
            "INSERT INTO deliveries (kind, job, channel, message, created_at, delivered_at) "
            "VALUES ('superseded', 'j2', 1, ?, 1, 1)",
            [(1000 + n,) for n in range(5000)],
        )
        connection.executemany(
            "INSERT INTO deliveries (kind, job, channel, created_at, delivered_at) "
            "VALUES ('direct', 'j2', 1, 1, 1)",
            [()] * 5000,
        )
    connection.close()
    assert await steps() < 1.5 * before
