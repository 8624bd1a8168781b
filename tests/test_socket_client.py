"""The bot's end of the wire, against real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.engine_client.base import EngineClient, EngineDied
from bot.engine_client.socket_client import Endpoint
from bot.engine_client.supervisor import supervised_engine
from bot.errors import ExitCode, FatalError
from engine.contract import Cancelled, Failed, Paint, Painted, Queued, Stepped
from tests.fake_engine import MODEL, FakeEngine
from tests.house import eventually
from tests.samples import recipe


@pytest.fixture
async def client(engine: FakeEngine) -> AsyncIterator[EngineClient]:
    """A client that is being watched."""
    async with supervised_engine(engine.launch) as client:
        yield client


def order(job: str = "j1", attempt: int = 1) -> Paint:
    """A job of two pictures."""
    return Paint(job=job, attempt=attempt, recipes=(recipe(seed=1), recipe(seed=2)))


def ignore(_: Queued | Stepped) -> None:
    """Who does not care for progress."""


async def test_a_job_comes_back_painted(client: EngineClient) -> None:
    """With one event for each step before."""
    seen: list[Queued | Stepped] = []
    ending = await client.submit(order(), seen.append)
    assert isinstance(ending, Painted) and len(ending.pictures) == 2
    assert [event.step for event in seen if isinstance(event, Stepped)] == [1, 2, 3, 4]
    assert client.model == MODEL


async def test_a_failure_is_an_ending_too(client: EngineClient, engine: FakeEngine) -> None:
    """With the engine's reason."""
    engine.failure = "Out of memory."
    ending = await client.submit(order(), ignore)
    assert ending == Failed(job="j1", attempt=1, reason="Out of memory.")


async def test_jobs_do_not_mix(client: EngineClient) -> None:
    """Each of many gets its own ending."""
    endings = await asyncio.gather(*(client.submit(order(f"j{n}"), ignore) for n in range(8)))
    assert [ending.job for ending in endings] == [f"j{n}" for n in range(8)]


async def test_a_job_can_be_cancelled(client: EngineClient, engine: FakeEngine) -> None:
    """It ends, and the engine knows."""
    engine.gate.clear()
    painting = asyncio.create_task(client.submit(order(), ignore))
    await eventually(lambda: engine.paints)
    await client.cancel("j1", 1)
    assert await painting == Cancelled(job="j1", attempt=1, engine_seconds=0.05)


async def test_cancelling_what_is_not_there_is_no_error(
    client: EngineClient, engine: FakeEngine
) -> None:
    """And is not sent."""
    await client.cancel("j9", 1)
    assert engine.cancels == []


async def test_a_dying_engine_loses_the_job_and_comes_back(
    client: EngineClient, engine: FakeEngine
) -> None:
    """The job's caller hears of it; the next job is painted by a new engine."""
    engine.gate.clear()
    painting = asyncio.create_task(client.submit(order(), ignore))
    await eventually(lambda: engine.paints)
    engine.die()
    with pytest.raises(EngineDied):
        await painting
    engine.gate.set()
    assert isinstance(await client.submit(order(attempt=2), ignore), Painted)
    assert engine.starts == 2


async def test_an_engine_that_does_not_come_back_is_tried_again(
    client: EngineClient, engine: FakeEngine
) -> None:
    """Jobs wait meanwhile."""
    engine.start_error = "no memory"
    engine.die()
    await asyncio.sleep(0.2)
    painting = asyncio.create_task(client.submit(order(), ignore))
    await asyncio.sleep(0.5)
    assert not painting.done()
    engine.start_error = None
    assert isinstance(await painting, Painted)


async def test_an_engine_that_never_starts_is_one_sentence(engine: FakeEngine) -> None:
    """With the engine's own last words."""
    engine.start_error = "There is no model here."
    with pytest.raises(FatalError, match="did not start: There is no model here") as caught:
        async with supervised_engine(engine.launch):
            pass
    assert caught.value.exit is ExitCode.ENGINE_FAILED


async def test_an_engine_that_rejects_us_is_one_sentence(engine: FakeEngine) -> None:
    """Its reason is in it."""

    @asynccontextmanager
    async def stranger() -> AsyncIterator[Endpoint]:
        async with engine.launch() as endpoint:
            yield Endpoint(endpoint.host, endpoint.port, "another secret")

    with pytest.raises(FatalError, match="Who are you"):
        async with supervised_engine(stranger):
            pass


async def test_junk_on_the_wire_ends_that_engine(client: EngineClient, engine: FakeEngine) -> None:
    """It is started again."""
    for writer in engine.writers:
        writer.write(b"\xff\xff\xff\xff")
    await eventually(lambda: engine.starts == 2)
    assert isinstance(await client.submit(order(), ignore), Painted)


async def test_a_job_can_be_cancelled_while_there_is_no_engine(
    client: EngineClient, engine: FakeEngine
) -> None:
    """It ends when an engine is back, which never hears of it."""
    engine.start_error = "no memory"
    engine.die()
    await asyncio.sleep(0.2)
    painting = asyncio.create_task(client.submit(order(), ignore))
    await asyncio.sleep(0.1)
    await client.cancel("j1", 1)
    engine.start_error = None
    assert await painting == Cancelled(job="j1", attempt=1)
    assert engine.paints == []


async def test_an_engine_that_never_gets_ready_is_given_up(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes far longer than the one before, so the next one is tried."""
    monkeypatch.setattr("bot.engine_client.supervisor.SHORTEST_SECONDS", 0.3)
    begun = 0

    @asynccontextmanager
    async def second_hangs() -> AsyncIterator[Endpoint]:
        nonlocal begun
        begun += 1
        if begun == 2:
            await asyncio.Event().wait()
        async with engine.launch() as endpoint:
            yield endpoint

    async with supervised_engine(second_hangs) as client:
        engine.die()
        await eventually(lambda: begun == 3)
        assert isinstance(await client.submit(order(), ignore), Painted)
