"""The bot with a cluster: its window, replicas that die or stop, and a cluster without replicas."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.db.database import Database
from bot.domain.job import RequestContext, ResponseTarget
from bot.domain.limits import Limits
from bot.engine_client.supervisor import supervised_engine
from bot.errors import Refused
from bot.playground import Interaction, Playground
from bot.services.quota_service import QuotaService
from bot.services.scheduler import JobScheduler
from engine.contract import Backlog
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.samples import job

SEATS = Limits().max_running_total


@pytest.fixture
async def cluster(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> AsyncIterator[BotHarness]:
    """A bot with a cluster of two replicas, which do not finish before the gate is opened."""
    engine.replicas = 2
    engine.gate.clear()
    async with BotHarness(discord, engine, tmp_path) as harness:
        yield harness


async def crowd(harness: BotHarness, count: int, start: int = 0) -> list[Interaction]:
    """A job of one picture of each of so many people."""
    people = [harness.discord.person(f"Person {start + nth}") for nth in range(count)]
    return [await person.slash("imagine", prompt="a house", count=1) for person in people]


async def test_the_window_follows_the_number_of_replicas(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """Each replica adds seats; those of a replica that is gone are not given away again."""
    interactions = await crowd(cluster, 3 * SEATS + 1)
    await eventually(lambda: len(engine.paints) == 2 * SEATS)
    await eventually(lambda: len(queued(cluster)) == SEATS + 1)
    await engine.change_replicas([False, False, False])
    await eventually(lambda: len(engine.paints) == 3 * SEATS)
    await engine.change_replicas([False, True])
    await asyncio.sleep(0.1)
    assert len(engine.paints) == 3 * SEATS
    engine.gate.set()
    for interaction in interactions:
        assert (await cluster.result(interaction)).attachments
    assert not any(paint.is_alone for paint in engine.paints)


def queued(harness: BotHarness) -> list[str]:
    """The ids of the jobs that wait in the database."""
    return [row["id"] for row in harness.query("SELECT id FROM jobs WHERE status = 'queued'")]


async def test_a_replica_that_dies_makes_its_jobs_suspects(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """The job is painted again, alone on a replica; jobs of other replicas go on."""
    first, second = await crowd(cluster, 2)
    await eventually(lambda: len(engine.paints) == 2)
    victim, other = engine.paints
    await engine.interrupt(victim.job, crashed=True)
    await eventually(lambda: len(engine.paints) == 3)
    again = engine.paints[2]
    assert (again.job, again.attempt, again.is_alone) == (victim.job, 2, True)
    (third,) = await crowd(cluster, 1, start=2)
    await eventually(lambda: len(engine.paints) == 4)
    assert not engine.paints[3].is_alone
    engine.gate.set()
    for interaction in (first, second, third):
        assert (await cluster.result(interaction)).attachments
    rows = cluster.query("SELECT id, attempt, crashes FROM jobs ORDER BY rowid")
    assert {row["id"]: (row["attempt"], row["crashes"]) for row in rows} == {
        victim.job: (2, 1),
        other.job: (1, 0),
        engine.paints[3].job: (1, 0),
    }


async def test_suspects_leave_replicas_to_the_others(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """With two replicas, one suspect runs at a time, and with four two."""
    interactions = await crowd(cluster, 3)
    await eventually(lambda: len(engine.paints) == 3)
    for paint in engine.paints[:2]:
        await engine.interrupt(paint.job, crashed=True)
    await eventually(lambda: len(engine.paints) == 4)
    await asyncio.sleep(0.1)
    assert [paint.is_alone for paint in engine.paints] == [False, False, False, True]
    await engine.change_replicas([False] * 4)
    await eventually(lambda: len(engine.paints) == 5)
    assert engine.paints[4].is_alone
    engine.gate.set()
    for interaction in interactions:
        assert (await cluster.result(interaction)).attachments


async def test_the_third_crash_ends_a_job(cluster: BotHarness, engine: FakeEngine) -> None:
    """The user reads why, and the job of another user is untouched."""
    (first,) = await crowd(cluster, 1)
    await eventually(lambda: len(engine.paints) == 1)
    (second,) = await crowd(cluster, 1, start=1)
    await eventually(lambda: len(engine.paints) == 2)
    for attempt in (1, 2, 3):
        await eventually(lambda: len(attempts(engine)) == attempt)  # noqa: B023 # awaited at once
        await engine.interrupt(engine.paints[0].job, crashed=True)
    message = await cluster.result(first)
    assert "This job crashed the engine 3 times" in message.content
    engine.gate.set()
    assert (await cluster.result(second)).attachments


def attempts(engine: FakeEngine) -> list[int]:
    """Those of the first job."""
    return [paint.attempt for paint in engine.paints if paint.job == engine.paints[0].job]


async def test_a_job_that_is_handed_back_is_no_suspect(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """A replica that stops is no crash, however often that happens; each time takes longer."""
    (interaction,) = await crowd(cluster, 1)
    times = []
    for attempt in (1, 2, 3):
        await eventually(lambda: len(attempts(engine)) == attempt)  # noqa: B023 # awaited at once
        times.append(asyncio.get_running_loop().time())
        await engine.interrupt(engine.paints[0].job, crashed=False)
    await eventually(lambda: len(attempts(engine)) == 4)
    times.append(asyncio.get_running_loop().time())
    assert [paint.is_alone for paint in engine.paints] == [False] * 4
    for delay, start, end in zip((0.5, 1.0, 2.0), times, times[1:], strict=False):
        assert delay <= end - start + 0.01
    engine.gate.set()
    assert (await cluster.result(interaction)).attachments
    [row] = cluster.query("SELECT attempt, crashes FROM jobs")
    assert tuple(row) == (4, 0)


async def test_a_job_may_be_cancelled_after_it_was_handed_back(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """It is not painted again."""
    interaction = await cluster.ada.slash("imagine", prompt="a house", count=1)
    await eventually(lambda: len(engine.paints) == 1)
    await cluster.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it can be cancelled"
    )
    await engine.interrupt(engine.paints[0].job, crashed=False)
    assert interaction.response is not None
    await cluster.ada.click(interaction.response, "✖ Cancel")
    assert "Cancelled" in (await cluster.result(interaction)).content
    await asyncio.sleep(0.6)
    assert len(engine.paints) == 1


async def test_the_bot_may_stop_while_a_job_that_was_handed_back_waits(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """It is queued again, without a crash, and painted after the next start."""
    (interaction,) = await crowd(cluster, 1)
    await eventually(lambda: len(engine.paints) == 1)
    await engine.interrupt(engine.paints[0].job, crashed=False)
    await asyncio.sleep(0.05)
    await cluster.stop()
    [row] = cluster.query("SELECT status, crashes FROM jobs")
    assert tuple(row) == ("queued", 0)
    engine.gate.set()
    await cluster.start()
    assert (await cluster.result(interaction)).attachments


async def test_a_cluster_without_replicas_is_an_engine_that_is_down(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """Jobs wait in the queue and start when a replica is back."""
    await engine.change_replicas([True])
    await asyncio.sleep(0.05)
    interaction = await cluster.ada.slash("imagine", prompt="a house")
    await cluster.discord.until(
        lambda: interaction.response and "keeps its place" in interaction.response.content,
        why="the engine is down",
    )
    assert engine.paints == []
    engine.gate.set()
    await engine.change_replicas([False])
    assert (await cluster.result(interaction)).buttons == ALL_BUTTONS


@pytest.mark.parametrize(("is_remote", "crashes"), [(True, 0), (False, 1)])
async def test_a_lost_remote_cluster_crashes_no_job(
    cluster: BotHarness, engine: FakeEngine, is_remote: bool, crashes: int
) -> None:
    """Its replicas may be fine; it says itself which of them crash. One that the bot has started
    ends with all its replicas, perhaps because of a job."""
    engine.is_remote = is_remote
    engine.die()
    await eventually(lambda: engine.starts == 2)
    interactions = await crowd(cluster, 2)
    await eventually(lambda: len(engine.paints) == 2)
    engine.die()
    engine.gate.set()
    for interaction in interactions:
        assert (await cluster.result(interaction)).attachments
    rows = cluster.query("SELECT attempt, crashes FROM jobs")
    assert [tuple(row) for row in rows] == [(2, crashes), (2, crashes)]


async def test_what_repeats_a_picture_prefers_where_it_was_painted(
    cluster: BotHarness, engine: FakeEngine
) -> None:
    """The film of a picture does; a new picture has no preference, nor has a variation."""
    engine.gate.set()
    message = await cluster.imagine(count=1)
    await cluster.result(await cluster.ada.click(message, "🎬 Film"))
    await cluster.result(await cluster.ada.click(message, "V1"))
    fingerprints = [paint.fingerprint for paint in engine.paints]
    assert fingerprints == ["", engine.model.fingerprint, ""]


async def test_the_backlog_is_reported(cluster: BotHarness, engine: FakeEngine) -> None:
    """When the queue changes, when it is empty again, and after a new connection."""
    interactions = await crowd(cluster, 2 * SEATS + 3)
    await eventually(lambda: engine.backlog is not None and engine.backlog.jobs == 3)
    backlog = engine.backlog
    assert backlog is not None and backlog.seconds > 0
    assert 0 < backlog.oldest < 60
    engine.backlog = None
    engine.die()
    await eventually(lambda: engine.backlog is not None)
    engine.gate.set()
    for interaction in interactions:
        await cluster.result(interaction)
    await eventually(lambda: engine.backlog == Backlog(jobs=0, seconds=0.0, oldest=0.0))


async def test_a_single_engine_gets_no_backlog(harness: BotHarness, engine: FakeEngine) -> None:
    """It cannot grow."""
    await harness.imagine()
    assert engine.backlog is None


async def test_the_number_of_unfinished_jobs_grows_with_the_replicas(
    db: Database, engine: FakeEngine
) -> None:
    """The limit is for each replica; without any, it is that of one."""
    engine.replicas = 2
    context = RequestContext(idempotency_key="", user_id=9, target=ResponseTarget(channel_id=1))
    async with supervised_engine(engine.launch) as client:
        limits = Limits(max_unfinished_total=2, guild_share=1.0)
        scheduler = JobScheduler(db.jobs, db.usage, client, limits)
        quota = QuotaService(
            db.jobs, db.usage, db.guild_settings, scheduler, limits=limits, clock=time.time
        )
        for nth in range(4):
            await quota.check(context)
            await db.jobs.add(job(f"j{nth}", user_id=nth))
        with pytest.raises(Refused, match="4 jobs waiting; the limit is 4"):
            await quota.check(context)
        await engine.change_replicas([True])
        await eventually(lambda: client.status.replicas == 0)
        with pytest.raises(Refused, match="4 jobs waiting; the limit is 2"):
            await quota.check(context)
