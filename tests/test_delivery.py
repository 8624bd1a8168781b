"""Delivery of a job's message: by interaction token or channel, and after a restart."""

import asyncio

import pytest

from bot.db.database import FILENAME
from bot.playground import Fault, Interaction, Upload
from tests.bot_harness import BotHarness, eventually
from tests.delivering import (
    SKETCH,
    finish_undelivered,
    make_older,
    running_job,
    undo_response,
    wait_for_delivered_jobs,
    wait_until_delivered,
)
from tests.fake_engine import FakeEngine


async def stop_before_response_is_stored(harness: BotHarness) -> Interaction:
    """A job whose response exists, as left by a bot that died before it stored the message id."""
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.result(interaction)
    await wait_until_delivered(harness)
    await harness.stop()
    await asyncio.to_thread(undo_response, harness.data / FILENAME, interaction.token)
    return interaction


async def test_after_the_token_expires_the_channel_is_used(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The same message gets its result 16 minutes later."""
    interaction = await running_job(harness, engine)
    harness.discord.clock.advance(16 * 60)
    engine.gate.set()
    message = await harness.result(interaction)
    assert "U1" in message.buttons
    assert harness.discord.messages() == [message]


async def test_without_token_and_message_id_a_new_message_is_sent(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot crashed after sending the response, before storing its id, and was restarted late."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house", steps=1)  # shows no progress
    await eventually(lambda: engine.paints)
    await harness.discord.until(
        lambda: interaction.response and "Starting" in interaction.response.content,
        why="the only edit before the result",
    )
    await eventually(lambda: harness.query("SELECT * FROM deliveries WHERE message IS NOT NULL"))
    await asyncio.to_thread(make_older, harness.data / FILENAME)
    await harness.execute("UPDATE deliveries SET message = NULL")
    engine.gate.set()
    await harness.discord.until(lambda: len(harness.discord.messages()) == 2, why="a new message")
    assert "U1" in harness.discord.messages()[-1].buttons
    assert harness.discord.messages()[-1] is not interaction.response
    await wait_until_delivered(harness)


async def test_an_old_token_is_not_tried(harness: BotHarness, engine: FakeEngine) -> None:
    """From 14 minutes on, all requests use the channel."""
    interaction = await running_job(harness, engine)
    await eventually(lambda: engine.paints)
    await asyncio.to_thread(make_older, harness.data / FILENAME)
    before = len(harness.discord.requests)
    engine.gate.set()
    await harness.result(interaction)
    routes = [request.route for request in harness.discord.requests[before:]]
    assert routes == ["/channels/{channel_id}/messages/{message_id}"] * len(routes)


async def test_a_refused_token_is_never_used_again(harness: BotHarness, engine: FakeEngine) -> None:
    """Otherwise a second message could show the job: the id of the first one is unknown here."""
    interaction = await harness.ada.slash("imagine", prompt="a house")
    first = await harness.result(interaction)
    await wait_until_delivered(harness)
    await harness.stop()
    await asyncio.to_thread(undo_response, harness.data / FILENAME, interaction.token)
    engine.gate.clear()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027))
    harness.discord.faults.next("GET", "/webhooks/", Fault(status=429, via=False))
    await harness.start()
    await harness.discord.until(lambda: len(harness.discord.messages()) == 2, why="a new message")
    engine.gate.set()
    await wait_until_delivered(harness)
    assert [message.buttons for message in harness.discord.messages()] == [first.buttons] * 2


async def test_tokens_are_deleted_after_the_delivery(harness: BotHarness) -> None:
    """The database contains no token afterwards."""
    await harness.imagine()
    await wait_until_delivered(harness)
    assert [row["token"] for row in harness.query("SELECT token FROM deliveries")] == [None]


async def test_a_new_message_is_sent_once(harness: BotHarness, engine: FakeEngine) -> None:
    """The job of a reaction has no response to edit; its nonce prevents a second message."""
    grid = await harness.imagine()
    harness.discord.faults.next("POST", "/messages", Fault(drop=True, after_commit=True))
    await harness.ada.react(grid, "1️⃣")
    await harness.discord.until(
        lambda: (
            len(harness.discord.messages()) > 1 and "U1" in harness.discord.messages()[1].buttons
        ),
        why="the variations",
    )
    assert len(harness.discord.messages()) == 2
    await wait_until_delivered(harness)


async def test_an_undelivered_result_is_delivered_after_a_restart(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The job does not run again."""
    interaction = await running_job(harness, engine)
    await finish_undelivered(harness, engine)
    await harness.start()
    assert "U1" in (await harness.result(interaction)).buttons
    assert len(engine.paints) == 1


async def test_a_job_without_a_response_is_cancelled_after_a_restart(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """No message shows it, so nobody waits for it."""
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.result(interaction)
    await wait_until_delivered(harness)
    await harness.stop()
    await asyncio.to_thread(undo_response, harness.data / FILENAME)
    await harness.start()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    assert len(engine.paints) == 1


async def test_a_job_is_not_cancelled_while_discord_fails(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The bot cannot know whether the job has a response that somebody waits for."""
    await stop_before_response_is_stored(harness)
    harness.discord.faults.next("GET", "/webhooks/", Fault(status=429, via=False))
    await harness.start()
    await eventually(lambda: len(engine.paints) == 2)
    await wait_until_delivered(harness)
    assert len(harness.discord.messages()) == 1


async def test_a_response_is_found_again_before_its_token_is_refused(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The last process died before it stored the id of the response."""
    interaction = await stop_before_response_is_stored(harness)
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027), times=9)
    await harness.start()
    await eventually(lambda: len(engine.paints) == 2)
    await wait_until_delivered(harness)
    [message] = harness.discord.messages()
    assert message is interaction.response
    [result] = harness.query("SELECT message, token FROM deliveries")
    assert (result["message"], result["token"]) == (message.id, None)


async def test_a_refusal_is_public_after_the_token_expires(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The refusal replaces the progress message."""
    engine.flags_init_image = True
    interaction = await running_job(harness, engine, sketch=SKETCH)
    harness.discord.clock.advance(16 * 60)
    engine.gate.set()
    await wait_until_delivered(harness)
    [message] = harness.discord.messages()
    assert message is interaction.response
    assert "sketch" in message.content
    assert message.buttons == []


async def test_a_refusal_is_public_if_discord_refuses_the_token(harness: BotHarness) -> None:
    """An ephemeral response needs the token."""
    for method in ("PATCH", "POST", "DELETE"):
        dead = Fault(status=401, code=50027)
        harness.discord.faults.next(method, "/webhooks/", dead, times=20)
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", sketch=Upload("a.png", b"junk")
    )
    message = await harness.result(interaction)
    assert "PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF" in message.content
    await wait_until_delivered(harness)


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=401, code=50027)])
async def test_an_ephemeral_refusal_is_sent_once(harness: BotHarness, fault: Fault) -> None:
    """This also holds if the public response cannot be deleted at once."""
    harness.discord.faults.next("DELETE", "/webhooks/", fault, times=2)
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", sketch=Upload("a.png", b"junk")
    )
    await wait_for_delivered_jobs(harness, 1)
    assert "PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF" in await harness.refusal(interaction)
    assert harness.discord.messages() == []


async def test_a_deleted_message_is_not_replaced(harness: BotHarness, engine: FakeEngine) -> None:
    """Somebody who deletes the message of a running job does not want its result."""
    interaction = await running_job(harness, engine)
    assert interaction.response is not None
    await harness.discord.person("Mo", moderator=True).delete(interaction.response)
    engine.gate.set()
    await wait_until_delivered(harness)
    assert harness.discord.messages() == []
