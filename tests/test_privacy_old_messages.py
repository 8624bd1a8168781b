"""Messages and reports of deleted jobs."""

import pytest

from bot.db.erasure import REVIEW_SECONDS
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from bot.playground import Channel
from bot.services.replay import replay
from tests.bot_harness import BotHarness, eventually, is_finished, settings_for
from tests.deletion import (
    DELETION_NOTE,
    JOBS_OF_USERS,
    assert_nothing_left,
    delete,
    request_deletion,
)
from tests.fake_engine import FakeEngine
from tests.reporting import cards, response_text


@pytest.mark.parametrize("label", ["U1", "V2", "🔄"])
async def test_a_button_of_a_deleted_job_says_so(harness: BotHarness, label: str) -> None:
    """This holds for every user who clicks it."""
    grid = await harness.imagine()
    await delete(harness)
    interaction = await harness.discord.person("Ben").click(grid, label)
    assert DELETION_NOTE in await harness.refusal(interaction)


@pytest.mark.parametrize("emoji", ["🔁", "1️⃣", "✉️"])
async def test_a_reaction_to_a_deleted_job_says_so(harness: BotHarness, emoji: str) -> None:
    """Both the grid and a full-size picture contain the job id."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await delete(harness)
    for message in (grid, single):
        before = len(harness.discord.messages())
        await harness.ada.react(message, emoji)
        await harness.discord.until(
            lambda: len(harness.discord.messages()) > before,  # noqa: B023
            why="a response",
        )
        reply = harness.discord.messages()[-1]
        assert reply.reference is message and DELETION_NOTE in reply.content


async def test_messages_of_a_deleted_job_can_be_deleted(harness: BotHarness) -> None:
    """Their owner and moderators can delete them, other users cannot."""
    first, second = await harness.imagine(), await harness.imagine()
    third = await harness.imagine()
    single = await harness.result(await harness.ada.click(third, "U1"))
    await harness.ada.react(third, "1️⃣")
    await harness.discord.until(lambda: len(harness.discord.messages()) == 5, why="variations")
    variations = harness.discord.messages()[-1]
    await harness.discord.until(lambda: is_finished(variations), why="they are painted")
    await delete(harness)
    ben, mo = harness.discord.person("Ben"), harness.discord.person("Mo", moderator=True)
    for message in (first, second, single, variations):
        await ben.react(message, "❌")
    for message in (first, single, variations):
        await harness.ada.react(message, "❌")
    await mo.react(second, "❌")
    await harness.discord.until(
        lambda: harness.discord.messages() == [third], why="all but one are gone"
    )


async def test_a_reaction_to_a_message_of_another_user_is_ignored(harness: BotHarness) -> None:
    """The bot does not even fetch the message."""
    message = await harness.ada.say("hello")
    before = len(harness.discord.requests)
    await harness.ada.react(message, "🔁")
    grid = await harness.imagine()
    await harness.ada.react(grid, "1️⃣")
    await harness.discord.until(lambda: len(harness.discord.messages()) == 3, why="variations")
    routes = {request.route for request in harness.discord.requests[before:]}
    assert not any(route.endswith("/messages/{message_id}") for route in routes)


async def test_a_replay_of_a_deleted_picture_says_so(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The exit code is that of an unknown picture."""
    await harness.imagine()
    name = harness.query("SELECT id FROM pictures")[0]["id"]
    await delete(harness)
    await harness.stop()
    with pytest.raises(FatalError, match=DELETION_NOTE) as exc_info:
        await replay(
            settings_for(harness.discord, harness.data),
            name,
            None,
            lambda _: supervised_engine(engine.launch),
        )
    assert exc_info.value.exit is ExitCode.UNKNOWN_PICTURE


async def test_a_reported_job_is_deleted_after_its_review(
    harness: BotHarness, mod_channel: Channel
) -> None:
    """It still works until then; everything else is deleted at once."""
    ben, mo = harness.discord.person("Ben"), harness.discord.person("Mo", moderator=True)
    reported, second = await harness.imagine(), await harness.imagine(count=1)
    interaction = await ben.use("🚩 Report", reported)
    await interaction.acknowledged()
    assert "Thank you" in await response_text(
        harness, await ben.submit(interaction, {"reason": "ugly"})
    )
    confirmation = await request_deletion(harness, harness.ada)
    assert "1 job of yours was reported" in confirmation.content
    text = await delete(harness)
    assert "Deleted: 1 job and 1 picture. 1 job of yours was reported" in text
    assert DELETION_NOTE in await harness.refusal(await ben.click(second, "U1"))
    assert (await harness.result(await ben.click(reported, "U1"))).attachments
    (card,) = cards(harness, mod_channel)
    assert f"<@{harness.ada.id}>" in card.content
    assert "Dismissed" in await response_text(harness, await mo.click(card, "Dismiss"))
    await eventually(lambda: not harness.query(JOBS_OF_USERS))
    assert DELETION_NOTE in await harness.refusal(await ben.click(reported, "U1"))
    await assert_nothing_left(harness)


async def test_a_deleted_picture_cannot_be_reported(
    harness: BotHarness, mod_channel: Channel
) -> None:
    """Its message can be removed; a report by reaction gets no reply."""
    ben, mo = harness.discord.person("Ben"), harness.discord.person("Mo", moderator=True)
    grid = await harness.imagine()
    await delete(harness)
    assert DELETION_NOTE in await response_text(harness, await ben.use("🚩 Report", grid))
    await ben.react(grid, "🚩")
    assert "Removed this message." in await response_text(
        harness, await mo.use("Remove picture", grid)
    )
    assert grid.deleted
    assert [m for m in harness.discord.messages() if not m.ephemeral] == []


async def test_the_message_of_a_deleted_picture_is_removed_from_an_archived_thread(
    harness: BotHarness,
) -> None:
    """The thread is opened for it, as for other messages of the bot."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    grid = await harness.result(await harness.ada.slash("imagine", where=thread, prompt="a house"))
    await delete(harness)
    harness.discord.archive(thread)
    mo = harness.discord.person("Mo", moderator=True)
    response = await response_text(harness, await mo.use("Remove picture", grid))
    assert "Removed this message." in response
    assert grid.deleted


@pytest.mark.parametrize("label", ["Remove", "Block user"])
async def test_the_card_of_a_deleted_picture_can_only_be_dismissed(
    harness: BotHarness, mod_channel: Channel, label: str
) -> None:
    """The review period ended before the moderators decided."""
    ben, mo = harness.discord.person("Ben"), harness.discord.person("Mo", moderator=True)
    grid = await harness.imagine()
    await ben.react(grid, "🚩")
    await harness.discord.until(lambda: cards(harness, mod_channel), why="a card")
    await eventually(lambda: not harness.query("SELECT 1 FROM jobs WHERE delivered_at IS NULL"))
    await harness.execute("UPDATE reports SET at = at - ?", REVIEW_SECONDS)
    await delete(harness)
    (card,) = cards(harness, mod_channel)
    assert DELETION_NOTE in await response_text(harness, await mo.click(card, label))
    assert harness.query("SELECT * FROM blocks") == []
    assert "Dismissed" in await response_text(harness, await mo.click(card, "Dismiss"))
    await harness.discord.until(lambda: DELETION_NOTE in card.content, why="the card is new")
    assert card.buttons == [] and f"<@{harness.ada.id}>" not in card.content
