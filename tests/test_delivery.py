"""A job's state onto Discord, when Discord is in a bad mood."""

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from bot.db.database import FILENAME
from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.messages import captions
from bot.messages.delivery import EDIT_SECONDS
from bot.playground import Fault, Interaction, Upload
from bot.playground.client.options import Value
from tests.fake_engine import FakeEngine
from tests.house import House, eventually
from tests.openapi import OpenApi
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def shown_and_held(
    house: House, engine: FakeEngine, sketch: Upload | None = None
) -> Interaction:
    """A job that is being painted, step by step, until the engine's gate opens."""
    engine.gate.clear()
    options: dict[str, Value] = {"prompt": "a house"}
    if sketch is not None:
        options["sketch"] = sketch
    asked = await house.ada.invoke("imagine", options)
    await house.discord.until(lambda: asked.response and asked.response.buttons, why="it is shown")
    return asked


async def painted_and_stopped(house: House, engine: FakeEngine) -> None:
    """What was held is painted, and the bot stops before anybody has seen it."""
    house.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=100)
    engine.gate.set()
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'done'"))
    await house.stop()
    house.discord.faults.clear()


async def is_delivered(house: House) -> None:
    """The record says that the person has seen the ending."""
    await eventually(lambda: all(row["delivered_at"] for row in house.query("SELECT * FROM jobs")))


async def test_after_the_token_is_dead_the_channel_is_used(
    house: House, engine: FakeEngine
) -> None:
    """The same message gets its result 16 minutes later."""
    asked = await shown_and_held(house, engine)
    house.discord.clock.advance(16 * 60)
    engine.gate.set()
    message = await house.result(asked)
    assert "U1" in message.buttons
    assert house.discord.messages() == [message]


def make_older(database: Path) -> None:
    """Let all jobs be asked for 14 minutes earlier; not on the bot's loop, which must go on."""
    connection = sqlite3.connect(database)
    connection.execute("UPDATE jobs SET created_at = created_at - 14 * 60")
    connection.commit()
    connection.close()


async def test_without_token_and_message_the_channel_gets_a_new_one(
    house: House, engine: FakeEngine
) -> None:
    """As when a bot was killed between its answer and the record of it, and started much later."""
    engine.gate.clear()
    asked = await house.ada.slash("imagine", prompt="a house", steps=1)  # shows no progress
    await eventually(lambda: engine.paints)
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE message IS NOT NULL"))
    await asyncio.sleep(EDIT_SECONDS)
    await asyncio.to_thread(make_older, house.data / FILENAME)
    await asyncio.to_thread(house.execute, "UPDATE jobs SET message = NULL")
    engine.gate.set()
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="a new message")
    assert "U1" in house.discord.messages()[-1].buttons
    assert house.discord.messages()[-1] is not asked.response
    await is_delivered(house)


async def test_the_bot_knows_by_itself_when_a_token_is_old(
    house: House, engine: FakeEngine
) -> None:
    """It does not even try one of more than 14 minutes."""
    asked = await shown_and_held(house, engine)
    await eventually(lambda: engine.paints)
    await asyncio.to_thread(make_older, house.data / FILENAME)
    before = len(house.discord.requests)
    engine.gate.set()
    await house.result(asked)
    routes = [request.route for request in house.discord.requests[before:]]
    assert routes == ["/channels/{channel_id}/messages/{message_id}"] * len(routes)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502),
        Fault(status=502, after_commit=True),
        Fault(drop=True),
        Fault(drop=True, after_commit=True),
        Fault(status=429),
        Fault(status=429, scope="global"),
        Fault(status=429, via=False),
        Fault(status=404, code=10015),
        Fault(status=401, code=50027),
        Fault(status=500),
    ],
)
async def test_a_result_arrives_once_whatever_happens_on_the_way(
    house: House, engine: FakeEngine, fault: Fault
) -> None:
    """An edit may be repeated, a message may not."""
    asked = await shown_and_held(house, engine)
    house.discord.faults.next("PATCH", "/webhooks/", fault)
    engine.gate.set()
    message = await house.result(asked)
    assert "U1" in message.buttons
    await is_delivered(house)
    assert house.discord.messages() == [message]


async def test_a_result_that_discord_does_not_take_is_said(
    house: House, engine: FakeEngine
) -> None:
    """The message does not stay at some percent: it says so, and offers the pictures one by one."""
    asked = await shown_and_held(house, engine)
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=413))
    engine.gate.set()
    message = await house.result(asked)
    assert "did not accept the grid" in message.content
    assert "U1" in message.buttons
    single = await house.ada.click(message, "U1")
    await house.discord.until(lambda: single.response and single.response.attachments)


@pytest.mark.parametrize(
    "fault", [Fault(status=502, after_commit=True), Fault(drop=True, after_commit=True)]
)
async def test_an_answer_whose_answer_is_lost_counts(house: House, fault: Fault) -> None:
    """Discord has the acknowledgement though the bot never heard so; the job goes on."""
    house.discord.faults.next("POST", "/callback", fault)
    message = await house.imagine()
    assert "U1" in message.buttons
    house.discord.violations.clear()  # the library's retry is one, and beyond our reach


async def test_what_was_never_acknowledged_is_not_painted(house: House, engine: FakeEngine) -> None:
    """The person saw that the application did not respond, and nobody waits."""
    house.discord.faults.next("POST", "/callback", Fault(status=404), times=5)
    await house.ada.slash("imagine", prompt="a house")
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    assert engine.paints == []


async def test_a_new_message_is_sent_once(house: House, engine: FakeEngine) -> None:
    """A reaction's job has no answer to edit; its nonce keeps it single."""
    grid = await house.imagine()
    house.discord.faults.next("POST", "/messages", Fault(drop=True, after_commit=True))
    await house.ada.react(grid, "1️⃣")
    await house.discord.until(
        lambda: len(house.discord.messages()) > 1 and "U1" in house.discord.messages()[1].buttons,
        why="the variations",
    )
    assert len(house.discord.messages()) == 2
    await is_delivered(house)


async def test_what_was_painted_and_not_delivered_is_delivered_after_a_restart(
    house: House, engine: FakeEngine
) -> None:
    """Without painting it again."""
    asked = await shown_and_held(house, engine)
    await painted_and_stopped(house, engine)
    await house.start()
    assert "U1" in (await house.result(asked)).buttons
    assert len(engine.paints) == 1


async def test_a_job_whose_person_was_never_answered_is_closed_after_a_restart(
    house: House, engine: FakeEngine
) -> None:
    """Recorded, then the bot died: nobody waits for it."""
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.result(asked)
    await is_delivered(house)
    await house.stop()
    await asyncio.to_thread(forget_answer, house.data / FILENAME)
    await house.start()
    await eventually(lambda: house.query("SELECT * FROM jobs WHERE status = 'cancelled'"))
    assert len(engine.paints) == 1


def forget_answer(database: Path, token: str = "never answered") -> None:  # noqa: S107
    """As if the bot had died between recording the job and answering."""
    connection = sqlite3.connect(database)
    connection.executescript("DELETE FROM pictures; DELETE FROM posts;")
    connection.execute(
        "UPDATE jobs SET status = 'accepted', ended_at = NULL, delivered_at = NULL, "
        "message = NULL, token = ?",
        (token,),
    )
    connection.commit()
    connection.close()


async def test_a_job_is_not_closed_because_discord_is_in_trouble(
    house: House, engine: FakeEngine
) -> None:
    """Whether its person was answered cannot be found out, so somebody may wait."""
    asked = await house.ada.slash("imagine", prompt="a house")
    await house.result(asked)
    await is_delivered(house)
    await house.stop()
    await asyncio.to_thread(forget_answer, house.data / FILENAME, asked.token)
    house.discord.faults.next("GET", "/webhooks/", Fault(status=429, via=False))
    await house.start()
    await eventually(lambda: len(engine.paints) == 2)
    await is_delivered(house)
    assert len(house.discord.messages()) == 1


async def test_a_token_that_was_refused_once_is_never_used_again(
    house: House, engine: FakeEngine
) -> None:
    """Else the job would begin on one message and end on another."""
    asked = await house.ada.slash("imagine", prompt="a house")
    first = await house.result(asked)
    await is_delivered(house)
    await house.stop()
    await asyncio.to_thread(forget_answer, house.data / FILENAME, asked.token)
    engine.gate.clear()
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=401, code=50027))
    await house.start()
    await house.discord.until(lambda: len(house.discord.messages()) == 2, why="a new message")
    engine.gate.set()
    await is_delivered(house)
    assert [message.buttons for message in house.discord.messages()] == [first.buttons] * 2


async def test_a_refusal_is_said_though_the_token_is_dead(house: House, engine: FakeEngine) -> None:
    """To everybody then, in place of the progress."""
    engine.flags_init_image = True
    asked = await shown_and_held(house, engine, sketch=SKETCH)
    house.discord.clock.advance(16 * 60)
    engine.gate.set()
    await is_delivered(house)
    [message] = house.discord.messages()
    assert message is asked.response
    assert "sketch" in message.content
    assert message.buttons == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=403, code=50013),
        Fault(status=403, code=50001),
        Fault(status=404, code=10003),
        Fault(status=404, code=10008),
    ],
)
async def test_where_nobody_can_see_it_the_ending_is_recorded_and_no_more(
    house: House, engine: FakeEngine, fault: Fault
) -> None:
    """The channel is gone, or closed to the bot: it is tried once, and others get theirs."""
    grid = await house.imagine()
    await is_delivered(house)
    for method in ("POST", "PATCH"):
        house.discord.faults.next(method, "/channels/", fault, times=10)
    before = len(house.discord.messages())
    await house.ada.react(grid, "🔁")
    await eventually(lambda: len(engine.paints) == 2)
    await is_delivered(house)
    assert [row["status"] for row in house.query("SELECT status FROM jobs")] == ["done", "done"]
    assert len(house.discord.messages()) == before
    assert "U1" in (await house.imagine()).buttons


async def test_an_interaction_that_discord_has_forgotten_is_not_painted(
    house: House, engine: FakeEngine
) -> None:
    """10062: the bot was too slow, or the person is gone; the next wish is heard."""
    house.discord.faults.next("POST", "/callback", Fault(status=404, code=10062))
    await house.ada.slash("imagine", prompt="a house")
    await is_delivered_eventually(house, 1)
    assert [row["status"] for row in house.query("SELECT status FROM jobs")] == ["cancelled"]
    assert engine.paints == []
    assert "U1" in (await house.imagine()).buttons


async def is_delivered_eventually(house: House, jobs: int) -> None:
    """So many jobs are in the record, and all of them are delivered."""
    await eventually(lambda: len(house.query("SELECT * FROM jobs")) == jobs)
    await is_delivered(house)


async def test_a_deleted_message_is_not_replaced(house: House, engine: FakeEngine) -> None:
    """Whoever deletes a job's message in mid-job does not want it."""
    asked = await shown_and_held(house, engine)
    assert asked.response is not None
    await house.discord.person("Mo", moderator=True).delete(asked.response)
    engine.gate.set()
    await is_delivered(house)
    assert house.discord.messages() == []


async def test_tokens_are_forgotten_after_the_delivery(house: House) -> None:
    """And never written to the log."""
    await house.imagine()
    await is_delivered(house)
    assert [row["token"] for row in house.query("SELECT token FROM jobs")] == [None]


async def test_a_damaged_file_does_not_keep_the_ending_back(
    house: House, engine: FakeEngine
) -> None:
    """The words and the buttons come without the grid, and say why."""
    asked = await shown_and_held(house, engine)
    await painted_and_stopped(house, engine)
    for path in (house.data / "pictures").rglob("*.png"):
        path.write_bytes(b"not a picture")
    await house.start()
    message = await house.result(asked)
    assert "file in the data folder is damaged" in message.content
    assert "U1" in message.buttons
    await is_delivered(house)


async def test_a_delivery_that_meets_something_unforeseen_is_tried_again(
    house: House, engine: FakeEngine, openapi: OpenApi | None
) -> None:
    """Discord's answer says nothing, which its library does not expect."""
    asked = await shown_and_held(house, engine)
    house.discord.faults.next("PATCH", "/webhooks/", Fault(status=204), times=2)
    engine.gate.set()
    assert "U1" in (await house.result(asked)).buttons
    await is_delivered(house)
    if openapi is not None:
        openapi.problems.clear()  # such an answer is one


async def test_a_bug_in_a_delivery_is_reported_once(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The message says so instead of waiting for ever, and the log has the traceback."""

    def broken(_: Job, __: Sequence[Picture]) -> str:
        raise KeyError("upscale")

    monkeypatch.setattr(captions, "ending", broken)
    message = await house.imagine()
    assert "something went wrong inside the bot" in message.content
    await is_delivered(house)
    assert caplog.text.count("KeyError: 'upscale'") == 1


async def test_where_nothing_may_be_attached_the_words_are_shown(
    house: House, engine: FakeEngine
) -> None:
    """The pictures can be had one by one."""
    asked = await shown_and_held(house, engine)
    await eventually(lambda: engine.paints)
    await asyncio.to_thread(make_older, house.data / FILENAME)
    house.discord.faults.next("PATCH", "/channels/", Fault(status=403, code=50013))
    engine.gate.set()
    message = await house.result(asked)
    assert "did not accept the grid" in message.content
    assert "U1" in message.buttons
    await is_delivered(house)


async def test_a_reason_that_cannot_be_whispered_is_said_aloud(house: House) -> None:
    """The token of the interaction is dead, so nothing can be said in private any more."""
    for method in ("PATCH", "POST", "DELETE"):
        dead = Fault(status=401, code=50027)
        house.discord.faults.next(method, "/webhooks/", dead, times=20)
    asked = await house.ada.slash("imagine", prompt="a house", sketch=Upload("a.png", b"junk"))
    message = await house.result(asked)
    assert "PNG, JPEG or WebP" in message.content
    await is_delivered(house)


@pytest.mark.parametrize("fault", [Fault(drop=True), Fault(status=401, code=50027)])
async def test_a_reason_is_whispered_once(house: House, fault: Fault) -> None:
    """Also if the public answer cannot be taken away at once."""
    house.discord.faults.next("DELETE", "/webhooks/", fault, times=2)
    asked = await house.ada.slash("imagine", prompt="a house", sketch=Upload("a.png", b"junk"))
    await is_delivered_eventually(house, 1)
    assert "PNG, JPEG or WebP" in await house.refusal(asked)
    assert house.discord.messages() == []


async def test_an_answer_that_was_lost_on_its_way_is_said_again(house: House) -> None:
    """The connection broke before Discord had heard of it."""
    house.discord.faults.next("POST", "/callback", Fault(drop=True))
    assert "U1" in (await house.imagine()).buttons
    house.discord.faults.next("POST", "/callback", Fault(drop=True))
    refused = await house.ada.slash("imagine", prompt="a", seed=-1, checked=False)
    assert "seed is -1" in await house.refusal(refused)


async def test_in_doubt_the_person_was_answered(house: House) -> None:
    """Neither the answer nor what became of it could be heard: the message does not stay empty."""
    house.discord.faults.next("POST", "/callback", Fault(drop=True, after_commit=True))
    house.discord.faults.next("GET", "/webhooks/", Fault(drop=True), times=3)
    assert "U1" in (await house.imagine()).buttons
    assert len(house.discord.messages()) == 1
    house.discord.violations.clear()  # that it was said again
