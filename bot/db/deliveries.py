"""What must arrive on Discord, and which of the bot's messages show which jobs."""

import sqlite3
from collections.abc import Collection
from typing import Final

import aiosqlite
import msgspec

from bot.db import rows
from bot.db.store import Erasure, Store
from bot.db.tables import Table, Value, insert_sql
from bot.domain.delivery import Delivery
from bot.domain.job import DeletionReason, ResponseTarget, ShownJob
from bot.domain.moderation import Case

INTERACTION_SECONDS: Final = 15 * 60.0
"""How long an interaction's token is valid, and for how long a delivery is tried that is not the
result of a job."""
DELIVERIES: Final = Table(
    "deliveries",
    Delivery,
    {
        "kind": "kind",
        "job_id": "job",
        "nth": "nth",
        "request": "request",
        "recipient_id": "recipient",
        "created_at": "created_at",
    },
)
"""The fields of `target` have the columns of TARGETS."""
TARGETS: Final = Table(
    "deliveries",
    ResponseTarget,
    {
        "channel_id": "channel",
        "guild_id": "guild",
        "message_id": "message",
        "application_id": "application",
        "token": "token",
        "reply_to_id": "reply_to",
    },
)
_IS_SAME: Final = (
    "kind = :kind AND job = :job AND request IS :request AND guild IS :guild "
    "AND delivered_at IS NULL"
)


class DeliveryStore(Store):
    """Writes the tables `deliveries` and `ballots`. The token of a delivery is deleted when it has
    arrived."""

    erased_tables = ("deliveries", "ballots")

    async def add(self, delivery: Delivery) -> None:
        """Store what must arrive; does nothing if there is a delivery of the same request."""
        async with self._connection.transaction() as db:
            await insert(db, delivery)

    async def undelivered(self) -> list[Delivery]:
        """All that has not arrived, oldest first; of results, those of ended jobs."""
        deliveries = await self._connection.fetch_all(
            "SELECT deliveries.* FROM deliveries JOIN jobs ON jobs.id = job "
            "WHERE deliveries.delivered_at IS NULL "
            "AND (ended_at IS NOT NULL OR deliveries.kind != 'result') "
            "ORDER BY iif(deliveries.kind = 'result', ended_at, deliveries.created_at)"
        )
        return [_from_row(row) for row in deliveries]

    async def current(self, delivery: Delivery) -> Delivery | None:
        """An undelivered delivery as it is stored now; None if it has arrived or expired."""
        deliveries = await self._connection.fetch_all(
            f"SELECT * FROM deliveries WHERE {_IS_SAME}",  # noqa: S608 # ours
            **_key(delivery),
        )
        return next(map(_from_row, deliveries), None)

    async def earlier(self, delivery: Delivery) -> Delivery | None:
        """The last delivery of the same picture to the same channel that was stored before this
        one; its message may have been deleted since."""
        stored = await self._connection.fetch_all(
            "SELECT * FROM deliveries WHERE kind = :kind AND job = :job AND nth IS :nth "
            "AND channel = :channel AND id < (SELECT max(id) FROM deliveries "
            "WHERE kind = :kind AND job = :job AND request = :request) ORDER BY id DESC LIMIT 1",
            **_key(delivery),
            nth=delivery.nth,
            channel=delivery.target.channel_id,
        )
        return next(map(_from_row, stored), None)

    async def set_message(self, delivery: Delivery, message_id: int) -> None:
        """Record the message of a delivery, even of one that could not be added.

        Not if the job was deleted meanwhile.
        """
        async with self._connection.transaction() as db:
            updated = await db.execute(
                f"UPDATE OR IGNORE deliveries SET message = :message WHERE {_IS_SAME}",  # noqa: S608 # ours
                _key(delivery) | {"message": message_id},
            )
            if updated.rowcount <= 0:
                await insert(db, _with_message(delivery, message_id))

    async def set_post(self, delivery: Delivery, channel_id: int, message_id: int) -> bool:
        """Record the message of a post in a gallery; in a forum, its channel is the post.

        False if the post is not to be there any more.
        """
        async with self._connection.transaction() as db:
            updated = await db.execute(
                f"UPDATE deliveries SET channel = :channel, message = :message WHERE {_IS_SAME}",  # noqa: S608 # ours
                _key(delivery) | {"channel": channel_id, "message": message_id},
            )
        return updated.rowcount > 0

    async def withdraw(self, job_id: str, *, now: float) -> None:
        """Let the posts of a job in galleries be deleted. Their rows stay, so that they do not
        come back."""
        async with self._connection.transaction() as db:
            await _withdraw(db, rows.json([job_id]), now)

    async def record(self, delivery: Delivery, message_id: int, *, now: float) -> None:
        """Record one of several messages of a delivery, which has arrived; not if the job was
        deleted meanwhile."""
        async with self._connection.transaction() as db:
            message = msgspec.structs.replace(
                _with_message(delivery, message_id), request=None, recipient_id=None
            )
            await insert(db, message, delivered_at=now)

    async def complete(self, delivery: Delivery, *, now: float) -> None:
        """Record that the delivery has arrived, and delete its token.

        Nothing stays of it if it has no message, or if its job was deleted.
        """
        async with self._connection.transaction() as db:
            await db.execute(
                f"DELETE FROM deliveries WHERE {_IS_SAME} AND (message IS NULL "  # noqa: S608 # ours
                "OR EXISTS (SELECT 1 FROM jobs WHERE jobs.id = deliveries.job "
                "AND erased IS NOT NULL))",
                _key(delivery),
            )
            await db.execute(
                "UPDATE deliveries SET delivered_at = :now, token = NULL, request = NULL, "  # noqa: S608 # ours
                f"recipient = NULL WHERE {_IS_SAME}",
                _key(delivery) | {"now": now},
            )

    async def set_card(self, case: Case, channel_id: int, message_id: int, *, now: float) -> bool:
        """Record the message of the case's card; False if another one has replaced that of
        `case` since."""
        async with self._connection.transaction() as db:
            cards = await db.execute_fetchall(
                "SELECT message FROM deliveries WHERE kind = 'card' AND job = ? AND guild = ?",
                (case.job_id, case.guild_id),
            )
            current = next((row["message"] for row in cards), None)
            if current not in (case.card_message_id, message_id):
                return False
            await forget_card(db, case.job_id, case.guild_id)
            await db.execute(
                "INSERT OR REPLACE INTO deliveries "
                "(kind, job, channel, guild, message, created_at, delivered_at) "
                "VALUES ('card', :job, :channel, :guild, :message, :now, :now)",
                {
                    "job": case.job_id,
                    "channel": channel_id,
                    "guild": case.guild_id,
                    "message": message_id,
                    "now": now,
                },
            )
        return True

    async def find(self, message_id: int) -> ShownJob | None:
        """What this message in a channel shows; None for direct messages with copies."""
        messages = await self._connection.fetch_all(
            # rows of old versions may lack the guild; then it is that of the job's channel
            "SELECT job, nth, deliveries.channel, coalesce(deliveries.guild, "
            "iif(deliveries.channel = jobs.channel, jobs.guild, NULL)) AS guild "
            "FROM deliveries JOIN jobs ON jobs.id = job WHERE erased IS NULL "
            "AND deliveries.kind NOT IN ('direct', 'card', 'withdrawal') "
            "AND deliveries.message = ?",
            message_id,
        )
        if not messages:
            return None
        [message] = messages
        jobs = await self._connection.fetch_all(f"{rows.JOBS} WHERE id = ?", message["job"])
        if not jobs:
            return None
        return ShownJob(rows.to_job(jobs[0]), message["nth"], message["channel"], message["guild"])

    async def add_ballot(self, channel_id: int, message_id: int, job_ids: Collection[str]) -> None:
        """Record that a message shows pictures of these jobs, other than those that were deleted
        meanwhile."""
        async with self._connection.transaction() as db:
            await db.execute(
                "INSERT OR IGNORE INTO ballots (message, job, channel) SELECT ?, id, ? FROM jobs "
                "WHERE erased IS NULL AND id IN (SELECT value FROM json_each(?))",
                (message_id, channel_id, rows.json(list(job_ids))),
            )

    async def forget(self, message_id: int) -> None:
        """Forget a message that was deleted; not one that is still to be edited."""
        async with self._connection.transaction() as db:
            await db.execute("DELETE FROM ballots WHERE message = ?", (message_id,))
            await db.execute(
                "DELETE FROM deliveries WHERE message = ? AND kind != 'result' "
                "AND delivered_at IS NOT NULL",
                (message_id,),
            )
            await db.execute(
                "UPDATE deliveries SET message = NULL "
                "WHERE message = ? AND delivered_at IS NOT NULL",
                (message_id,),
            )

    async def messages_of_job(self, job_id: str) -> list[tuple[int, int]]:
        """Channel and message ids of all that show the job or its pictures."""
        return await self._messages("SELECT :job", job=job_id)

    async def messages_of_removed_pictures(self) -> list[tuple[int, int]]:
        """Channel and message ids of all that may still show a picture that was removed."""
        return await self._messages("SELECT job FROM pictures WHERE removed_at IS NOT NULL")

    async def _messages(self, job_ids: str, **values: object) -> list[tuple[int, int]]:
        messages = await self._connection.fetch_all(
            "SELECT deliveries.channel, deliveries.message "  # noqa: S608 # ours
            "FROM deliveries JOIN jobs ON jobs.id = job WHERE deliveries.message IS NOT NULL "
            f"AND deliveries.kind != 'card' AND erased IS NULL AND job IN ({job_ids}) "
            "ORDER BY deliveries.id",
            **values,
        )
        ballots = await self._connection.fetch_all(
            f"SELECT DISTINCT channel, message FROM ballots WHERE job IN ({job_ids})",  # noqa: S608 # ours
            **values,
        )
        return [(row["channel"], row["message"]) for row in (*messages, *ballots)]

    async def erase_jobs(self, db: aiosqlite.Connection, erasure: Erasure) -> None:
        """Forget the messages of these jobs; what has not arrived yet goes when it has.

        Cards stay for as long as their cases. At the request of their user, posts in galleries are
        deleted before they are forgotten.
        """
        if erasure.reason is DeletionReason.REQUESTED:
            await _withdraw(db, erasure.job_ids, erasure.now)
        await db.execute(
            "DELETE FROM deliveries WHERE delivered_at IS NOT NULL AND kind != 'card' "
            "AND job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )
        await db.execute(
            "DELETE FROM ballots WHERE job IN (SELECT value FROM json_each(:job_ids))",
            {"job_ids": erasure.job_ids},
        )

    async def expire(self, db: aiosqlite.Connection, now: float) -> None:
        """Give up what did not arrive in time; results and withdrawals are delivered at any age."""
        values = {"oldest": now - INTERACTION_SECONDS}
        expired = (
            "delivered_at IS NULL AND kind NOT IN ('result', 'withdrawal') "
            "AND created_at <= :oldest"
        )
        await db.execute(
            # with +, not by the index of messages, as many have none
            f"DELETE FROM deliveries WHERE {expired} AND +message IS NULL",  # noqa: S608 # ours
            values,
        )
        await db.execute(
            "UPDATE deliveries SET delivered_at = created_at, token = NULL, request = NULL, "  # noqa: S608 # ours
            f"recipient = NULL WHERE {expired}",
            values,
        )


# Parts of transactions of other stores


async def insert(
    db: aiosqlite.Connection, delivery: Delivery, *, delivered_at: float | None = None
) -> None:
    """Store a delivery, but none of a deleted job and no second one of a request or message."""
    columns = _to_row(delivery) | {"delivered_at": delivered_at}
    sql = insert_sql("deliveries", columns, "ON CONFLICT DO NOTHING")
    if not await db.execute_fetchall(
        "SELECT 1 FROM jobs WHERE id = ? AND erased IS NOT NULL", (delivery.job_id,)
    ):
        await db.execute(sql, columns)


async def set_result_message(db: aiosqlite.Connection, job_id: str, message_id: int) -> None:
    """Record the message that shows the job, and remember the one before, which may still exist."""
    values: dict[str, Value] = {"job": job_id, "message": message_id}
    before = await db.execute_fetchall(
        "SELECT * FROM deliveries WHERE kind = 'result' AND job = :job AND message != :message",
        values,
    )
    await db.execute(
        "UPDATE OR IGNORE deliveries SET message = :message WHERE kind = 'result' AND job = :job",
        values,
    )
    await db.executemany(
        "INSERT OR IGNORE INTO deliveries "
        "(kind, job, channel, guild, message, created_at, delivered_at) "
        "VALUES ('superseded', ?, ?, ?, ?, ?, ?)",
        [
            (job_id, row["channel"], row["guild"], row["message"], *([row["created_at"]] * 2))
            for row in before
        ],
    )


async def clear_result_token(db: aiosqlite.Connection, job_id: str) -> None:
    """Delete the token of a job, which is no longer valid."""
    await db.execute(
        "UPDATE deliveries SET token = NULL WHERE kind = 'result' AND job = ?", (job_id,)
    )


async def complete_result(db: aiosqlite.Connection, job_id: str, *, now: float) -> None:
    """Record that the result has arrived, and delete its token; all of it if the job is erased."""
    await db.execute(
        "DELETE FROM deliveries WHERE kind = 'result' AND job = ? "
        "AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = deliveries.job AND erased IS NOT NULL)",
        (job_id,),
    )
    await db.execute(
        "UPDATE deliveries SET delivered_at = ?, token = NULL "
        "WHERE kind = 'result' AND job = ? AND delivered_at IS NULL "
        "AND EXISTS (SELECT 1 FROM jobs WHERE jobs.id = deliveries.job AND ended_at IS NOT NULL)",
        (now, job_id),
    )


async def _withdraw(db: aiosqlite.Connection, job_ids: str, now: float) -> None:
    await db.execute(
        "UPDATE deliveries SET delivered_at = :now, request = NULL, recipient = NULL "
        "WHERE kind = 'gallery' AND message IS NULL "
        "AND job IN (SELECT value FROM json_each(:job_ids))",
        {"job_ids": job_ids, "now": now},
    )
    await db.execute(
        "UPDATE deliveries SET kind = 'withdrawal', request = 'withdrawal:' || message, "
        "recipient = NULL, created_at = :now, delivered_at = NULL "
        "WHERE kind = 'gallery' AND message IS NOT NULL "
        "AND job IN (SELECT value FROM json_each(:job_ids))",
        {"job_ids": job_ids, "now": now},
    )


async def forget_card(db: aiosqlite.Connection, job_id: str, guild_id: int) -> None:
    """Forget the card of a job's case in a guild, so that the case gets a new one."""
    await db.execute(
        "DELETE FROM deliveries WHERE kind = 'card' AND job = ? AND guild = ?", (job_id, guild_id)
    )


async def forget_cards_without_case(db: aiosqlite.Connection) -> None:
    """Forget the cards of cases that have expired."""
    await db.execute(
        "DELETE FROM deliveries WHERE kind = 'card' "
        "AND (job, guild) NOT IN (SELECT job, guild FROM cases)"
    )


def _key(delivery: Delivery) -> dict[str, Value]:
    kind, job_id, request, guild_id = delivery.key
    return {"kind": kind, "job": job_id, "request": request, "guild": guild_id}


def _with_message(delivery: Delivery, message_id: int) -> Delivery:
    target = msgspec.structs.replace(delivery.target, message_id=message_id)
    return msgspec.structs.replace(delivery, target=target)


def _to_row(delivery: Delivery) -> dict[str, Value]:
    return DELIVERIES.to_row(delivery) | TARGETS.to_row(delivery.target)


def _from_row(row: sqlite3.Row) -> Delivery:
    fields = {field: row[column] for field, column in DELIVERIES.columns.items()}
    return msgspec.convert(fields | {"target": TARGETS.from_row(row)}, Delivery)
