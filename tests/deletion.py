"""Delete a user's data, and check that nothing of it is left."""

from pathlib import Path
from typing import Final

from bot.db.database import FILENAME
from bot.playground import Channel, Interaction, Message, Person
from tests.bot_harness import BotHarness, eventually

DELETION_NOTE: Final = "deleted at its author's request"
JOBS_OF_USERS: Final = "SELECT * FROM jobs WHERE person != 0"


async def ephemeral_response(interaction: Interaction) -> Message:
    """The ephemeral response to a command."""
    message = await interaction.finished()
    assert message is not None and message.ephemeral
    return message


async def request_deletion(
    harness: BotHarness, person: Person, where: Channel | None = None
) -> Message:
    """The message of /privacy delete that asks for confirmation."""
    return await ephemeral_response(await person.slash("privacy delete", where=where))


async def delete(harness: BotHarness, person: Person | None = None) -> str:
    """Delete all data of a user, by default Ada's; return the text of the result."""
    person = person or harness.ada
    confirmation = await request_deletion(harness, person)
    await person.click(confirmation, "Delete everything")
    await harness.discord.until(
        lambda: not confirmation.buttons, why="the data is deleted", timeout=30
    )
    return confirmation.content


def files(harness: BotHarness) -> set[str]:
    """All pictures and sketches in the data folder."""
    paths = (path for path in harness.data.rglob("*.*") if path.parent != harness.data)
    return {str(path.relative_to(harness.data)) for path in paths}


def values_on_disk(data: Path, *values: str | int) -> list[str | int]:
    """The values that occur in any file of the database."""
    raw = b"".join(path.read_bytes() for path in data.glob(f"{FILENAME}*"))
    return [value for value in values if _raw(value) in raw]


def _raw(value: str | int) -> bytes:
    """The value as SQLite stores it; snowflakes take 8 bytes."""
    return value.encode() if isinstance(value, str) else value.to_bytes(8, "big")


async def assert_nothing_left(harness: BotHarness) -> None:
    """Wait until all jobs are delivered and deleted; assert that no file is left."""
    await eventually(
        lambda: not harness.query("SELECT * FROM jobs WHERE delivered_at IS NULL OR channel != 0")
    )
    assert harness.query(JOBS_OF_USERS) == []
    assert (
        harness.query("SELECT * FROM pictures")
        == harness.query("SELECT * FROM deliveries WHERE kind != 'card'")
        == []
    )
    await eventually(
        lambda: not files(harness) and not harness.query("SELECT * FROM file_deletions")
    )
    assert harness.query("PRAGMA integrity_check")[0][0] == "ok"
