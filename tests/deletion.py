"""Delete a user's data, and check that nothing of it is left."""

from pathlib import Path
from typing import Final

from bot.db.database import FILENAME
from bot.playground import Channel, Interaction, Message, Person
from tests.house import House, eventually

DELETION_NOTE: Final = "deleted at its author's request"
JOBS_OF_USERS: Final = "SELECT * FROM jobs WHERE person != 0"


async def ephemeral_response(interaction: Interaction) -> Message:
    """The ephemeral response to a command."""
    message = await interaction.finished()
    assert message is not None and message.ephemeral
    return message


async def request_deletion(house: House, person: Person, where: Channel | None = None) -> Message:
    """The message of /privacy delete that asks for confirmation."""
    return await ephemeral_response(await person.slash("privacy delete", where=where))


async def delete(house: House, person: Person | None = None) -> str:
    """Delete all data of a user, by default Ada's; return the text of the result."""
    person = person or house.ada
    confirmation = await request_deletion(house, person)
    await person.click(confirmation, "Delete everything")
    await house.discord.until(
        lambda: not confirmation.buttons, why="the data is deleted", timeout=30
    )
    return confirmation.content


def files(house: House) -> set[str]:
    """All pictures and sketches in the data folder."""
    paths = (path for path in house.data.rglob("*.*") if path.parent != house.data)
    return {str(path.relative_to(house.data)) for path in paths}


def values_on_disk(data: Path, *values: str | int) -> list[str | int]:
    """The values that occur in any file of the database."""
    raw = b"".join(path.read_bytes() for path in data.glob(f"{FILENAME}*"))
    return [value for value in values if _raw(value) in raw]


def _raw(value: str | int) -> bytes:
    """The value as SQLite stores it; snowflakes take 8 bytes."""
    return value.encode() if isinstance(value, str) else value.to_bytes(8, "big")


async def assert_nothing_left(house: House) -> None:
    """Wait until all jobs are delivered and deleted; assert that no file is left."""
    await eventually(
        lambda: not house.query("SELECT * FROM jobs WHERE delivered_at IS NULL OR channel != 0")
    )
    assert house.query(JOBS_OF_USERS) == []
    assert house.query("SELECT * FROM pictures") == house.query("SELECT * FROM job_messages") == []
    await eventually(lambda: not files(house) and not house.query("SELECT * FROM file_deletions"))
    assert house.query("PRAGMA integrity_check")[0][0] == "ok"
