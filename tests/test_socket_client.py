"""The socket client and its supervisor, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from bot.engine_client.base import EngineClient, EngineDied
from bot.engine_client.socket_client import Endpoint
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from engine.contract import (
    Backlog,
    Cancelled,
    Completed,
    Failed,
    ImageDone,
    JobEvent,
    Paint,
    Stepped,
    sha256,
)
from engine.contract.watchdog import SHORTEST_SECONDS, SILENCE_SECONDS
from tests.bot_harness import eventually
from tests.fake_engine import MODEL, FakeEngine
from tests.manual_time import ManualTime
from tests.samples import recipe


async def short_sleep(_: float) -> None:
    """Wait for less time than asked for, so that restarts are quick."""
    await asyncio.sleep(0.01)


@pytest.fixture
async def client(engine: FakeEngine) -> AsyncIterator[EngineClient]:
    """A client of a supervised fake engine."""
    async with supervised_engine(engine.launch, sleep=short_sleep) as client:
        yield client


def paint(job: str = "j1", attempt: int = 1) -> Paint:
    """A job of two pictures."""
    return Paint(job=job, attempt=attempt, recipes=(recipe(seed=1), recipe(seed=2)))


def ignore(_: JobEvent) -> None:
    """A callback that does nothing."""


async def test_a_job_ends_with_its_pictures(client: EngineClient) -> None:
    """There is one progress event for each step, and one event for each picture."""
    events: list[JobEvent] = []
    assert isinstance(await client.submit(paint(), events.append), Completed)
    assert [event.index for event in events if isinstance(event, ImageDone)] == [0, 1]
    assert [event.step for event in events if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert client.model == MODEL


async def test_a_failure_is_returned(client: EngineClient, engine: FakeEngine) -> None:
    """The result has the engine's reason."""
    engine.failure = "Out of memory."
    ending = await client.submit(paint(), ignore)
    assert ending == Failed(job="j1", attempt=1, reason="Out of memory.")


async def test_concurrent_jobs_have_their_own_endings(client: EngineClient) -> None:
    """Each caller receives the ending of its job."""
    endings = await asyncio.gather(*(client.submit(paint(f"j{n}"), ignore) for n in range(8)))
    assert [ending.job for ending in endings] == [f"j{n}" for n in range(8)]


async def test_a_running_job_can_be_cancelled(client: EngineClient, engine: FakeEngine) -> None:
    """The engine receives the command, and the job ends."""
    engine.gate.clear()
    task = asyncio.create_task(client.submit(paint(), ignore))
    await eventually(lambda: engine.paints)
    await client.cancel("j1", 1)
    assert await task == Cancelled(job="j1", attempt=1, engine_seconds=0.05)


async def test_cancelling_an_unknown_job_is_ignored(
    client: EngineClient, engine: FakeEngine
) -> None:
    """Nothing is sent to the engine."""
    await client.cancel("j9", 1)
    assert engine.cancels == []


@pytest.mark.parametrize("crashed", [True, False])
async def test_an_interrupted_attempt_ends_alone(
    client: EngineClient, engine: FakeEngine, crashed: bool
) -> None:
    """A replica of a cluster died or stops; the connection and the other job go on."""
    engine.gate.clear()
    jobs = [asyncio.create_task(client.submit(paint(name), ignore)) for name in ("j1", "j2")]
    await eventually(lambda: engine.unfinished == 2)
    await engine.interrupt("j1", crashed=crashed)
    with pytest.raises(EngineDied) as raised:
        await jobs[0]
    assert raised.value.crashed is crashed
    engine.gate.set()
    assert isinstance(await jobs[1], Completed)
    assert client.status.restarts == 0


async def test_the_number_of_replicas_changes(client: EngineClient, engine: FakeEngine) -> None:
    """Those that drain are not counted; listeners learn of changes."""
    changes: list[int] = []
    assert client.status.replicas == 1
    client.subscribe(lambda: changes.append(client.status.replicas))
    for draining in ([False, False, True], [False, False], []):
        await engine.change_replicas(draining)
        await eventually(lambda: client.status.heartbeat == engine.heartbeat)
    assert changes == [2, 0]


async def test_the_backlog_is_reported(client: EngineClient, engine: FakeEngine) -> None:
    """Only while connected."""
    backlog = Backlog(jobs=3, seconds=1.5, oldest=0.5)
    await client.report_backlog(backlog)
    await eventually(lambda: engine.backlog == backlog)


async def test_a_dead_engine_is_restarted(client: EngineClient, engine: FakeEngine) -> None:
    """The job's caller gets EngineDied; the next job runs on the new engine."""
    engine.gate.clear()
    task = asyncio.create_task(client.submit(paint(), ignore))
    await eventually(lambda: engine.paints)
    engine.die()
    with pytest.raises(EngineDied):
        await task
    engine.gate.set()
    assert isinstance(await client.submit(paint(attempt=2), ignore), Completed)
    assert engine.starts == 2


async def test_a_failed_restart_is_repeated(client: EngineClient, engine: FakeEngine) -> None:
    """Jobs wait until it succeeds."""
    engine.start_error = "no memory"
    engine.die()
    await eventually(lambda: engine.failed_starts == 1)
    task = asyncio.create_task(client.submit(paint(), ignore))
    await eventually(lambda: engine.failed_starts == 2)
    assert not task.done()
    engine.start_error = None
    assert isinstance(await task, Completed)


async def test_a_failed_first_start_is_fatal(engine: FakeEngine) -> None:
    """The error has the last line of the engine's log."""
    engine.start_error = "There is no model here."
    with pytest.raises(FatalError, match="did not start: There is no model here") as exc_info:
        async with supervised_engine(engine.launch):
            pass
    assert exc_info.value.exit is ExitCode.ENGINE_FAILED


async def test_a_rejected_handshake_is_fatal(engine: FakeEngine) -> None:
    """The error has the engine's reason."""

    @asynccontextmanager
    async def with_wrong_token() -> AsyncIterator[Endpoint]:
        async with engine.launch() as endpoint:
            yield Endpoint(endpoint.host, endpoint.port, "another secret")

    with pytest.raises(FatalError, match="The token is wrong"):
        async with supervised_engine(with_wrong_token):
            pass


async def test_an_invalid_frame_restarts_the_engine(
    client: EngineClient, engine: FakeEngine
) -> None:
    """The next job runs on the new engine."""
    for writer in engine.writers:
        writer.write(b"\xff\xff\xff\xff")
    await eventually(lambda: engine.starts == 2)
    assert isinstance(await client.submit(paint(), ignore), Completed)


async def test_a_waiting_job_can_be_cancelled_while_disconnected(
    client: EngineClient, engine: FakeEngine
) -> None:
    """It ends at the next connection and is never sent."""
    engine.start_error = "no memory"
    engine.die()
    await eventually(lambda: engine.failed_starts)
    task = asyncio.create_task(client.submit(paint(), ignore))
    await asyncio.sleep(0)  # let it begin to wait
    await client.cancel("j1", 1)
    engine.start_error = None
    assert await task == Cancelled(job="j1", attempt=1)
    assert engine.paints == []


async def test_a_job_can_be_cancelled_while_it_is_sent(
    client: EngineClient, engine: FakeEngine
) -> None:
    """The engine gets the command after the job; a job behind it is never sent."""
    engine.gate.clear()
    data = bytes(8 * 1024 * 1024)  # more than a socket takes at once
    digest = sha256(data)
    first = msgspec.structs.replace(paint("j1"), inputs=(digest,))
    tasks = [
        asyncio.create_task(client.submit(first, ignore, {digest: data})),
        asyncio.create_task(client.submit(paint("j2"), ignore)),
    ]
    await asyncio.sleep(0)  # let them begin
    async with asyncio.timeout(60):
        await asyncio.gather(client.cancel("j1", 1), client.cancel("j2", 1))
        endings = await asyncio.gather(*tasks)
    assert [type(ending) for ending in endings] == [Cancelled, Cancelled]
    assert [paint.job for paint in engine.paints] == ["j1"]


async def test_a_restart_that_hangs_is_aborted(engine: FakeEngine) -> None:
    """It may take longer than the previous start, but not far longer."""
    starts = 0

    @asynccontextmanager
    async def second_hangs() -> AsyncIterator[Endpoint]:
        nonlocal starts
        starts += 1
        if starts == 2:
            await asyncio.Event().wait()
        async with engine.launch() as endpoint:
            yield endpoint

    async with supervised_engine(second_hangs, start_seconds=0.1, sleep=short_sleep) as client:
        engine.die()
        await eventually(lambda: starts == 3)
        assert isinstance(await client.submit(paint(), ignore), Completed)


async def test_failed_restarts_become_rarer(engine: FakeEngine) -> None:
    """The delay doubles up to a minute."""
    time = ManualTime()
    async with supervised_engine(engine.launch, clock=time.clock, sleep=time.sleep):
        engine.start_error = "no memory"
        engine.die()
        delays = [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
        for count, delay in enumerate(delays, start=1):
            await eventually(lambda: time.pauses[1:] == delays[:count])  # noqa: B023 # called now
            await time.advance(delay)
    assert engine.failed_starts == len(delays)


async def test_a_silent_engine_is_replaced(engine: FakeEngine) -> None:
    """The job's caller gets EngineDied, after the longest time between two events."""
    engine.gate.clear()
    time = ManualTime()
    async with supervised_engine(engine.launch, clock=time.clock, sleep=time.sleep) as client:
        stepped = asyncio.Event()
        task = asyncio.create_task(client.submit(paint(), lambda _: stepped.set()))
        await stepped.wait()
        for _ in range(int(SILENCE_SECONDS)):
            await time.advance(1.0)
        assert client.status.is_connected and not task.done()
        await time.advance(1.0)
        with pytest.raises(EngineDied):
            await task
        await time.advance(1.0)
        await eventually(lambda: client.status.is_connected)
    assert engine.starts == 2


async def test_an_engine_that_makes_no_step_is_replaced(engine: FakeEngine) -> None:
    """It still sends heartbeats."""
    engine.gate.clear()
    time = ManualTime()
    async with supervised_engine(engine.launch, clock=time.clock, sleep=time.sleep) as client:
        stepped = asyncio.Event()
        task = asyncio.create_task(client.submit(paint(), lambda _: stepped.set()))
        await stepped.wait()
        for beat in range(1, int(SHORTEST_SECONDS / 2) + 1):
            await time.advance(1.0)
            await time.advance(1.0)
            engine.heartbeat = msgspec.structs.replace(engine.heartbeat, memory=beat)
            await engine.send_heartbeat()
            await eventually(lambda: client.status.heartbeat == engine.heartbeat)
        assert client.status.is_connected and not task.done()
        await time.advance(1.0)
        with pytest.raises(EngineDied):
            await task
