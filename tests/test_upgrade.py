"""A bot that starts on the database of an older version, whose messages stand on Discord."""

import asyncio
import time
from pathlib import Path
from typing import Any

from bot.db import migrations, rows
from bot.db.database import FILENAME
from bot.db.tables import Value
from bot.domain.picture import Picture
from bot.playground import Interaction, Message
from tests.bot_harness import BotHarness, eventually
from tests.deletion import assert_nothing_left, delete
from tests.fake_engine import FakeEngine, flat
from tests.samples import pixels_digest
from tests.test_db_migrations import OLD_RECIPE, insert, opened
from tests.test_full_size import interrupted_click

BEFORE = 11
"""The last version whose messages and requests were in tables of their own."""


def old_recipe(picture: Picture) -> dict[str, Any]:
    """The recipe of the picture as it was stored before."""
    names = "model", "revision", "prompt", "seed", "steps", "guidance", "width", "height"
    values = {name: getattr(picture.recipe, name) for name in names}
    return OLD_RECIPE | values | {"sampler": picture.recipe.sampler.value}


def downgrade(database: Path, messages: list[tuple[Message, int | None]], dm: Message) -> None:
    """Replace the database by one of the older version that knows the same job and messages."""
    with opened(database) as connection:
        [job] = map(rows.to_job, connection.execute(rows.JOBS))
        pictures = [rows.to_picture(row) for row in connection.execute("SELECT * FROM pictures")]
        [pending] = connection.execute("SELECT * FROM deliveries WHERE delivered_at IS NULL")
    for path in database.parent.glob(f"{FILENAME}*"):
        path.unlink()
    migrations.migrate(database, migrations.migrations()[:BEFORE])
    with opened(database) as connection:
        old_job: dict[str, Value] = {
            "id": job.id,
            "request": job.idempotency_key,
            "kind": "imagine",
            "status": "done",
            "person": job.user_id,
            "channel": job.target.channel_id,
            "guild": job.target.guild_id,
            "message": job.target.message_id,
            "recipes": rows.json([old_recipe(picture) for picture in pictures]),
            "attempt": 1,
            "created_at": time.time(),
            "ended_at": time.time(),
            "delivered_at": time.time(),
        }
        insert(connection, "jobs", old_job)
        for picture in pictures:
            stored: dict[str, Value] = {
                "id": picture.id,
                "job": job.id,
                "nth": picture.nth,
                "sha256": "a" * 64,
                "path": picture.path,
                "blocked": 0,
                "fingerprint": picture.fingerprint,
            }
            columns: dict[str, Value] = {**old_recipe(picture), "adapters": "[]", **stored}
            insert(connection, "pictures", columns)
        for message, nth in messages:
            insert(connection, "job_messages", {"message": message.id, "job": job.id, "nth": nth})
        sent: dict[str, Value] = {"message": dm.id, "channel": dm.channel.id, "job": job.id}
        insert(connection, "direct_messages", sent)
        interaction: dict[str, Value] = {
            "interaction": int(pending["request"]),
            "application": pending["application"],
            "token": pending["token"],
            "channel": pending["channel"],
            "job": job.id,
            "nth": pending["nth"],
            "at": pending["created_at"],
        }
        insert(connection, "pending_interactions", interaction)


async def upgraded(harness: BotHarness) -> tuple[Message, Message, Interaction]:
    """A grid, a single picture, and a click on U2 that the older version did not answer."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U1"))
    await harness.ada.react(grid, "✉️")
    await eventually(
        lambda: harness.query(
            "SELECT 1 FROM deliveries WHERE message > 0 AND recipient IS NULL AND kind = 'direct'"
        )
    )
    [dm] = harness.discord.dms(harness.ada)
    interaction = await interrupted_click(harness, grid, "acknowledged")
    await asyncio.to_thread(downgrade, harness.data / FILENAME, [(grid, None), (single, 1)], dm)
    await harness.start()
    return grid, single, interaction


async def test_old_buttons_and_reactions_work(harness: BotHarness, engine: FakeEngine) -> None:
    """Also the click that the older version did not answer."""
    grid, single, interaction = await upgraded(harness)
    answered = await harness.result(interaction)
    other = await harness.result(await harness.ada.click(grid, "U3"))
    for message, nth in ((answered, 2), (other, 3)):
        expected = flat(engine.paints[0].recipes[nth - 1])
        assert pixels_digest(message.attachments[0].data) == pixels_digest(expected)
    variations = await harness.result(await harness.ada.click(grid, "V2"))
    assert variations.attachments
    before = len(harness.discord.messages())
    await harness.ada.react(single, "🔁")
    await harness.discord.until(
        lambda: len(harness.discord.messages()) > before, why="variations of the single picture"
    )
    ben = harness.discord.person("Ben")
    await ben.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(ben), why="a direct message")


async def test_all_old_messages_are_removed(harness: BotHarness) -> None:
    """Direct messages, too."""
    grid, single, interaction = await upgraded(harness)
    answered = await harness.result(interaction)
    moderator = harness.discord.person("Mo", moderator=True)
    removal = await moderator.use("Remove picture", grid)
    await harness.discord.until(
        lambda: grid.deleted and single.deleted and answered.deleted, why="they are deleted"
    )
    await harness.discord.until(lambda: harness.discord.dms(harness.ada) == [], why="the DM too")
    await removal.acknowledged()


async def test_the_old_job_is_erased(harness: BotHarness) -> None:
    """No message and no token of it is stored after that."""
    _, _, interaction = await upgraded(harness)
    await harness.result(interaction)
    await eventually(lambda: not harness.query("SELECT 1 FROM deliveries WHERE token IS NOT NULL"))
    assert len(harness.query("SELECT 1 FROM deliveries WHERE message IS NOT NULL")) == 4
    await delete(harness)
    await assert_nothing_left(harness)
