"""The U buttons: one picture at full size, also when a bot dies on the way to it."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from bot.db.connection import LOCK_SECONDS
from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Message, Permission
from bot.playground.model.permissions import EVERYONE, NOTHING
from tests.fake_engine import FakeEngine, flat
from tests.house import House, eventually


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
async def test_u_posts_the_stored_picture(house: House, engine: FakeEngine, nth: int) -> None:
    """At full size, to the bit, as a new message, and nothing is painted."""
    grid = await house.imagine()
    shown = await house.result(await house.ada.click(grid, f"U{nth}"))
    assert shown is not grid
    assert shown.attachments[0].data == flat(engine.paints[0].recipes[nth - 1])
    assert f"seed `{6 + nth}`" in shown.content
    assert len(engine.paints) == 1


async def test_a_picture_whose_file_is_lost_is_said_to_be_lost(house: House) -> None:
    """The placeholder does not stay behind."""
    grid = await house.imagine()
    for path in (house.data / "pictures").rglob("*.png"):
        path.unlink()
    asked = await house.ada.click(grid, "U1")
    assert "file is gone" in await house.refusal(asked)
    await house.discord.until(lambda: house.discord.messages() == [grid], why="it is tidy")
    await eventually(lambda: house.query("SELECT * FROM presses") == [])


async def test_a_refusal_that_a_dying_bot_began_is_said_by_the_next(house: House) -> None:
    """The placeholder of a private answer stays with nobody."""
    grid = await house.imagine()
    for path in (house.data / "pictures").rglob("*.png"):
        path.unlink()
    house.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    pressed = await house.ada.click(grid, "U1")
    await house.discord.until(
        lambda: pressed.response and pressed.response.content == "…", why="it is being told"
    )
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: pressed.response and "file is gone" in pressed.response.content, why="the reason"
    )


async def test_a_damaged_picture_holds_up_no_other_press(house: House) -> None:
    """Of the presses that a dying bot left behind."""
    damaged = await left_empty(house, await house.imagine(), "acknowledged")
    house.execute("UPDATE pictures SET sampler = 'none'")
    await house.start()
    pressed = await left_empty(house, await house.imagine(), "acknowledged")
    await house.start()
    assert (await house.result(pressed)).attachments
    assert damaged.response is not None and damaged.response.loading


async def test_a_press_that_discord_cannot_be_told_of_says_so(house: House) -> None:
    """The connection breaks; nothing is wrong inside the bot, and nothing is left behind."""
    grid = await house.imagine()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
    asked = await house.ada.click(grid, "U1")
    assert "Discord rejected my response" in await house.refusal(asked)
    await house.discord.until(lambda: house.discord.messages() == [grid], why="it is tidy")


async def test_a_picture_stays_though_the_record_is_locked(house: House) -> None:
    """What it shows is recorded as soon as that can be done."""
    grid = await house.imagine()
    await eventually(lambda: house.query("SELECT 1 FROM jobs WHERE delivered_at > 0"))
    with closing(sqlite3.connect(house.data / FILENAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        shown = await house.result(await house.ada.click(grid, "U1"))
        await asyncio.sleep(2 * LOCK_SECONDS)
        other.execute("ROLLBACK")
    await eventually(lambda: house.query("SELECT 1 FROM posts WHERE nth = 1"))
    assert shown.attachments and not shown.deleted


@pytest.mark.parametrize("when", ["acknowledged", "sent", "refused"])
async def test_a_picture_that_was_on_its_way_when_the_bot_died_is_shown(
    house: House, engine: FakeEngine, when: str
) -> None:
    """On the message that was left empty, even if the bot never learned which that is."""
    grid = await house.imagine()
    pressed = await left_empty(house, grid, when)
    await house.start()
    shown = await house.result(pressed)
    assert shown.attachments[0].data == flat(engine.paints[0].recipes[1])
    await eventually(lambda: house.query("SELECT * FROM presses") == [])
    assert [row["message"] for row in house.query("SELECT message FROM posts WHERE nth = 2")] == [
        shown.id
    ]
    assert len(house.discord.messages()) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("UPDATE pictures SET path = 'pictures/none.png'", "file is gone"),
        ("DELETE FROM pictures", "That picture no longer exists"),
        ("UPDATE pictures SET blocked = 1, path = NULL", "withheld by the safety check"),
    ],
)
async def test_why_a_picture_cannot_be_shown_any_more_is_said(
    house: House, change: str, why: str
) -> None:
    """In the place of the picture."""
    pressed = await left_empty(house, await house.imagine(), "acknowledged")
    house.execute(change)
    await house.start()
    shown = await house.result(pressed)
    assert why in shown.content and not shown.attachments


@pytest.mark.parametrize("may", [EVERYONE, NOTHING])
async def test_a_picture_that_moderators_removed_meanwhile_goes(
    house: House, may: Permission
) -> None:
    """With its message, also if it was just shown, and where the bot may not look."""
    grid = await house.imagine()
    pressed = await house.ada.click(grid, "U2")
    shown = await house.result(pressed)
    await eventually(lambda: house.query("SELECT * FROM presses") == [])
    await house.stop()
    house.execute(
        "INSERT INTO presses SELECT ?, ?, ?, channel, id, 2, 1e10 FROM jobs",
        pressed.id,
        house.discord.world.bot.id,
        pressed.token,
    )
    house.execute("UPDATE pictures SET removed_at = 1.0, path = NULL, blocked = 1")
    house.discord.channel.bot_permissions = may
    await house.start()
    await house.discord.until(lambda: shown.deleted, why="it is removed")


async def test_a_press_that_was_never_acknowledged_is_forgotten(house: House) -> None:
    """Its person was told by Discord; nothing is shown to nobody."""
    grid = await house.imagine()
    house.discord.faults.next("POST", "/callback", Fault(drop=True), times=2)
    pressed = await house.ada.click(grid, "U2")
    await eventually(lambda: house.query("SELECT * FROM presses"))
    await house.stop()
    await house.start()
    await eventually(lambda: house.query("SELECT * FROM presses") == [])
    assert pressed.response is None and house.discord.messages() == [grid]


async def test_a_press_is_kept_until_discord_can_be_asked(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Discord is in trouble at the next start, and not at the one after."""
    pressed = await left_empty(house, await house.imagine(), "acknowledged")
    house.discord.faults.next("GET", "/messages/@original", Fault(drop=True), times=2)
    await house.start()
    await eventually(lambda: "a message may stay empty" in caplog.messages)
    await house.stop()
    assert house.query("SELECT * FROM presses")
    await house.start()
    assert (await house.result(pressed)).attachments
    assert "unforeseen" not in caplog.text


async def left_empty(house: House, grid: Message, when: str) -> Interaction:
    """U2 was pressed and acknowledged, and then the bot ended; `sent` is when it was sending, and
    `refused` when Discord had not taken it, and its person was about to be told."""
    if when == "acknowledged":
        house.discord.faults.next("POST", "/callback", Fault(after_commit=True, drop=True))
        house.discord.faults.next("GET", "/messages/@original", Fault(delay=60.0))
    elif when == "refused":
        house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True))
        house.discord.faults.next("POST", "/webhooks/", Fault(delay=60.0))
    else:
        house.discord.faults.next("PATCH", "/webhooks/", Fault(delay=60.0))
    pressed = await house.ada.click(grid, "U2")
    await house.discord.until(lambda: pressed.original, why="it is acknowledged")
    if when == "refused":
        await house.discord.until(lambda: says(pressed.original, "…"), why="it gives up")
    elif when == "sent":
        await eventually(lambda: house.query("SELECT 1 FROM posts WHERE nth = 2"))
    await house.stop()
    assert pressed.original is not None and not pressed.original.attachments
    return pressed


def says(message: Message | None, words: str) -> bool:
    """Is that what the message says?"""
    return message is not None and message.content == words
