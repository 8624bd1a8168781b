"""The engine's protocol as the bot uses it; the fake and the real engine pass the same tests."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import msgspec
import pytest
import pytest_asyncio

from bot.engine_client.base import EngineClient, EngineDied
from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import Endpoint, SocketEngineClient
from bot.engine_client.supervisor import Launch, supervised_engine
from engine.contract import Cancelled, Paint, Painted, Queued, Stepped
from tests import tiny_model
from tests.bot_harness import eventually
from tests.fake_engine import FakeEngine
from tests.samples import recipe

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


class Subject(NamedTuple):
    """An engine under test."""

    client: EngineClient
    endpoint: Endpoint
    fake: FakeEngine | None


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", "real"])
async def subject(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Subject]:
    """The fake engine, then an engine process with a tiny model."""
    fake = FakeEngine() if request.param == "fake" else None
    if fake is None:
        model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")
        launch: Launch = partial(spawn_engine, {**os.environ, "IMAGINE_MODEL": str(model)})
    else:
        launch = fake.launch
    endpoints: list[Endpoint] = []

    @asynccontextmanager
    async def noting_endpoint() -> AsyncIterator[Endpoint]:
        async with launch() as endpoint:
            endpoints.append(endpoint)
            yield endpoint

    async with supervised_engine(noting_endpoint) as client:
        yield Subject(client, endpoints[0], fake)


def paint(subject: Subject, job_id: str, *seeds: int, steps: int = 4) -> Paint:
    """A job of one picture for each seed."""
    model = subject.client.model
    recipes = [
        recipe(seed=seed, steps=steps, model=model.name, revision=model.revision) for seed in seeds
    ]
    return Paint(job=job_id, attempt=1, recipes=tuple(recipes))


async def pictures(subject: Subject, job_id: str, *seeds: int) -> list[str]:
    """The digests of a finished job's pictures."""
    ending = await subject.client.submit(paint(subject, job_id, *seeds), lambda _: None)
    assert isinstance(ending, Painted), ending
    return [image.sha256 for image in ending.pictures]


async def test_a_job_ends_with_its_pictures(subject: Subject) -> None:
    """Each recipe has a picture with the digest of its PNG file, and step numbers increase."""
    events: list[Queued | Stepped] = []
    ending = await subject.client.submit(paint(subject, "a", 1, 2), events.append)
    assert isinstance(ending, Painted)
    assert len(ending.pictures) == 2
    for image in ending.pictures:
        assert image.png.startswith(b"\x89PNG")
        assert hashlib.sha256(image.png).hexdigest() == image.sha256
        assert image.fingerprint and image.verdicts
    steps = [event.step for event in events if isinstance(event, Stepped)]
    assert steps == sorted(set(steps))
    assert steps[-1] <= 4
    assert ending.engine_seconds > 0


async def test_the_seed_determines_the_picture(subject: Subject) -> None:
    """Equal recipes give equal bits, alone and in a job with other recipes."""
    alone = await pictures(subject, "b1", 1)
    beside, different = await pictures(subject, "b2", 1, 2)
    assert alone == [beside] != [different]


async def test_concurrent_jobs_have_their_own_endings(subject: Subject) -> None:
    """Each caller receives the ending of its job."""
    jobs = [paint(subject, f"c{seed}", seed) for seed in range(4)]
    endings = await asyncio.gather(*(subject.client.submit(job, lambda _: None) for job in jobs))
    assert [ending.job for ending in endings] == [job.job for job in jobs]
    assert all(isinstance(ending, Painted) for ending in endings)


async def test_a_running_job_can_be_cancelled(subject: Subject) -> None:
    """The job ends with Cancelled, and the next job runs."""
    started = asyncio.Event()
    if subject.fake is not None:
        subject.fake.gate.clear()
    long = paint(subject, "d1", 1, steps=150)
    task = asyncio.create_task(subject.client.submit(long, lambda _: started.set()))
    await started.wait()
    await subject.client.cancel("d1", 1)
    ending = await task
    assert isinstance(ending, Cancelled)
    assert ending.engine_seconds >= 0
    if subject.fake is not None:
        subject.fake.gate.set()
    assert await pictures(subject, "d2", 1)


async def test_cancelling_an_unknown_job_is_ignored(subject: Subject) -> None:
    """The connection stays open."""
    await subject.client.cancel("nothing", 1)
    assert subject.client.status.is_connected
    assert await pictures(subject, "e", 1)


async def test_a_wrong_token_is_rejected(subject: Subject) -> None:
    """Connecting fails with the engine's reason; other connections continue."""
    endpoint = msgspec.structs.replace(subject.endpoint, token="wrong")  # noqa: S106 # that is the test
    with pytest.raises(EngineDied):
        async with SocketEngineClient().connect(endpoint):
            pass
    assert await pictures(subject, "f", 1)


async def test_the_status_has_the_newest_heartbeat(subject: Subject) -> None:
    """A heartbeat arrives soon after the connection is made."""
    await eventually(lambda: subject.client.status.heartbeat is not None)
    assert subject.client.status.restarts == 0
