"""A real cluster on loopback: two nodes, a replica on each, one gateway, and a bot.

All tests share it, and each leaves two replicas that accept jobs.
"""

import asyncio
import random
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
import pytest_asyncio

from bot.engine_client.process import spawn_engine
from bot.engine_client.socket_client import Endpoint
from bot.playground import Playground
from engine.contract import (
    Cancel,
    Cancelled,
    Completed,
    Event,
    LastEvent,
    ModelCard,
    Paint,
    Stepped,
)
from engine.contract.wire import Connection
from engine.errors import ExitCode
from tests import test_engine_contract as contract
from tests import test_engine_contract_films as contract_of_films
from tests import test_engine_contract_jobs as contract_of_jobs
from tests import tiny_model
from tests.bot_harness import query
from tests.bot_process import BotProcess
from tests.cluster import Cluster, Finished, Monitor, client_of, monitored, needs_ray, until
from tests.cluster_kills import KILLS
from tests.cluster_load import bot_of, load_on
from tests.engine_wire import connect_authenticated, job, paint, wait_for

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
    needs_ray,
]
JOBS = 1000
SETTLED_JOBS = 300
"""After so many, memory has its final size."""
IN_FLIGHT = 48
MAX_GROWTH = 30 * 2**20
"""Bytes by which a process may grow in the other jobs."""


DEPLOY = ("deploy", "--replicas", "2", "--listen")


class RaySubject(NamedTuple):
    """The cluster, for tests of the engine's protocol that do not hold it."""

    endpoint: Endpoint
    model: ModelCard


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """The cluster of all tests."""
    model = tiny_model.save(tmp_path_factory.mktemp("tiny") / "model")
    async with Cluster(tmp_path_factory.mktemp("cluster"), model) as cluster:
        yield cluster


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def refused(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[asyncio.Task[Finished]]:
    """A node with another token, which Ray refuses after 20 s; the other tests do not wait."""
    state = tmp_path_factory.mktemp("refused") / "cluster.json"
    up = cluster.run(
        *("up", "--join", cluster.state["ray_address"]),
        IMAGINE_ENGINE_TOKEN="another",  # noqa: S106 # that is the test
        IMAGINE_CLUSTER_STATE=str(state),
    )
    task = asyncio.create_task(up)
    yield task
    await asyncio.gather(task, return_exceptions=True)


@pytest_asyncio.fixture(loop_scope="module")
async def monitor(cluster: Cluster) -> AsyncIterator[Monitor]:
    """Its heartbeats."""
    async with monitored(cluster) as monitor:
        yield monitor


@pytest_asyncio.fixture(loop_scope="module")
async def subject(cluster: Cluster) -> RaySubject:
    """The cluster, for the tests of the protocol."""
    async with client_of(cluster.endpoint) as client:
        return RaySubject(cluster.endpoint, client.model)


@pytest_asyncio.fixture(loop_scope="module")
async def events(cluster: Cluster) -> AsyncIterator[Connection[Event]]:
    """A connection that has received Ready."""
    async with connect_authenticated(cluster.endpoint) as connection:
        yield connection


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[BotProcess]:
    """One bot for all tests."""
    async with Playground(port=0, identify_interval=0) as discord:
        bot = bot_of(cluster, discord, tmp_path_factory.mktemp("data"))
        await bot.start()
        yield bot
        assert await bot.stop() == 0


# The tests of the protocol that do not hold the engine; test_engine_contract.py and its sisters run
# all of them with the gateway and a replica in one process.

test_ready = contract.test_ready_describes_the_model
test_token = contract.test_a_connection_without_the_token_is_rejected
test_version = contract.test_another_version_is_rejected
test_second_hello = contract.test_a_second_hello_is_rejected
test_large_first_frame = contract.test_a_large_first_frame_is_rejected
test_rejection = contract.test_the_client_has_the_reason_of_a_rejection
test_bad_first_frame = contract.test_a_bad_first_frame_is_rejected
test_bad_frame = contract.test_a_bad_frame_ends_its_connection_only
test_jobs_at_the_same_time = contract.test_jobs_run_at_the_same_time
test_own_jobs = contract.test_connections_have_their_own_jobs
test_repeated_job = contract.test_a_job_may_be_repeated_after_its_ending
test_pictures = contract_of_jobs.test_a_job_ends_with_its_pictures
test_recipe = contract_of_jobs.test_the_recipe_determines_the_picture
test_row_class = contract_of_jobs.test_the_engine_may_choose_the_row_class
test_impossible_job = contract_of_jobs.test_an_impossible_job_fails
test_invalid_sketch = contract_of_jobs.test_an_invalid_sketch_fails
test_sketch = contract_of_jobs.test_a_sketch_is_painted_over
test_many_pictures = contract_of_jobs.test_a_job_may_have_many_pictures
test_input = contract_of_jobs.test_an_input_is_sent_before_the_job_that_lists_it
test_other_input = contract_of_jobs.test_an_input_of_another_connection_is_not_used
test_client_inputs = contract_of_jobs.test_the_client_sends_inputs_with_each_job
test_film = contract_of_films.test_a_film_follows_its_picture


# What a cluster shows of itself


async def test_each_node_has_a_replica(cluster: Cluster, monitor: Monitor) -> None:
    """Heartbeats have the processes, and `status` has the same."""
    assert [cluster.is_on_second(replica) for replica in monitor.replicas].count(True) == 1
    assert all(psutil.pid_exists(replica.pid) for replica in monitor.replicas)
    status = await cluster.status()
    pids = {replica["pid"] for replica in status["replicas"]}
    assert pids == {replica.pid for replica in monitor.replicas}


async def painted_by(
    endpoint: Endpoint, jobs: list[Paint]
) -> tuple[list[Event], dict[str, set[str]]]:
    """The endings of jobs that are submitted at the same time, and the pixels of each seed."""
    digests: dict[str, set[str]] = {}
    async with client_of(endpoint) as client:
        for a_job in jobs:
            for recipe in a_job.recipes:
                digests[str(recipe.seed)] = set()

        async def submit(a_job: Paint) -> Event:
            def on_event(event: Event) -> None:
                if image := getattr(event, "image", None):
                    seed = a_job.recipes[event.index].seed  # type: ignore[union-attr]
                    digests[str(seed)].add(image.sha256)

            return await client.submit(a_job, on_event)

        endings = await asyncio.gather(*(submit(a_job) for a_job in jobs))
    return list(endings), digests


async def test_replicas_refuse_calls_without_the_token(monitor: Monitor) -> None:
    """The gateway calls them by a port of their own, which other machines reach too."""
    import grpc

    for replica in monitor.replicas:
        codes = set()
        for connection in psutil.Process(replica.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                address = f"127.0.0.1:{connection.laddr.port}"
                async with grpc.aio.insecure_channel(address) as channel:
                    call = channel.unary_unary("/ray.serve.ASGIService/HandleRequest")
                    with pytest.raises(grpc.aio.AioRpcError) as raised:
                        await call(b"")
                    codes.add(raised.value.code())
        assert grpc.StatusCode.UNAUTHENTICATED in codes
        assert codes <= {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED}


async def test_replicas_and_the_socket_engine_paint_equal_pixels(
    cluster: Cluster, monitor: Monitor, subject: RaySubject
) -> None:
    """Many jobs of the same recipes are painted by both replicas, and by an engine without Ray."""
    before = monitor.ticks
    jobs = [job(subject, f"job {nth}", 1, 2, steps=20) for nth in range(40)]
    endings, digests = await painted_by(cluster.endpoint, jobs)
    assert all(isinstance(ending, Completed) for ending in endings)
    await until(
        lambda: sum(count > before[pid] for pid, count in monitor.ticks.items()) == 2,
        "both replicas have painted",
    )
    variables = cluster.variables | {"OMP_NUM_THREADS": "1"}  # as many as a node has cores
    async with spawn_engine(variables) as endpoint:
        _, expected = await painted_by(endpoint, jobs[:1])
    assert digests == expected
    assert [len(pixels) for pixels in digests.values()] == [1, 1]


async def test_a_cancelled_job_frees_its_rows(
    monitor: Monitor, subject: RaySubject, events: Connection[Event]
) -> None:
    """The replica completes no more forward passes for it."""
    await monitor.next_heartbeat()
    before = sum(monitor.ticks.values())
    await events.send(job(subject, "long", steps=150, width=128, height=128))
    await wait_for(events, Stepped, "long")
    await events.send(Cancel(job="long", attempt=1))
    ending = await wait_for(events, Cancelled, "long")
    assert ending.engine_seconds > 0
    await monitor.next_heartbeat()  # may have been sent before the ending
    heartbeat = await monitor.next_heartbeat()
    ticks = sum(monitor.ticks.values())
    assert heartbeat.painting == 0
    assert 0 < ticks - before < 100
    await monitor.next_heartbeat()
    await monitor.next_heartbeat()
    assert sum(monitor.ticks.values()) == ticks
    assert await paint(events, job(subject))


async def test_many_jobs_end_once_and_memory_is_flat(
    cluster: Cluster,
    monitor: Monitor,
    subject: RaySubject,
    record_property: Callable[[str, object], None],
) -> None:
    """Both replicas take part; the gateway and the client do not grow."""
    before = monitor.ticks
    last_events: Counter[str] = Counter()
    own, gateway = psutil.Process(), psutil.Process((await cluster.status())["pid"])
    sizes: dict[int, tuple[int, int]] = {}

    def on_event(event: Event) -> None:
        if isinstance(event, LastEvent):
            assert isinstance(event, Completed), event
            last_events[event.job] += 1
            if len(last_events) in (SETTLED_JOBS, JOBS):
                sizes[len(last_events)] = (own.memory_info().rss, gateway.memory_info().rss)

    async with client_of(cluster.endpoint, on_event) as client:
        names = iter(f"job {nth}" for nth in range(JOBS))

        async def submit_each() -> None:
            for nth, name in enumerate(names):
                await client.submit(job(subject, name, nth, steps=1), lambda _: None)

        await asyncio.gather(*(submit_each() for _ in range(IN_FLIGHT)))
        await monitor.next_heartbeat()
    assert last_events == Counter(f"job {nth}" for nth in range(JOBS))
    assert all(count > before[pid] for pid, count in monitor.ticks.items())
    for name, then, now in zip(
        ("client", "gateway"), sizes[SETTLED_JOBS], sizes[JOBS], strict=True
    ):
        record_property(f"growth of the {name} in MiB", (now - then) / 2**20)
        assert now - then < MAX_GROWTH, name


# Under load


@pytest.mark.parametrize("victim", KILLS)
async def test_a_kill_costs_no_job(
    cluster: Cluster,
    bot: BotProcess,
    monitor: Monitor,
    victim: str,
    record_property: Callable[[str, object], None],
) -> None:
    """A replica, a node or the controller: every job ends once, with its pictures, and the
    connection of the gateway stays."""
    seed = random.randrange(2**32)
    record_property("seed", seed)
    random.seed(seed)
    connections, crashes = monitor.connections, crashes_of(bot)
    async with load_on(bot):
        await monitor.until_both_paint()
        await asyncio.sleep(random.uniform(0.2, 2.0))
        record_property("recovery in s", await KILLS[victim](cluster, monitor))
    assert monitor.connections == connections
    if victim == "controller":
        assert crashes_of(bot) == crashes
    else:
        assert query(bot.data, "SELECT max(crashes) FROM jobs")[0][0] == 1


def crashes_of(bot: BotProcess) -> int:
    """The crashes of all jobs."""
    return int(query(bot.data, "SELECT coalesce(sum(crashes), 0) FROM jobs")[0][0])


async def test_a_rolling_redeploy_fails_no_job(
    cluster: Cluster, bot: BotProcess, monitor: Monitor
) -> None:
    """New replicas take over; the old ones finish their jobs, and the connection stays."""
    async with load_on(bot):
        await monitor.until_both_paint()
        connections, crashes = monitor.connections, crashes_of(bot)
        old = [replica.pid for replica in monitor.replicas]
        await cluster.deploy(IMAGINE_PREVIEW_SHARE="0.1")
        await monitor.until_both_paint(*old)
    assert (monitor.connections, crashes_of(bot)) == (connections, crashes)
    await until(lambda: not any(map(psutil.pid_exists, old)), "the old replicas have ended")


# Bad input


async def test_a_deployment_without_its_means_changes_nothing(
    cluster: Cluster, monitor: Monitor
) -> None:
    """Without GPUs, or with a port that another program has."""
    before = monitor.ticks.keys()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = f"127.0.0.1:{listener.getsockname()[1]}"
        finished = await cluster.run(*DEPLOY, "127.0.0.1:0", "--gpus")
        assert "the cluster has no GPUs" in finished.reason
        assert finished.code == ExitCode.TOO_FEW_RESOURCES
        finished = await cluster.run(*DEPLOY, port)
        assert f"{port} is not available" in finished.reason
        assert finished.code == ExitCode.PORT_IN_USE
    await monitor.next_heartbeat()
    assert monitor.ticks.keys() == before


async def test_a_model_without_memory_is_named(
    cluster: Cluster, monitor: Monitor, subject: RaySubject, tmp_path: Path
) -> None:
    """The reason is that of the replica's engine. Jobs are painted meanwhile, and the replica that
    Serve had stopped for it is started again."""
    large = str(tiny_model.save_too_large(tmp_path / "large"))
    finished = await cluster.run(*DEPLOY, "127.0.0.1:0", "--model", large)
    assert f"too little memory for the model {large}: its weights take" in finished.reason
    assert finished.reason.endswith("The earlier replicas run again.")
    assert finished.code == ExitCode.FAILED
    async with connect_authenticated(cluster.endpoint) as events:
        assert await paint(events, job(subject))
        await until(lambda: len(monitor.replicas) == 2, "there are two replicas")
        assert await paint(events, job(subject, "b"))


async def test_a_node_with_another_token_does_not_join(refused: asyncio.Task[Finished]) -> None:
    """It says so, and ends."""
    finished = await refused
    assert "the cluster has another token" in finished.reason
    assert finished.code == ExitCode.FAILED
