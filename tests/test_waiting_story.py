"""What a person sees while a job waits and is painted, on the local Discord."""

import re
import time

from bot.playground import Message
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine

SEATS = 8
POSITION = re.compile(r"Waiting: ([0-9]+) ahead of you · ready <t:([0-9]+):R>")


def contents(harness: BotHarness, message: Message) -> list[str]:
    """All that a message has said, in order."""
    return [
        event.data["content"]
        for event in harness.events
        if event.name in ("MESSAGE_CREATE", "MESSAGE_UPDATE")
        and event.data["id"] == str(message.id)
    ]


async def test_a_waiting_message_has_a_position_that_falls_and_an_end(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Somebody who has used the bot less goes first: the end is later, the position stays."""
    engine.engine_seconds = 40.0  # the measured speed
    await harness.imagine()
    engine.gate.clear()
    for nth in range(SEATS):
        await harness.discord.person(f"User {nth}").slash("imagine", prompt="a house")
    await eventually(lambda: len(engine.paints) == 1 + SEATS)
    waiting = await harness.ada.slash("imagine", prompt="a boat")
    await harness.discord.until(
        lambda: waiting.response and POSITION.search(waiting.response.content), why="a position"
    )
    assert waiting.response is not None
    first = POSITION.search(waiting.response.content)
    assert first is not None and first[1] == str(SEATS)
    seconds = int(first[2]) - time.time()
    assert 240 < seconds < 360  # the rest of eight jobs, and this one
    for nth in range(3):
        await harness.discord.person(f"Newcomer {nth}").slash("imagine", prompt="a tree")
    message = waiting.response
    await harness.discord.until(
        lambda: int(POSITION.findall(message.content)[0][1]) > int(first[2]) + 60,
        why="a later end",
    )
    engine.gate.set()
    assert (await harness.result(waiting)).attachments
    positions = [
        int(match[0])
        for text in contents(harness, waiting.response)
        for match in POSITION.findall(text)
    ]
    assert positions[0] == SEATS and positions == sorted(positions, reverse=True)


async def test_a_painting_message_has_percent_preview_and_an_end(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The end is measured from the speed of its own steps; the preview has an alt text."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a red house", steps=4)
    await harness.discord.until(
        lambda: interaction.response and "Painting… 25 %" in interaction.response.content,
        why="the first step",
    )
    message = interaction.response
    assert message is not None and "ready" not in message.content
    assert [file.filename for file in message.attachments] == ["preview.jpg"]
    assert message.attachments[0].description == "Unfinished: a red house"
    harness.clock_offset = 60.0
    now = harness.now()
    engine.gate.set()
    engine.gate.clear()  # one more step
    await harness.discord.until(lambda: "50 % · ready" in message.content, why="an end")
    match = re.search(r"<t:([0-9]+):R>", message.content)
    assert match is not None and 110 < int(match[1]) - now < 140
    harness.clock_offset = 300.0  # the engine is slower than it was
    await harness.discord.until(lambda: message.content.endswith("50 %"), why="no end")
    engine.gate.set()
    assert (await harness.result(interaction)).attachments[
        0
    ].description == "4 pictures of: a red house"
