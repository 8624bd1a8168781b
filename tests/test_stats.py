"""/stats shows the state of the bot to those who manage a server."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bot.db.database import Database
from bot.db.stats import PeriodStats, QueueStats
from bot.domain.job import Status
from bot.features import stats
from bot.monitoring.status import StatusReport
from bot.playground import Playground, UnknownCommand
from engine.contract import ReplicaStatus
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.metrics_samples import HEARTBEAT, SNAPSHOT
from tests.new_database import create_database
from tests.samples import job, picture

REPORT = StatusReport(
    version="1.2",
    models=("starter",),
    uptime=90061.7,
    memory=64.0 * 2**20,
    now=SNAPSHOT,
    day=PeriodStats(endings={Status.DONE: 12, Status.FAILED: 1}, median_seconds=4.25),
)


def test_the_report_has_all_figures() -> None:
    """Each subject has one line."""
    assert stats.format_report(REPORT).splitlines() == [
        "**imagine-bot 1.2**, up for 1 day, 1:01:01",
        "Model: `starter`",
        "Last 24 hours: 12 done, 1 failed, 0 cancelled, 0 refused; median 4.2 s",
        "Queue: 3 waiting, 2 running; longest wait 4 s",
        "Engine: up, 2 restarts, 7 ticks, 25.0 % padding",
        "Gateway: up, 50 ms",
        "Memory: bot 64 MiB, engine 512 MiB",
    ]


def test_the_replicas_of_a_cluster_are_counted() -> None:
    """Those that stop are not."""
    for draining, words in (([], "0 replicas"), ([True, False], "1 replica"), ([False] * 2, "2 r")):
        replicas = tuple(
            ReplicaStatus(
                name=f"{nth}",
                node="n",
                pid=nth,
                fingerprint="",
                is_draining=is_draining,
                heartbeat=HEARTBEAT,
            )
            for nth, is_draining in enumerate(draining)
        )
        heartbeat = msgspec.structs.replace(HEARTBEAT, replicas=replicas)
        now = msgspec.structs.replace(SNAPSHOT, heartbeat=heartbeat)
        text = stats.format_report(msgspec.structs.replace(REPORT, now=now))
        assert f"Engine: up, 2 restarts, {words}" in text


def test_all_models_are_named() -> None:
    """The default is the first."""
    report = msgspec.structs.replace(REPORT, models=("starter", "a/sdxl"))
    expected = "Models: `starter`, `a/sdxl` (the first is the default)"
    assert stats.format_report(report).splitlines()[1] == expected


def test_unknown_figures_are_left_out() -> None:
    """Without results there is no median."""
    now = msgspec.structs.replace(
        SNAPSHOT,
        is_engine_up=False,
        heartbeat=None,
        shards=(),
        is_gateway_up=False,
        queue=QueueStats(waiting=0, running=0, undelivered=0, oldest_at=None),
    )
    empty = PeriodStats(endings={}, median_seconds=None)
    text = stats.format_report(msgspec.structs.replace(REPORT, now=now, day=empty, memory=None))
    assert "0 done, 0 failed, 0 cancelled, 0 refused\n" in text
    assert "Queue: 0 waiting, 0 running\n" in text
    assert "Engine: down, 2 restarts\nGateway: down\nMemory: bot unknown, engine unknown" in text


@pytest.fixture
async def seeded(
    discord: Playground, engine: FakeEngine, tmp_path: Path
) -> AsyncIterator[BotHarness]:
    """A bot whose database has two days of jobs."""
    path = create_database(tmp_path)
    now = time.time()
    async with Database(path) as db:
        for nth, (age, takes) in enumerate([(90000, 1), (3000, 2), (2000, 3), (1000, 10)]):
            name, created = f"j{nth}", now - age
            await db.jobs.add(job(name, created_at=created))
            await db.jobs.mark_queued(name, job().recipes)
            assert await db.jobs.claim(name, now=created)
            assert await db.jobs.complete(name, 1, [picture(name)], created + takes)
            await db.jobs.mark_delivered(name, now=created + takes)
        await db.jobs.add(job("bad", created_at=now - 50))
        await db.jobs.finish_without_pictures("bad", Status.FAILED, now - 40, reason="x")
        await db.jobs.mark_delivered("bad", now=now - 40)
    async with BotHarness(discord, engine, tmp_path) as harness:
        yield harness


async def test_stats_are_ephemeral(seeded: BotHarness, engine: FakeEngine) -> None:
    """They have the results of the last day and the current state of each part."""
    engine.heartbeat = msgspec.structs.replace(
        engine.heartbeat, ticks=8, rows_total=10, rows_used=9
    )
    await engine.send_heartbeat()
    admin = seeded.discord.person("Grace", admin=True)
    interaction = await admin.slash("stats")
    await seeded.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[0].content, why="the statistics"
    )
    (answer,) = interaction.ephemerals
    assert "Model: `flat`" in answer.content
    assert "3 done, 1 failed, 0 cancelled, 0 refused; median" in answer.content
    assert "median 3.0 s" in answer.content
    assert "Queue: 0 waiting, 0 running" in answer.content
    assert "Engine: up, 0 restarts, 8 ticks, 10.0 % padding" in answer.content
    assert "Gateway: up" in answer.content
    assert seeded.discord.messages() == []


async def test_only_managers_see_the_command(harness: BotHarness) -> None:
    """Discord's clients hide it from others."""
    with pytest.raises(UnknownCommand):
        await harness.ada.slash("stats")
