"""The bot while Discord fails it: nothing is lost or shown twice, and users read what is true."""

import pytest

from bot.playground import Channel, Message, NotAcknowledged
from bot.playground.conditions import effects, table
from bot.playground.conditions.table import CONDITIONS, Condition
from bot.playground.model import interactions
from tests import fake_engine
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.delivering import SKETCH, running_job, wait_for_delivered_jobs, wait_until_delivered
from tests.fake_engine import FakeEngine
from tests.reporting import card_in, cards, report
from tests.test_upload_limits import LIMIT, noise

TOLERABLE = (
    table.CLOUDFLARE_ERROR,
    table.LOST_ANSWERS,
    table.RATE_LIMITS,
    table.EXPIRED_TOKENS,
    table.TOO_MANY_EDITS,
    table.DISCONNECTS,
    table.NO_RESUME,
)
"""The bot does everything during them, with delays at most."""
CUTTING = (table.DISCONNECTS, table.NO_RESUME, table.REPEATED_EVENTS, table.NO_GATEWAY)
"""They cut the connection to the gateway when they begin."""
OUTAGES = (table.OUTAGE, table.BLOCKED_ADDRESS, table.NO_GATEWAY, table.HIDDEN_GUILD)
"""The bot goes on after them."""
DM_REFUSALS = (
    (table.CLOSED_DMS, "your DMs are closed"),
    (table.FILTERED_DMS, "your settings filter explicit images"),
    (table.NO_MUTUAL_GUILD, "you share no server with me"),
    (table.TOO_MANY_DMS, "try again in a few minutes"),
)
OTHERS = (
    table.SLOW_ANSWERS,
    table.UNKNOWN_INTERACTIONS,
    table.AUTOMOD,
    table.UPLOAD_LIMIT,
    table.NO_FILES,
    table.ARCHIVED_THREADS,
    table.BROKEN_DOWNLOADS,
    table.REPEATED_EVENTS,
)
"""Each of these has a test of its own."""
OF_THE_LIBRARY = (table.LINK_PREVIEWS, table.NO_HEARTBEAT_ACKS)
"""What discord.py does with these is tested with the playground alone."""


def key_of(condition: Condition) -> str:
    """The id of a test."""
    return condition.key


async def begin(harness: BotHarness, condition: Condition) -> None:
    """Begin a condition; if the bot was disconnected, wait until it is back."""
    harness.discord.conditions.set(condition, on=True)
    if condition in CUTTING:
        await harness.discord.until(lambda: not harness.discord.online, why="a disconnection")
    if condition is not table.NO_GATEWAY:
        await harness.discord.until(lambda: harness.discord.online, why="the bot is back")


def results(harness: BotHarness) -> list[Message]:
    """The messages with all buttons of a result."""
    return [message for message in harness.discord.messages() if message.buttons == ALL_BUTTONS]


def is_refused(harness: BotHarness) -> bool:
    """Whether some requests have failed since the log was cleared."""
    return sum(request.status >= 400 for request in harness.discord.requests) >= 2


def test_each_condition_is_tested() -> None:
    """A new one needs a test of the bot."""
    dms = [condition for condition, _ in DM_REFUSALS]
    tested = [*TOLERABLE, *OUTAGES, *dms, *OTHERS, *OF_THE_LIBRARY]
    assert sorted(map(key_of, tested)) == sorted(map(key_of, CONDITIONS))


@pytest.mark.parametrize("condition", TOLERABLE, ids=key_of)
async def test_everything_works_in_spite_of_it(
    harness: BotHarness, engine: FakeEngine, condition: Condition
) -> None:
    """A command, a button and a reaction start one job each, which is shown once; U1 works."""
    await begin(harness, condition)
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U1"))
    await harness.result(await harness.ada.click(grid, "V1"))
    await harness.ada.react(grid, "🔁")
    await wait_for_delivered_jobs(harness, 3)
    await harness.discord.until(lambda: len(results(harness)) == 3, why="three results")
    assert len(engine.paints) == 3
    assert single.attachments
    assert [each for each in harness.discord.messages() if each is not single] == results(harness)
    harness.discord.violations.clear()  # a callback whose answer was lost is sent again


async def test_slow_answers_delay_a_result(
    harness: BotHarness, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first response comes before the interaction fails."""
    monkeypatch.setattr(interactions, "ACK_SECONDS", 20.0)  # the machine may be slow as well
    harness.discord.conditions.set(table.SLOW_ANSWERS, on=True)
    message = await harness.imagine()
    await wait_until_delivered(harness)
    assert harness.discord.messages() == results(harness) == [message]


async def test_events_that_are_repeated_after_a_resume_start_nothing(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Each request has a key, which is used once."""
    grid = await harness.imagine()
    await harness.result(await harness.ada.click(grid, "V1"))
    await harness.ada.react(grid, "🔁")
    await eventually(lambda: len(engine.paints) == 3)
    await begin(harness, table.REPEATED_EVENTS)
    await harness.imagine(harness.discord.person("Ben"))  # handled after the repeated events
    assert len(harness.query("SELECT * FROM jobs")) == 4


@pytest.mark.parametrize("condition", OUTAGES, ids=key_of)
async def test_a_result_is_shown_after_it(
    harness: BotHarness, engine: FakeEngine, condition: Condition
) -> None:
    """Once, in the same message; and the bot works again."""
    interaction = await running_job(harness, engine)
    harness.discord.requests.clear()
    await begin(harness, condition)
    engine.gate.set()
    if condition in (table.OUTAGE, table.BLOCKED_ADDRESS):
        await harness.discord.until(lambda: is_refused(harness), why="refused requests")
    else:
        await wait_until_delivered(harness)
    harness.discord.conditions.end_all()
    message = await harness.result(interaction)
    await wait_until_delivered(harness)
    await harness.discord.until(lambda: harness.discord.online, why="the bot is back")
    assert harness.discord.messages() == results(harness) == [message]
    await harness.imagine()
    assert len(engine.paints) == 2


@pytest.mark.parametrize(("condition", "reason"), DM_REFUSALS, ids=lambda x: getattr(x, "key", ""))
async def test_a_refused_dm_has_its_reason(
    harness: BotHarness, condition: Condition, reason: str
) -> None:
    """It is shown in the channel; afterwards the same reaction sends the DM."""
    grid = await harness.imagine()
    with harness.discord.conditions.during(condition):
        await harness.ada.react(grid, "✉️")
        await harness.discord.until(lambda: len(harness.discord.messages()) > 1, why="a reply")
        assert reason in harness.discord.messages()[-1].content
        assert harness.discord.dms(harness.ada) == []
    await harness.ada.unreact(grid, "✉️")
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")


async def test_an_unknown_interaction_starts_nothing(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Discord has said already that the application did not respond."""
    grid = await harness.imagine()
    with harness.discord.conditions.during(table.UNKNOWN_INTERACTIONS):
        command = await harness.ada.slash("imagine", prompt="a house")
        click = await harness.ada.click(grid, "V1")
        for interaction in (command, click):
            with pytest.raises(NotAcknowledged):
                await interaction.acknowledged()
        await wait_for_delivered_jobs(harness, 3)
    assert len(engine.paints) == 1 and harness.discord.messages() == [grid]
    await harness.result(await harness.ada.click(grid, "V1"))


async def test_a_blocked_prompt_is_left_out(harness: BotHarness, engine: FakeEngine) -> None:
    """Progress, result and full size are shown without it, and the user reads why."""
    engine.gate.clear()
    with harness.discord.conditions.during(table.AUTOMOD):
        interaction = await harness.ada.slash("imagine", prompt=f"a {table.BLOCKED_WORD}")
        await harness.discord.until(
            lambda: interaction.response and "Painting" in interaction.response.content,
            why="progress",
        )
        engine.gate.set()
        grid = await harness.result(interaction)
        single = await harness.result(await harness.ada.click(grid, "U1"))
        await wait_until_delivered(harness)
    for message in (grid, single):
        assert "AutoMod of this server blocks the text" in message.content
        [file] = message.attachments
        assert table.BLOCKED_WORD not in f"{message.content} {file.description}"
    assert grid.buttons == ALL_BUTTONS


async def test_a_blocked_prompt_of_a_failed_job_is_left_out(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The reason of the failure is still shown."""
    engine.failure = "The engine ran out of memory."
    with harness.discord.conditions.during(table.AUTOMOD):
        message = await harness.imagine(prompt=f"a {table.BLOCKED_WORD}")
    assert "AutoMod" in message.content and engine.failure in message.content


async def test_a_report_of_a_blocked_prompt_reaches_the_moderators(
    harness: BotHarness, mod_channel: Channel
) -> None:
    """Its card is shown without the prompt and the reasons, also when it is updated."""
    grid = await harness.imagine(prompt=f"a {table.BLOCKED_WORD}")
    with harness.discord.conditions.during(table.AUTOMOD):
        await report(harness, harness.discord.person("Ben"), grid)
        card = card_in(harness, mod_channel)
        assert "blocks the text of this prompt" in card.content and "ugly" not in card.content
        await report(harness, harness.discord.person("Cleo"), grid)
        assert card.content.count("not shown here") == 2
    assert cards(harness, mod_channel) == [card]


async def test_pictures_fit_a_low_limit(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The grid is compressed; afterwards it is lossless again."""
    monkeypatch.setattr(fake_engine, "flat", noise)
    monkeypatch.setattr(effects, "SMALL_FILE_LIMIT", LIMIT)
    with harness.discord.conditions.during(table.UPLOAD_LIMIT):
        [file] = (await harness.imagine()).attachments
    assert len(file.data) <= LIMIT
    [file] = (await harness.imagine()).attachments
    assert len(file.data) > LIMIT


async def test_a_missing_permission_is_named(harness: BotHarness, engine: FakeEngine) -> None:
    """Before anything is painted; a reaction is answered by a DM."""
    grid = await harness.imagine()
    with harness.discord.conditions.during(table.NO_FILES):
        interaction = await harness.ada.slash("imagine", prompt="a house")
        assert "I need the permission Attach Files" in await harness.refusal(interaction)
        await harness.ada.react(grid, "🔁")
        await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    assert len(engine.paints) == 1
    await harness.ada.unreact(grid, "🔁")
    await harness.ada.react(grid, "🔁")
    await wait_for_delivered_jobs(harness, 2)


async def test_threads_are_archived_again_and_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """They are opened for a result and for a removal."""
    thread = harness.discord.add_thread(harness.discord.channel, "sketches")
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", where=thread, prompt="a house")
    await interaction.acknowledged()
    with harness.discord.conditions.during(table.ARCHIVED_THREADS):
        assert thread.archived
        engine.gate.set()
        grid = await harness.result(interaction)
        await wait_until_delivered(harness)
        await harness.ada.react(grid, "🔁")
        await wait_for_delivered_jobs(harness, 2)
        await harness.discord.until(lambda: thread.archived, why="the thread is archived again")
        assert len(harness.discord.messages(thread)) == 2
        await harness.ada.react(grid, "❌")
        await harness.discord.until(lambda: grid.deleted, why="the removal")


async def test_a_broken_download_is_reported(harness: BotHarness, engine: FakeEngine) -> None:
    """Nothing is painted, and the same command works afterwards."""
    with harness.discord.conditions.during(table.BROKEN_DOWNLOADS):
        interaction = await harness.ada.slash("imagine", prompt="a house", sketch=SKETCH)
        assert "could not be downloaded" in await harness.refusal(interaction)
    assert engine.paints == []
    await harness.imagine(sketch=SKETCH)
