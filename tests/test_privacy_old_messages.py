"""Messages and reports of deleted jobs."""

import asyncio

import pytest

from bot.db.erasure import REVIEW_SECONDS
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from bot.playground import Channel
from bot.services.replay import replay
from tests.deletion import (
    DELETION_NOTE,
    JOBS_OF_USERS,
    assert_nothing_left,
    delete,
    request_deletion,
)
from tests.fake_engine import FakeEngine
from tests.house import House, eventually, is_finished, settings_for
from tests.reporting import cards, response_text


@pytest.mark.parametrize("label", ["U1", "V2", "🔄"])
async def test_a_button_of_a_deleted_job_says_so(house: House, label: str) -> None:
    """This holds for every user who clicks it."""
    grid = await house.imagine()
    await delete(house)
    interaction = await house.discord.person("Ben").click(grid, label)
    assert DELETION_NOTE in await house.refusal(interaction)


@pytest.mark.parametrize("emoji", ["🔁", "1️⃣", "✉️"])
async def test_a_reaction_to_a_deleted_job_says_so(house: House, emoji: str) -> None:
    """Both the grid and a full-size picture contain the job id."""
    grid = await house.imagine()
    single = await house.result(await house.ada.click(grid, "U2"))
    await delete(house)
    for message in (grid, single):
        before = len(house.discord.messages())
        await house.ada.react(message, emoji)
        await house.discord.until(
            lambda: len(house.discord.messages()) > before,  # noqa: B023
            why="an answer",
        )
        reply = house.discord.messages()[-1]
        assert reply.reference is message and DELETION_NOTE in reply.content


async def test_messages_of_a_deleted_job_can_be_deleted(house: House) -> None:
    """Their owner and moderators can delete them, other users cannot."""
    first, second = await house.imagine(), await house.imagine()
    third = await house.imagine()
    single = await house.result(await house.ada.click(third, "U1"))
    await house.ada.react(third, "1️⃣")
    await house.discord.until(lambda: len(house.discord.messages()) == 5, why="variations")
    variations = house.discord.messages()[-1]
    await house.discord.until(lambda: is_finished(variations), why="they are painted")
    await delete(house)
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    for message in (first, second, single, variations):
        await ben.react(message, "❌")
    for message in (first, single, variations):
        await house.ada.react(message, "❌")
    await mo.react(second, "❌")
    await house.discord.until(
        lambda: house.discord.messages() == [third], why="all but one are gone"
    )


async def test_a_reaction_to_a_message_of_another_user_is_ignored(house: House) -> None:
    """The bot does not even fetch the message."""
    message = await house.ada.say("hello")
    before = len(house.discord.requests)
    await house.ada.react(message, "🔁")
    grid = await house.imagine()
    await house.ada.react(grid, "1️⃣")
    await house.discord.until(lambda: len(house.discord.messages()) == 3, why="variations")
    routes = {request.route for request in house.discord.requests[before:]}
    assert not any(route.endswith("/messages/{message_id}") for route in routes)


async def test_a_replay_of_a_deleted_picture_says_so(house: House, engine: FakeEngine) -> None:
    """The exit code is that of an unknown picture."""
    await house.imagine()
    name = house.query("SELECT id FROM pictures")[0]["id"]
    await delete(house)
    await house.stop()
    with pytest.raises(FatalError, match=DELETION_NOTE) as exc_info:
        await replay(
            settings_for(house.discord, house.data),
            name,
            None,
            lambda _: supervised_engine(engine.launch),
        )
    assert exc_info.value.exit is ExitCode.UNKNOWN_PICTURE


async def test_a_reported_job_is_deleted_after_its_review(house: House, mods: Channel) -> None:
    """It still works until then; everything else is deleted at once."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    reported, second = await house.imagine(), await house.imagine(count=1)
    interaction = await ben.use("🚩 Report", reported)
    await interaction.acknowledged()
    assert "Thank you" in await response_text(
        house, await ben.submit(interaction, {"reason": "ugly"})
    )
    confirmation = await request_deletion(house, house.ada)
    assert "1 job of yours was reported" in confirmation.content
    text = await delete(house)
    assert "Deleted: 1 job and 1 picture. 1 job of yours was reported" in text
    assert DELETION_NOTE in await house.refusal(await ben.click(second, "U1"))
    assert (await house.result(await ben.click(reported, "U1"))).attachments
    (card,) = cards(house, mods)
    assert f"<@{house.ada.id}>" in card.content
    assert "Dismissed" in await response_text(house, await mo.click(card, "Dismiss"))
    await eventually(lambda: not house.query(JOBS_OF_USERS))
    assert DELETION_NOTE in await house.refusal(await ben.click(reported, "U1"))
    assert DELETION_NOTE in await response_text(house, await mo.click(card, "Remove"))
    await assert_nothing_left(house)


async def test_a_deleted_picture_cannot_be_reported(house: House, mods: Channel) -> None:
    """Its message can be removed; a report by reaction gets no reply."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    grid = await house.imagine()
    await delete(house)
    assert DELETION_NOTE in await response_text(house, await ben.use("🚩 Report", grid))
    await ben.react(grid, "🚩")
    assert "Removed this message." in await response_text(
        house, await mo.use("Remove picture", grid)
    )
    assert grid.deleted
    assert [m for m in house.discord.messages() if not m.ephemeral] == []


async def test_the_card_of_a_deleted_picture_can_only_be_dismissed(
    house: House, mods: Channel
) -> None:
    """The review period ended before the moderators decided."""
    ben, mo = house.discord.person("Ben"), house.discord.person("Mo", moderator=True)
    grid = await house.imagine()
    await ben.react(grid, "🚩")
    await house.discord.until(lambda: cards(house, mods), why="a card")
    await eventually(lambda: not house.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))
    await asyncio.to_thread(house.execute, "UPDATE reports SET at = at - ?", REVIEW_SECONDS)
    await delete(house)
    (card,) = cards(house, mods)
    assert DELETION_NOTE in await response_text(house, await mo.click(card, "Block user"))
    assert house.query("SELECT * FROM blocks") == []
    assert "Dismissed" in await response_text(house, await mo.click(card, "Dismiss"))
    await house.discord.until(lambda: DELETION_NOTE in card.content, why="the card is new")
    assert card.buttons == [] and f"<@{house.ada.id}>" not in card.content
