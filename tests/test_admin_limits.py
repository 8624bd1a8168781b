"""/admin limits, and the daily quota of engine seconds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.playground import InvalidOption, Person, Playground, UnknownCommand
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from bot.playground.rest.serializers.guilds import role_json
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine


@pytest.fixture
def manager(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Boss", admin=True)


async def limits_lines(harness: BotHarness, manager: Person, **options: object) -> list[str]:
    """The lines of the response to /admin limits."""
    interaction = await manager.invoke("admin limits", options)  # type: ignore[arg-type]
    return (await harness.refusal(interaction)).splitlines()


async def test_limits_can_be_set_shown_and_reset(harness: BotHarness, manager: Person) -> None:
    """Each role has its own limits; an option that is left out keeps its value."""
    role = harness.discord.add_role("Painters")
    default = "Default: 5 unfinished, 3 running"
    assert await limits_lines(harness, manager) == [default]
    await limits_lines(harness, manager, role=role, waiting=9)
    assert await limits_lines(harness, manager, role=role, daily=60) == [
        default,
        f"<@&{role.id}>: 9 unfinished, 60 seconds in 24 hours",
    ]
    await harness.stop()
    await harness.start()
    assert len(await limits_lines(harness, manager)) == 2
    assert await limits_lines(harness, manager, role=role, reset=True) == [default]
    details = [row["detail"] for row in harness.query("SELECT detail FROM audit_log ORDER BY id")]
    assert details == [
        f"<@&{role.id}>: 9 unfinished",
        f"<@&{role.id}>: 9 unfinished, 60 seconds in 24 hours",
        f"<@&{role.id}>: no limits of its own",
    ]


async def test_invalid_options_are_refused(harness: BotHarness, manager: Person) -> None:
    """A missing role, set together with reset, and values out of range are refused."""
    role = harness.discord.add_role("Painters")
    assert "Choose a role" in (await limits_lines(harness, manager, waiting=9))[0]
    assert (
        "Either set" in (await limits_lines(harness, manager, role=role, waiting=9, reset=True))[0]
    )
    with pytest.raises(InvalidOption):
        await limits_lines(harness, manager, role=role, waiting=1000)
    interaction = await manager.slash("admin limits", checked=False, role=role, waiting=1000)
    assert "waiting is 1000; it must be 1 to 50" in await harness.refusal(interaction)


async def test_only_managers_see_the_command(harness: BotHarness) -> None:
    """Discord's clients hide it from others."""
    with pytest.raises(UnknownCommand):
        await harness.ada.slash("admin limits")


async def test_moderators_cannot_set_limits(harness: BotHarness) -> None:
    """They cannot read them either, even if a guild shows them /admin for its other commands."""
    role = harness.discord.add_role("Painters")
    options = [
        {"name": "role", "type": 8, "value": str(role.id)},
        {"name": "waiting", "type": 4, "value": 50},
    ]
    data = {
        "id": "1",
        "name": "admin",
        "type": 1,
        "options": [{"name": "limits", "type": 1, "options": options}],
        "resolved": {"roles": {str(role.id): role_json(role, harness.discord.world.default_guild)}},
    }
    moderator = harness.discord.person("Mo", moderator=True)
    interaction = harness.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, moderator.user, harness.discord.channel, data
    )
    event = interaction_json(interaction)
    harness.discord.world.emit("INTERACTION_CREATE", event, harness.discord.channel)
    assert "Only members with the permission Manage Server" in await harness.refusal(interaction)
    assert not harness.query("SELECT 1 FROM guild_settings")
    assert not harness.query("SELECT 1 FROM audit_log")


async def test_the_most_generous_role_applies(
    harness: BotHarness, engine: FakeEngine, manager: Person
) -> None:
    """A user has the highest limit of any of their roles, @everyone included."""
    role = harness.discord.add_role("Painters")
    await limits_lines(
        harness, manager, role=harness.discord.world.default_guild.everyone, waiting=1
    )
    await limits_lines(harness, manager, role=role, waiting=2)
    ben = harness.discord.person("Ben")
    ben.give(role)
    engine.gate.clear()
    interactions = [
        await harness.ada.slash("imagine", prompt="a"),
        await ben.slash("imagine", prompt="b"),
    ]
    await eventually(lambda: len(engine.paints) == 2)
    refused = await harness.ada.slash("imagine", prompt="a")
    assert "You have 1 job waiting; the limit is 1." in await harness.refusal(refused)
    interactions.append(await ben.slash("imagine", prompt="b"))
    await eventually(lambda: len(engine.paints) == 3)
    refused = await ben.slash("imagine", prompt="b")
    assert "You have 2 jobs waiting; the limit is 2." in await harness.refusal(refused)
    engine.gate.set()
    for interaction in interactions:
        await harness.result(interaction)


async def test_a_refusal_estimates_the_wait(harness: BotHarness, engine: FakeEngine) -> None:
    """The refusal has an estimate once the duration of jobs is known."""
    engine.engine_seconds = 30.0
    await harness.imagine()
    engine.gate.clear()
    interactions = [await harness.ada.slash("imagine", prompt=f"{nth}") for nth in range(5)]
    await eventually(lambda: len(engine.paints) == 6)
    refused = await harness.ada.slash("imagine", prompt="one more")
    assert await harness.refusal(refused) == (
        "You have 5 jobs waiting; the limit is 5. Let one finish first, in about 2 minutes."
    )
    engine.gate.set()
    for interaction in interactions:
        await harness.result(interaction)


async def test_simultaneous_requests_cannot_exceed_the_limit(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Of twelve simultaneous requests, five are accepted."""
    engine.gate.clear()
    interactions = [await harness.ada.slash("imagine", prompt=f"{nth}") for nth in range(12)]
    for interaction in interactions:
        await interaction.acknowledged()
    [[count]] = harness.query("SELECT count(*) FROM jobs")
    assert count == 5
    engine.gate.set()


@pytest.fixture
async def limited(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BotHarness]:
    """A bot that allows 60 seconds a day, with jobs of 40 seconds."""
    monkeypatch.setenv("IMAGINE_DAILY_SECONDS", "60")
    engine.engine_seconds = 40.0
    async with BotHarness(discord, engine, tmp_path) as harness:
        yield harness


async def test_the_daily_seconds_are_limited(limited: BotHarness) -> None:
    """The quota is counted for each user and survives a restart; a role can raise it."""
    await limited.imagine()
    await limited.imagine()
    await limited.stop()
    await limited.start()
    refused = await limited.ada.slash("imagine", prompt="a house")
    assert await limited.refusal(refused) == (
        "You have used 80 of your 60 engine seconds in 24 hours. "
        "Please try again in about 24 hours."
    )
    await limited.imagine(limited.discord.person("Ben"))
    manager = limited.discord.person("Boss", admin=True)
    await limits_lines(
        limited, manager, role=limited.discord.world.default_guild.everyone, daily=100
    )
    await limited.imagine()


async def test_the_operator_limits_what_roles_can_get(
    limited: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Existing limits are reduced when the operator lowers the maximum."""
    everyone = limited.discord.world.default_guild.everyone
    manager = limited.discord.person("Boss", admin=True)
    assert await limits_lines(limited, manager, role=everyone, daily=601) == [
        "The option daily is 601; the operator of this bot allows roles at most 600."
    ]
    assert not limited.query("SELECT 1 FROM guild_settings")
    await limits_lines(limited, manager, role=everyone, daily=600)
    monkeypatch.setenv("IMAGINE_ROLE_FACTOR", "1")
    await limited.stop()
    await limited.start()
    assert (await limits_lines(limited, manager))[
        -1
    ] == f"<@&{everyone.id}>: 60 seconds in 24 hours"
    await limited.imagine()
    await limited.imagine()
    refused = await limited.ada.slash("imagine", prompt="a house")
    assert "You have used 80 of your 60 engine seconds" in await limited.refusal(refused)


async def test_unfinished_jobs_count_for_the_daily_limit(
    limited: BotHarness, engine: FakeEngine
) -> None:
    """A user can exceed the quota by one job at most."""
    await limited.imagine()
    engine.gate.clear()
    interactions = [await limited.ada.slash("imagine", prompt=f"{nth}") for nth in range(4)]
    for interaction in interactions:
        await interaction.acknowledged()
    await eventually(lambda: len(engine.paints) == 2)
    sentences = [
        await limited.refusal(interaction) for interaction in interactions if interaction.ephemerals
    ]
    assert len(sentences) == 3
    assert all("your unfinished jobs will use the rest" in sentence for sentence in sentences)
    engine.gate.set()
    done_jobs = "SELECT 1 FROM jobs WHERE status = 'done'"
    await eventually(lambda: len(limited.query(done_jobs)) == 2)


async def test_failed_jobs_are_not_charged(limited: BotHarness, engine: FakeEngine) -> None:
    """Attempts during which the engine died are not charged either."""
    engine.failure = "The numbers overflowed."
    for _ in range(3):
        await limited.imagine()
    engine.failure = None
    engine.gate.clear()
    interaction = await limited.ada.slash("imagine", prompt="a house")
    await eventually(lambda: len(engine.paints) == 4)
    engine.die()
    engine.gate.set()
    await limited.result(interaction)
    assert [row["seconds"] for row in limited.query("SELECT seconds FROM usage")] == [40.0]


async def test_cancelled_jobs_are_charged_for_their_usage(
    limited: BotHarness, engine: FakeEngine
) -> None:
    """A job that was cancelled while it waited costs nothing."""
    engine.gate.clear()
    interaction = await limited.ada.slash("imagine", prompt="a house")
    await limited.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    await eventually(lambda: engine.paints)
    assert interaction.response is not None
    await limited.refusal(await limited.ada.click(interaction.response, "✖ Cancel"))
    await eventually(lambda: limited.query("SELECT 1 FROM usage"))
    [row] = limited.query("SELECT seconds, work FROM usage")
    assert (row["seconds"], row["work"]) == (20.0, None)
    engine.gate.set()
    await limited.imagine()
    rows = limited.query("SELECT seconds FROM usage")
    assert [row["seconds"] for row in rows] == [20.0, 40.0]
