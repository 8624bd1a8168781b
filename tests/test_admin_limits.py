"""/admin limits, and what a day allows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.playground import InvalidOption, Person, Playground, UnknownCommand
from tests.fake_engine import FakeEngine
from tests.house import House, eventually


@pytest.fixture
def boss(house: House) -> Person:
    """Somebody who manages the server."""
    return house.discord.person("Boss", admin=True)


async def said(house: House, boss: Person, **options: object) -> list[str]:
    """What /admin limits answers, in lines."""
    asked = await boss.invoke("admin limits", options)  # type: ignore[arg-type]
    return (await house.refusal(asked)).splitlines()


async def test_limits_are_set_shown_and_taken_away(house: House, boss: Person) -> None:
    """For each role; what is not given stays as it was."""
    role = house.discord.add_role("Painters")
    everybody = "Default: 5 unfinished, 3 running"
    assert await said(house, boss) == [everybody]
    await said(house, boss, role=role, waiting=9)
    assert await said(house, boss, role=role, daily=60) == [
        everybody,
        f"<@&{role.id}>: 9 unfinished, 60 seconds in 24 hours",
    ]
    await house.stop()
    await house.start()
    assert len(await said(house, boss)) == 2
    assert await said(house, boss, role=role, reset=True) == [everybody]
    noted = [row["detail"] for row in house.query("SELECT detail FROM audit ORDER BY id")]
    assert noted == [
        f"<@&{role.id}>: 9 unfinished",
        f"<@&{role.id}>: 9 unfinished, 60 seconds in 24 hours",
        f"<@&{role.id}>: no limits of its own",
    ]


async def test_what_makes_no_sense_is_said(house: House, boss: Person) -> None:
    """Limits of no role, or set and taken away at once, or beyond all measure."""
    role = house.discord.add_role("Painters")
    assert "Choose a role" in (await said(house, boss, waiting=9))[0]
    assert "Either set" in (await said(house, boss, role=role, waiting=9, reset=True))[0]
    with pytest.raises(InvalidOption):
        await said(house, boss, role=role, waiting=1000)
    asked = await boss.slash("admin limits", checked=False, role=role, waiting=1000)
    assert "waiting is 1000; it must be 1 to 50" in await house.refusal(asked)


async def test_only_those_who_manage_the_server_set_limits(house: House) -> None:
    """Others do not even see the command."""
    with pytest.raises(UnknownCommand):
        await house.ada.slash("admin limits")


async def test_a_role_raises_and_everyone_lowers(
    house: House, engine: FakeEngine, boss: Person
) -> None:
    """The most generous of a person's roles counts, and @everyone is one of them."""
    role = house.discord.add_role("Painters")
    await said(house, boss, role=house.discord.world.default_guild.everyone, waiting=1)
    await said(house, boss, role=role, waiting=2)
    ben = house.discord.person("Ben")
    ben.give(role)
    engine.gate.clear()
    asked = [await house.ada.slash("imagine", prompt="a"), await ben.slash("imagine", prompt="b")]
    await eventually(lambda: len(engine.paints) == 2)
    refused = await house.ada.slash("imagine", prompt="a")
    assert "You have 1 job waiting, and 1 may wait." in await house.refusal(refused)
    asked.append(await ben.slash("imagine", prompt="b"))
    await eventually(lambda: len(engine.paints) == 3)
    refused = await ben.slash("imagine", prompt="b")
    assert "You have 2 jobs waiting, and 2 may wait." in await house.refusal(refused)
    engine.gate.set()
    for one in asked:
        await house.result(one)


async def test_a_refusal_says_when(house: House, engine: FakeEngine) -> None:
    """As soon as it is known what jobs take."""
    engine.engine_seconds = 30.0
    await house.imagine()
    engine.gate.clear()
    asked = [await house.ada.slash("imagine", prompt=f"{nth}") for nth in range(5)]
    await eventually(lambda: len(engine.paints) == 6)
    refused = await house.ada.slash("imagine", prompt="one more")
    assert await house.refusal(refused) == (
        "You have 5 jobs waiting, and 5 may wait. Let one finish first, in about 2 minutes."
    )
    engine.gate.set()
    for one in asked:
        await house.result(one)


async def test_many_requests_at_once_are_counted_one_by_one(
    house: House, engine: FakeEngine
) -> None:
    """Of twelve in the same moment, five are accepted."""
    engine.gate.clear()
    asked = [await house.ada.slash("imagine", prompt=f"{nth}") for nth in range(12)]
    for one in asked:
        await one.acknowledged()
    [[count]] = house.query("SELECT count(*) FROM jobs")
    assert count == 5
    engine.gate.set()


@pytest.fixture
async def frugal(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    """A bot that gives everybody 60 seconds a day; a job takes 40."""
    monkeypatch.setenv("IMAGINE_DAILY_SECONDS", "60")
    engine.engine_seconds = 40.0
    async with House(discord, engine, tmp_path) as house:
        yield house


async def test_the_days_seconds_are_used_up(frugal: House) -> None:
    """By what was painted, also after a restart; others have their own, and a role has more."""
    await frugal.imagine()
    await frugal.imagine()
    await frugal.stop()
    await frugal.start()
    refused = await frugal.ada.slash("imagine", prompt="a house")
    assert await frugal.refusal(refused) == (
        "You have had 80 of your 60 seconds of painting in 24 hours. "
        "You can ask again in about 24 hours."
    )
    await frugal.imagine(frugal.discord.person("Ben"))
    boss = frugal.discord.person("Boss", admin=True)
    await said(frugal, boss, role=frugal.discord.world.default_guild.everyone, daily=100)
    await frugal.imagine()


async def test_servers_admins_give_no_more_than_who_runs_the_bot_allows(
    frugal: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, and what was given before it was so counts as far."""
    everyone = frugal.discord.world.default_guild.everyone
    boss = frugal.discord.person("Boss", admin=True)
    assert await said(frugal, boss, role=everyone, daily=601) == [
        "The option daily is 601; whoever runs this bot lets roles have 600 at most."
    ]
    assert not frugal.query("SELECT 1 FROM role_limits")
    await said(frugal, boss, role=everyone, daily=600)
    monkeypatch.setenv("IMAGINE_ROLE_FACTOR", "1")
    await frugal.stop()
    await frugal.start()
    assert (await said(frugal, boss))[-1] == f"<@&{everyone.id}>: 60 seconds in 24 hours"
    await frugal.imagine()
    await frugal.imagine()
    refused = await frugal.ada.slash("imagine", prompt="a house")
    assert "You have had 80 of your 60 seconds" in await frugal.refusal(refused)


async def test_at_once_one_exceeds_the_day_by_one_job_at_most(
    frugal: House, engine: FakeEngine
) -> None:
    """What is under way counts as what it will take."""
    await frugal.imagine()
    engine.gate.clear()
    asked = [await frugal.ada.slash("imagine", prompt=f"{nth}") for nth in range(4)]
    for one in asked:
        await one.acknowledged()
    await eventually(lambda: len(engine.paints) == 2)
    sentences = [await frugal.refusal(one) for one in asked if one.ephemerals]
    assert len(sentences) == 3
    assert all("your unfinished jobs will take up the rest" in each for each in sentences)
    engine.gate.set()
    done = "SELECT 1 FROM jobs WHERE status = 'done'"
    await eventually(lambda: len(frugal.query(done)) == 2)


async def test_what_fails_is_not_charged(frugal: House, engine: FakeEngine) -> None:
    """Nor what the engine's death interrupts."""
    engine.failure = "The numbers overflowed."
    for _ in range(3):
        await frugal.imagine()
    engine.failure = None
    engine.gate.clear()
    asked = await frugal.ada.slash("imagine", prompt="a house")
    await eventually(lambda: len(engine.paints) == 4)
    engine.die()
    engine.gate.set()
    await frugal.result(asked)
    assert [row["seconds"] for row in frugal.query("SELECT seconds FROM charges")] == [40.0]


async def test_what_is_stopped_is_charged_for_what_was_used(
    frugal: House, engine: FakeEngine
) -> None:
    """In mid-painting; what still waits costs nothing."""
    engine.gate.clear()
    asked = await frugal.ada.slash("imagine", prompt="a house")
    await frugal.discord.until(lambda: asked.response and asked.response.buttons, why="a button")
    await eventually(lambda: engine.paints)
    assert asked.response is not None
    await frugal.refusal(await frugal.ada.click(asked.response, "✖ Cancel"))
    await eventually(lambda: frugal.query("SELECT 1 FROM charges"))
    [row] = frugal.query("SELECT seconds, work FROM charges")
    assert (row["seconds"], row["work"]) == (20.0, None)
    engine.gate.set()
    await frugal.imagine()
    rows = frugal.query("SELECT seconds FROM charges")
    assert [row["seconds"] for row in rows] == [20.0, 40.0]
