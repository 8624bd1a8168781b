"""The replicas of a cluster as one job server, with replicas that do what tests say."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from engine.cluster.placement import REPLICA_PICTURES
from engine.cluster.replica_set import MAX_FAILED_STARTS, ReplicaSet
from engine.contract import (
    Backlog,
    Cancelled,
    Completed,
    Event,
    Interrupted,
    Paint,
    Queued,
    Stepped,
)
from engine.contract.watchdog import SILENCE_SECONDS
from tests.bot_harness import eventually
from tests.fake_engine import MODEL
from tests.fake_replicas import HEARTBEAT, FakeReplicas
from tests.samples import recipe

DRAIN_SECONDS = 0.3
START_SECONDS = 0.2


class Cluster:
    """A replica set, and the events of its jobs."""

    def __init__(self, calls: FakeReplicas, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.calls = calls
        self.changes = 0
        self.events: dict[str, list[Event]] = {}
        self.set = ReplicaSet(
            calls,
            self._on_change,
            drain_seconds=DRAIN_SECONDS,
            start_seconds=START_SECONDS,
            silence_seconds=silence_seconds,
            report_seconds=0.02,
        )

    async def route(self, *names: str) -> None:
        """Let calls reach these replicas, and wait until those that answer are usable."""
        self.set.set_routable(names)
        answering = {name for name in names if self.calls[name].answers}
        await eventually(lambda: answering <= {member.name for member in self.set.members})

    def submit(self, name: str, pictures: int = 1, **changes: Any) -> Any:  # noqa: ANN401
        """Submit a job; returns the submitted job."""
        events = self.events[name] = []
        paint = Paint(
            job=name,
            attempt=1,
            recipes=tuple(recipe(model=MODEL.name, seed=seed) for seed in range(pictures)),
            **changes,
        )
        return self.set.submit(paint, events.append, {})

    async def start(self, name: str, on: str, **changes: Any) -> Any:  # noqa: ANN401
        """Submit a job, which must start on this replica."""
        job = self.submit(name, **changes)
        await eventually(lambda: job.has_started)
        assert name in self.calls[on].running
        return job

    async def last_event(self, name: str) -> Event:
        """The last event of a job, which must come once."""
        ends = (Completed, Cancelled, Interrupted)
        await eventually(lambda: self.events[name] and isinstance(self.events[name][-1], ends))
        assert sum(isinstance(event, ends) for event in self.events[name]) == 1
        return self.events[name][-1]

    def _on_change(self) -> None:
        self.changes += 1


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Two replicas, `a` and `b`, of which none is routable yet."""
    cluster = Cluster(FakeReplicas("a", "b"))
    yield cluster
    await cluster.set.close()


async def test_jobs_wait_for_the_first_replica(cluster: Cluster) -> None:
    """They know their places in the queue."""
    cluster.submit("j1")
    cluster.submit("j2")
    assert [cluster.events[name] for name in ("j1", "j2")] == [
        [Queued(job="j1", attempt=1, jobs_ahead=0)],
        [Queued(job="j2", attempt=1, jobs_ahead=1)],
    ]
    assert cluster.set.heartbeat().waiting == 2
    await cluster.route("a")
    await eventually(lambda: cluster.calls["a"].jobs == ["j1", "j2"])
    cluster.calls["a"].complete("j1")
    assert isinstance(await cluster.last_event("j1"), Completed)
    assert cluster.set.waiting == 0


async def test_jobs_above_the_capacity_wait_for_the_next_end(cluster: Cluster) -> None:
    """They go to the replica that has room first."""
    await cluster.route("a", "b")
    for nth, on in enumerate("abab"):
        await cluster.start(f"j{nth}", on, pictures=REPLICA_PICTURES // 2)
    cluster.submit("next")
    assert cluster.set.waiting == 1
    cluster.calls["b"].complete("j1")
    await eventually(lambda: "next" in cluster.calls["b"].running)


async def test_a_job_without_events_is_given_back() -> None:
    """A machine without power sends no more, not even an error; nor is the job to blame."""
    cluster = Cluster(FakeReplicas("a", "b"), silence_seconds=1.0)
    await cluster.route("a", "b")
    await cluster.start("j1", "a")
    await cluster.start("j2", "b")
    while not isinstance(cluster.events["j1"][-1], Interrupted):
        cluster.calls["b"].send("j2", HEARTBEAT)
        await asyncio.sleep(0.05)
    assert cluster.events["j1"][-1] == Interrupted(job="j1", attempt=1, crashed=False)
    cluster.calls["b"].complete("j2")
    assert isinstance(await cluster.last_event("j2"), Completed)
    await cluster.set.close()


async def test_a_replica_that_dies_interrupts_its_own_jobs_alone(cluster: Cluster) -> None:
    """The job may have caused it."""
    await cluster.route("a", "b")
    await cluster.start("j1", "a")
    await cluster.start("j2", "b")
    cluster.calls["a"].die()
    assert await cluster.last_event("j1") == Interrupted(job="j1", attempt=1, crashed=True)
    assert [member.name for member in cluster.set.members] == ["b"]
    await cluster.start("j3", "b")
    cluster.calls["b"].complete("j2")
    assert isinstance(await cluster.last_event("j2"), Completed)


async def test_a_replica_that_stops_finishes_its_jobs(cluster: Cluster) -> None:
    """It gets no more, and is then gone; its counters still count."""
    await cluster.route("a", "b")
    await cluster.start("j1", "a")
    await cluster.route("b")
    statuses = cluster.set.heartbeat().replicas
    assert statuses is not None
    assert {status.name: status.is_draining for status in statuses} == {"a": True, "b": False}
    await cluster.start("j2", "b")
    cluster.calls["a"].complete("j1")
    assert isinstance(await cluster.last_event("j1"), Completed)
    await eventually(lambda: len(cluster.set.heartbeat().replicas or ()) == 1)
    assert cluster.set.heartbeat().ticks == 2 * HEARTBEAT.ticks


async def test_a_replica_that_stops_hands_its_jobs_back_after_a_time(cluster: Cluster) -> None:
    """The job has not caused it. Its call is closed, which stops the job there."""
    await cluster.route("a", "b")
    await cluster.start("j1", "a")
    await cluster.route("b")
    assert await cluster.last_event("j1") == Interrupted(job="j1", attempt=1, crashed=False)
    await eventually(lambda: not cluster.calls["a"].running)


async def test_a_job_on_a_replica_that_stops_can_be_cancelled(cluster: Cluster) -> None:
    """By closing its call, because no other call reaches the replica."""
    await cluster.route("a")
    job = await cluster.start("j1", "a")
    await cluster.route()
    cluster.set.cancel(job)
    assert await cluster.last_event("j1") == Cancelled(job="j1", attempt=1)
    assert cluster.calls["a"].cancelled == []


async def test_cancel_reaches_the_replica(cluster: Cluster) -> None:
    """The replica's own ending has the engine seconds; two cancellations are one."""
    await cluster.route("a")
    job = await cluster.start("j1", "a")
    cluster.set.cancel(job)
    cluster.set.cancel(job)
    await eventually(lambda: cluster.calls["a"].cancelled)
    cluster.calls["a"].complete("j1")
    await cluster.last_event("j1")
    cluster.set.cancel(job)
    assert cluster.calls["a"].cancelled == ["j1"]


async def test_a_waiting_job_is_cancelled_at_once(cluster: Cluster) -> None:
    """The jobs behind it move up."""
    job = cluster.submit("j1")
    cluster.submit("j2")
    cluster.set.cancel(job)
    assert cluster.events["j1"][-1] == Cancelled(job="j1", attempt=1)
    assert cluster.events["j2"][-1] == Queued(job="j2", attempt=1, jobs_ahead=0)


async def test_a_cancel_before_the_answer_is_sent_after_it(cluster: Cluster) -> None:
    """Before, the replica would not know the job."""
    await cluster.route("a")
    job = cluster.submit("j1")
    cluster.set.cancel(job)
    await eventually(lambda: cluster.calls["a"].cancelled == ["j1"])


async def test_a_start_without_an_answer_is_repeated_elsewhere(cluster: Cluster) -> None:
    """The silent replica gets no more jobs until it answers again."""
    await cluster.route("a", "b")
    cluster.calls["a"].answers = False
    job = cluster.submit("j1")
    await eventually(lambda: job.has_started)
    assert cluster.calls["b"].jobs == ["j1"]
    assert [member.name for member in cluster.set.members] == ["b"]


async def test_a_job_that_no_replica_answers_is_handed_back(cluster: Cluster) -> None:
    """After some tries; the bot sends it again later."""
    await cluster.route("a")
    cluster.calls["a"].accepts_jobs = False
    cluster.submit("j1")
    assert await cluster.last_event("j1") == Interrupted(job="j1", attempt=1, crashed=False)
    assert cluster.calls["a"].jobs == ["j1"] * MAX_FAILED_STARTS


async def test_a_job_alone_waits_for_an_empty_replica(cluster: Cluster) -> None:
    """Nothing else is sent there until it has ended."""
    await cluster.route("a")
    await cluster.start("j1", "a")
    cluster.submit("alone", is_alone=True)
    cluster.submit("j2")
    assert cluster.set.waiting == 2
    cluster.calls["a"].complete("j1")
    await eventually(lambda: list(cluster.calls["a"].running) == ["alone"])
    assert cluster.set.waiting == 1
    cluster.calls["a"].complete("alone")
    await eventually(lambda: list(cluster.calls["a"].running) == ["j2"])


async def test_a_replica_of_another_version_gets_no_jobs(cluster: Cluster) -> None:
    """The reason is known."""
    cluster.calls["a"].version_error = "The protocol version of the replica is 11."
    cluster.set.set_routable(["a"])
    await eventually(lambda: cluster.set.problems)
    assert cluster.set.problems == ("The protocol version of the replica is 11.",)
    assert cluster.set.members == ()
    cluster.submit("j1")
    assert cluster.set.waiting == 1


async def test_replicas_learn_of_the_backlog(cluster: Cluster) -> None:
    """It includes the jobs that wait for a replica."""
    await cluster.route("a")
    await cluster.start("j1", "a", pictures=REPLICA_PICTURES // 2)
    await cluster.start("j2", "a", pictures=REPLICA_PICTURES // 2)
    cluster.submit("j3")
    backlog = Backlog(jobs=5, seconds=9.0, oldest=2.0)
    cluster.set.on_backlog("bot", backlog)
    expected = msgspec.structs.replace(backlog, jobs=6)
    await eventually(lambda: cluster.calls["a"].notes[-1].backlog == expected)


async def test_the_backlogs_of_several_bots_are_added(cluster: Cluster) -> None:
    """The oldest job of all counts; a bot that sends another one replaces its own."""
    await cluster.route("a")
    cluster.set.on_backlog("first", Backlog(jobs=5, seconds=9.0, oldest=2.0))
    cluster.set.on_backlog("second", Backlog(jobs=2, seconds=4.0, oldest=7.0))
    cluster.set.on_backlog("first", Backlog(jobs=1, seconds=3.0, oldest=1.0))
    both = Backlog(jobs=3, seconds=7.0, oldest=7.0)
    await eventually(lambda: cluster.calls["a"].notes[-1].backlog == both)
    cluster.set.on_backlog("second", Backlog())
    first = Backlog(jobs=1, seconds=3.0, oldest=1.0)
    await eventually(lambda: cluster.calls["a"].notes[-1].backlog == first)


async def test_the_backlog_of_a_bot_that_has_gone_is_forgotten(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its replicas would be kept, or even more started, for nobody."""
    monkeypatch.setattr("engine.cluster.backlogs.BACKLOG_SECONDS", 0.2)
    await cluster.route("a")
    backlog = Backlog(jobs=5, seconds=9.0, oldest=200.0)
    cluster.set.on_backlog("bot", backlog)
    await eventually(lambda: cluster.calls["a"].notes[-1].backlog == backlog)
    await eventually(lambda: cluster.calls["a"].notes[-1].backlog == Backlog())


async def test_an_unknown_error_ends_no_task(cluster: Cluster) -> None:
    """The replica is asked again, and a job whose cancellation fails ends all the same."""
    await cluster.route("a")
    job = await cluster.start("j1", "a")
    cluster.calls["a"].unknown_error = ValueError("a message that cannot be read")
    await eventually(lambda: cluster.set.problems == ("a message that cannot be read",))
    cluster.set.cancel(job)
    assert isinstance(await cluster.last_event("j1"), Cancelled)
    cluster.calls["a"].unknown_error = None
    await eventually(lambda: len(cluster.set.members) == 1)


async def test_without_replicas_the_heartbeat_says_so(cluster: Cluster) -> None:
    """At once, not only when the next heartbeat is due."""
    await cluster.route("a")
    changes = cluster.changes
    await cluster.route()
    assert cluster.changes > changes
    assert cluster.set.heartbeat().replicas == ()


async def test_events_and_heartbeats_of_a_job(cluster: Cluster) -> None:
    """A replica that is stopping reports by the events of its jobs."""
    await cluster.route("a")
    await cluster.start("j1", "a")
    await cluster.route()
    step = Stepped(job="j1", attempt=1, step=1, steps=2)
    later = msgspec.structs.replace(HEARTBEAT, ticks=9)
    cluster.calls["a"].send("j1", step, later)
    await eventually(lambda: cluster.set.heartbeat().ticks == 9)
    assert cluster.events["j1"][-1] == step


async def test_finished_jobs_leave_nothing_behind(cluster: Cluster) -> None:
    """Neither in the gateway nor in its tasks."""
    await cluster.route("a")
    for nth in range(50):
        await cluster.start(f"j{nth}", "a")
        cluster.calls["a"].complete(f"j{nth}")
        await cluster.last_event(f"j{nth}")
    [member] = cluster.set.members
    await eventually(lambda: len(cluster.set._tasks) == 1)  # the one that asks for reports
    assert not member.jobs
