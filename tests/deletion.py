"""Deleting all that is kept of a person, and looking at what is left of them."""

from pathlib import Path
from typing import Final

from bot.db.database import FILENAME
from bot.playground import Channel, Interaction, Message, Person
from tests.house import House, eventually

WISH: Final = "deleted at the wish of who asked for it"
LEFT: Final = "SELECT * FROM jobs WHERE person != 0"


async def answer(asked: Interaction) -> Message:
    """The private answer to a command."""
    message = await asked.finished()
    assert message is not None and message.ephemeral
    return message


async def question(house: House, person: Person, where: Channel | None = None) -> Message:
    """What a person is asked before all that is kept of them is deleted."""
    return await answer(await person.slash("privacy delete", where=where))


async def delete(house: House, person: Person | None = None) -> str:
    """Delete all that is kept of a person, by default Ada; what they are told."""
    person = person or house.ada
    asked = await question(house, person)
    await person.click(asked, "Delete all of it")
    await house.discord.until(lambda: not asked.buttons, why="it is deleted", timeout=30)
    return asked.content


def files(house: House) -> set[str]:
    """All pictures and sketches in the data folder."""
    found = (path for path in house.data.rglob("*.*") if path.parent != house.data)
    return {str(path.relative_to(house.data)) for path in found}


def marks(data: Path, *wanted: str | int) -> list[str | int]:
    """Which of these words and numbers are anywhere in the files of the database."""
    raw = b"".join(path.read_bytes() for path in data.glob(f"{FILENAME}*"))
    return [each for each in wanted if _raw(each) in raw]


def _raw(value: str | int) -> bytes:
    """As SQLite writes it; Discord's ids take all of 8 bytes."""
    return value.encode() if isinstance(value, str) else value.to_bytes(8, "big")


async def left_nothing(house: House) -> None:
    """Everything ended, was shown and is deleted, and no file is there."""
    await eventually(
        lambda: not house.query("SELECT * FROM jobs WHERE delivered_at IS NULL OR channel != 0")
    )
    assert house.query(LEFT) == []
    assert house.query("SELECT * FROM pictures") == house.query("SELECT * FROM posts") == []
    await eventually(lambda: not files(house) and not house.query("SELECT * FROM removals"))
    assert house.query("PRAGMA integrity_check")[0][0] == "ok"
