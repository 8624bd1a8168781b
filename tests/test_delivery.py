"""Delivery of a job's message: by interaction token or channel, and after a restart."""

import asyncio

import pytest

from bot.db.database import FILENAME
from bot.messages.delivery import EDIT_SECONDS
from bot.playground import Fault, Upload
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
from tests.house import House, eventually


async def test_after_the_token_expires_the_channel_is_used(
    house: House, engine: FakeEngine
) -> None:
    """The same message gets its result 16 minutes later."""
    interaction = await running_job(house, engine)
    house.discord.clock.advance(16 * 60)
    engine.gate.set()
    message = await house.result(interaction)
    assert "U1" in message.buttons
    assert house.discord.messages() == [message]


async def test_without_token_and_message_id_a_new_message_is_sent(
    house: House, engine: FakeEngine
) -> None:
    """The bot crashed after sending the response, before storing its id, and was restarted late."""
    engine.gate.clear()
    interaction = await house.ada.slash("imagine", prompt="a house", steps=1)  # shows no progress
    await eventually(lambda: engine.paints)
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE message IS NOT NULL"))
    await asyncio.sleep(EDIT_SECONDS)
    await asyncio.to_thread(make_older, house.data / FILENAME)
    await asyncio.to_thread(house.execute, "UPDATE jobs SET message = NULL")
    engine.gate.set()
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="a new message")
    assert "U1" in house.discord.messages()[-1].buttons
    assert house.discord.messages()[-1] is not interaction.response
    await wait_until_delivered(house)


async def test_an_old_token_is_not_tried(house: House, engine: FakeEngine) -> None:
    """From 14 minutes on, all requests use the channel."""
    interaction = await running_job(house, engine)
    await eventually(lambda: engine.paints)
    await asyncio.to_thread(make_older, house.data / FILENAME)
    before = len(house.discord.requests)
    engine.gate.set()
    await house.result(interaction)
    routes = [request.route for request in house.discord.requests[before:]]
    assert routes == ["/channels/{channel_id}/messages/{message_id}"] * len(routes)


async def test_a_refused_token_is_never_used_again(house: House, engine: FakeEngine) -> None:
    """Otherwise a second message could show the job: the id of the first one is unknown here."""
    interaction = await house.ada.slash("imagine", prompt="a house")
    first = await house.result(interaction)
    await wait_until_delivered(house)
    await house.stop()
    await asyncio.to_thread(undo_response, house.data / FILENAME, interaction.token)
    engine.gate.clear()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027))
    house.discord.faults.next("GET", "/webhooks/", Fault(status=429, via=False))
    await house.start()
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="a new message")
    engine.gate.set()
    await wait_until_delivered(house)
    assert [message.buttons for message in house.discord.messages()] == [first.buttons] * 2


async def test_tokens_are_deleted_after_the_delivery(house: House) -> None:
    """The database contains no token afterwards."""
    await house.imagine()
    await wait_until_delivered(house)
    assert [row["token"] for row in house.query("SELECT token FROM jobs")] == [None]


async def test_a_new_message_is_sent_once(house: House, engine: FakeEngine) -> None:
    """The job of a reaction has no response to edit; its nonce prevents a second message."""
    grid = await house.imagine()
    house.discord.faults.next("POST", "/messages", Fault(drop=True, after_commit=True))
    await house.ada.react(grid, "1️⃣")
    await house.discord.until(
        lambda: len(house.discord.messages()) > 1 and "U1" in house.discord.messages()[1].buttons,
        why="the variations",
    )
    assert len(house.discord.messages()) == 2
    await wait_until_delivered(house)


async def test_an_undelivered_result_is_delivered_after_a_restart(
    house: House, engine: FakeEngine
) -> None:
    """The job does not run again."""
    interaction = await running_job(house, engine)
    await finish_undelivered(house, engine)
    await house.start()
    assert "U1" in (await house.result(interaction)).buttons
    assert len(engine.paints) == 1


async def test_a_job_without_a_response_is_cancelled_after_a_restart(
    house: House, engine: FakeEngine
) -> None:
    """No message shows it, so nobody waits for it."""
    interaction = await house.ada.slash("imagine", prompt="a house")
    await house.result(interaction)
    await wait_until_delivered(house)
    await house.stop()
    await asyncio.to_thread(undo_response, house.data / FILENAME)
    await house.start()
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    assert len(engine.paints) == 1


async def test_a_job_is_not_cancelled_while_discord_fails(house: House, engine: FakeEngine) -> None:
    """The bot cannot know whether the job has a response that somebody waits for."""
    interaction = await house.ada.slash("imagine", prompt="a house")
    await house.result(interaction)
    await wait_until_delivered(house)
    await house.stop()
    await asyncio.to_thread(undo_response, house.data / FILENAME, interaction.token)
    house.discord.faults.next("GET", "/webhooks/", Fault(status=429, via=False))
    await house.start()
    await eventually(lambda: len(engine.paints) == 2)
    await wait_until_delivered(house)
    assert len(house.discord.messages()) == 1


async def test_a_response_is_found_again_before_its_token_is_refused(
    house: House, engine: FakeEngine
) -> None:
    """The last process died before it stored the id of the response."""
    interaction = await house.ada.slash("imagine", prompt="a house")
    await house.result(interaction)
    await wait_until_delivered(house)
    await house.stop()
    await asyncio.to_thread(undo_response, house.data / FILENAME, interaction.token)
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027), times=9)
    await house.start()
    await eventually(lambda: len(engine.paints) == 2)
    await wait_until_delivered(house)
    [message] = house.discord.messages()
    assert message is interaction.response
    [job] = house.query("SELECT message, token FROM jobs")
    assert (job["message"], job["token"]) == (message.id, None)


async def test_a_refusal_is_public_after_the_token_expires(
    house: House, engine: FakeEngine
) -> None:
    """The refusal replaces the progress message."""
    engine.flags_init_image = True
    interaction = await running_job(house, engine, sketch=SKETCH)
    house.discord.clock.advance(16 * 60)
    engine.gate.set()
    await wait_until_delivered(house)
    [message] = house.discord.messages()
    assert message is interaction.response
    assert "sketch" in message.content
    assert message.buttons == []


async def test_a_refusal_is_public_if_discord_refuses_the_token(house: House) -> None:
    """An ephemeral response needs the token."""
    for method in ("PATCH", "POST", "DELETE"):
        dead = Fault(status=401, code=50027)
        house.discord.faults.next(method, "/webhooks/", dead, times=20)
    interaction = await house.ada.slash(
        "imagine", prompt="a house", sketch=Upload("a.png", b"junk")
    )
    message = await house.result(interaction)
    assert "PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF" in message.content
    await wait_until_delivered(house)


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=401, code=50027)])
async def test_an_ephemeral_refusal_is_sent_once(house: House, fault: Fault) -> None:
    """This also holds if the public response cannot be deleted at once."""
    house.discord.faults.next("DELETE", "/webhooks/", fault, times=2)
    interaction = await house.ada.slash(
        "imagine", prompt="a house", sketch=Upload("a.png", b"junk")
    )
    await wait_for_delivered_jobs(house, 1)
    assert "PNG, JPEG, WebP, AVIF, GIF, BMP or TIFF" in await house.refusal(interaction)
    assert house.discord.messages() == []


async def test_a_deleted_message_is_not_replaced(house: House, engine: FakeEngine) -> None:
    """Somebody who deletes the message of a running job does not want its result."""
    interaction = await running_job(house, engine)
    assert interaction.response is not None
    await house.discord.person("Mo", moderator=True).delete(interaction.response)
    engine.gate.set()
    await wait_until_delivered(house)
    assert house.discord.messages() == []
