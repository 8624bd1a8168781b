"""Measure a cluster beside engines that are started by hand, with the same jobs in turn.

The engines and a cluster of as many replicas run at the same time, and are measured in turn, many
times, because a virtual machine is faster in one minute than in the next; the one that is not
measured has no jobs. Both are reached by the engine's protocol.
"""

import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from engine.bench.workloads import uniform
from engine.contract import (
    Capture,
    Completed,
    Event,
    Heartbeat,
    Hello,
    ImageDone,
    LastEvent,
    ModelCard,
    Paint,
    Ready,
    Rejected,
)
from engine.contract.wire import Connection, bot_side
from engine.device.sysinfo import available_cores
from engine.errors import EngineError

SIZES: Final = (1, 2)
"""Numbers of engines, and of replicas."""
ROUNDS: Final = 10
_SAME_ROUNDS: Final = 2
"""So many rounds are measured with the same processes: of two processes of one program, one may be
faster as long as it lives."""
_PEOPLE: Final = 4
"""For each engine: so many jobs of it are in flight."""
_JOBS: Final = 12
"""For each engine, in each round."""
_PICTURES: Final = 4
_SINGLE_JOBS: Final = 4
_ADDRESS: Final = "listening on "


class Sample(NamedTuple):
    """One measurement."""

    pictures_per_second: float
    """With `_PEOPLE` jobs of each engine in flight, whose previews are sent."""
    first_event: float
    """Median seconds from a job to its first event, without other jobs."""
    first_step: float
    """The same for the first step."""
    digests: frozenset[tuple[str, str]]
    """Ids and pixels of the pictures."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Engines that were started by hand, and a cluster of as many replicas."""

    replicas: int
    rounds: int
    engines_per_second: float
    """Pictures; the median of the rounds."""
    cluster_per_second: float
    ratio: float
    """The median of the rounds' ratios, cluster to engines."""
    first_event_delay: float
    """Milliseconds by which a job's first event comes later from the cluster; median of rounds."""
    first_step_delay: float
    """The same for its first step."""
    is_equal: bool
    """Whether all pictures had the same pixels."""


def machine() -> str:
    """What the engines run on."""
    return f"{available_cores()} cores"


def run(model: str | None, rounds: int) -> Iterator[Comparison]:
    """Compare for each of SIZES. Raises EngineError if an engine or a cluster does not start."""
    for size in SIZES:
        yield _compare(size, model or "starter", rounds)


def _compare(size: int, model: str, rounds: int) -> Comparison:
    pairs: list[tuple[Sample, Sample]] = []
    for first in range(0, rounds, _SAME_ROUNDS):
        pairs += asyncio.run(_measure(size, model, min(_SAME_ROUNDS, rounds - first)))
    cluster, engines = zip(*pairs, strict=True)
    return Comparison(
        replicas=size,
        rounds=rounds,
        engines_per_second=statistics.median(sample.pictures_per_second for sample in engines),
        cluster_per_second=statistics.median(sample.pictures_per_second for sample in cluster),
        ratio=statistics.median(a.pictures_per_second / b.pictures_per_second for a, b in pairs),
        first_event_delay=1000 * statistics.median(a.first_event - b.first_event for a, b in pairs),
        first_step_delay=1000 * statistics.median(a.first_step - b.first_step for a, b in pairs),
        is_equal=len({sample.digests for sample in (*cluster, *engines)}) == 1,
    )


class _Server(NamedTuple):
    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def _engine_commands(size: int, model: str) -> tuple[_Server, ...]:
    """As many engines, each with its share of the cores as a replica has."""
    threads = str(max(1, available_cores() // size))
    arguments = ("serve", "--port", "0", "--parent", "--model", model)
    return (_Server(arguments, {"OMP_NUM_THREADS": threads}),) * size


def _cluster_command(size: int, model: str) -> tuple[_Server, ...]:
    arguments = ("cluster", "up", "--parent", "--listen", "127.0.0.1:0")
    return (_Server((*arguments, "--replicas", str(size), "--model", model), {}),)


async def _measure(size: int, model: str, rounds: int) -> list[tuple[Sample, Sample]]:
    """For each round the sample of the cluster, and that of the engines."""
    cluster: list[Sample] = []
    engines: list[Sample] = []
    async with AsyncExitStack() as stack:

        async def connect(servers: tuple[_Server, ...]) -> list[_Client]:
            return [await stack.enter_async_context(_client(server)) for server in servers]

        pairs = (
            (await connect(_engine_commands(size, model)), engines),
            (await connect(_cluster_command(size, model)), cluster),
        )
        for clients, _ in pairs:  # batches that were never run before take longer
            await _sample(clients, size)
        for nth in range(rounds):
            for clients, samples in pairs if nth % 2 == 0 else reversed(pairs):
                samples.append(await _sample(clients, size))
    return list(zip(cluster, engines, strict=True))


async def _sample(clients: Sequence["_Client"], size: int) -> Sample:
    singles = [await clients[0].paint(job) for job in _jobs(clients[0].model, _SINGLE_JOBS)]
    started_at = time.monotonic()
    digests = await asyncio.gather(
        *(_load(client, nth, len(clients), size) for nth, client in enumerate(clients))
    )
    seconds = time.monotonic() - started_at
    pictures = frozenset(chain.from_iterable(digests))
    return Sample(
        pictures_per_second=len(pictures) / seconds,
        first_event=statistics.median(single.first_event for single in singles),
        first_step=statistics.median(single.first_step for single in singles),
        digests=pictures,
    )


async def _load(client: "_Client", nth: int, clients: int, size: int) -> list[tuple[str, str]]:
    """Keep the client's share of the jobs in flight; returns the pictures of all its jobs."""
    jobs = iter(_jobs(client.model, _JOBS * size)[nth::clients])
    pictures: list[tuple[str, str]] = []

    async def submit_each() -> None:
        for job in jobs:
            pictures.extend((await client.paint(job)).pictures)

    await asyncio.gather(*(submit_each() for _ in range(_PEOPLE * size // clients)))
    return pictures


def _jobs(model: ModelCard, count: int) -> list[Paint]:
    paints = [uniform(model, _PICTURES, nth).paint for nth in range(count)]
    return [msgspec.structs.replace(paint, capture=Capture()) for paint in paints]


class _Painted(NamedTuple):
    first_event: float
    first_step: float
    """Seconds since the submission."""
    pictures: list[tuple[str, str]]


class _Client:
    """Submits jobs on one connection; `listen` must be running."""

    def __init__(self, connection: Connection[Event], model: ModelCard) -> None:
        self.model = model
        self._connection = connection
        self._events: dict[str, asyncio.Queue[tuple[float, Event]]] = {}

    async def listen(self) -> None:
        """Sort the events by their jobs."""
        while (event := await self._connection.receive()) is not None:
            if not isinstance(event, Heartbeat) and hasattr(event, "job"):
                self._events[event.job].put_nowait((time.monotonic(), event))
        raise EngineError("The engine closed the connection.")

    async def paint(self, job: Paint) -> _Painted:
        """Have a job painted. Raises EngineError if it is not."""
        events = self._events[job.job] = asyncio.Queue()
        submitted_at = time.monotonic()
        await self._connection.send(job)
        times: list[tuple[float, str]] = []
        pictures = []
        while True:
            at, event = await events.get()
            times.append((at - submitted_at, type(event).__name__))
            if isinstance(event, ImageDone):
                pictures.append((f"{job.job}/{event.index}", event.image.sha256))
            if isinstance(event, LastEvent):
                break
        if not isinstance(event, Completed):
            raise EngineError(f"The pictures were not painted: {event}.")
        del self._events[job.job]
        first_step = next(at for at, kind in times if kind != "Queued")
        return _Painted(times[0][0], first_step, pictures)


@asynccontextmanager
async def _client(server: _Server) -> AsyncIterator[_Client]:
    token = secrets.token_urlsafe(32)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "engine", *server.arguments),
        env=os.environ | server.environment | {"IMAGINE_ENGINE_TOKEN": token},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        host, port = await _address(process)
        async with bot_side(*await asyncio.open_connection(host, port)) as connection:
            await connection.send(Hello(token))
            ready = await connection.receive()
            if not isinstance(ready, Ready):
                reason = ready.reason if isinstance(ready, Rejected) else "it is not ready"
                raise EngineError(f"The engine rejects the benchmark: {reason}")
            client = _Client(connection, ready.models[0])
            listening = asyncio.create_task(client.listen())
            yield client
            listening.cancel()
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> tuple[str, int]:
    if process.stdout is None:
        raise RuntimeError("The engine was started without pipes.")
    async for line in process.stdout:
        text = line.decode().strip()
        if text.startswith(_ADDRESS):
            host, _, port = text.removeprefix(_ADDRESS).rpartition(":")
            return host, int(port)
    raise EngineError("The engine did not start; start it by hand to read why.")


HEAD: Final = (
    f"{'replicas':10}{'rounds':8}{'engines/s':11}{'cluster/s':11}{'ratio':8}"
    f"{'first event +ms':17}{'first step +ms':16}equal pixels\n"
)


def line(result: Comparison) -> str:
    """One line of the table."""
    equal = "yes" if result.is_equal else "no"
    return (
        f"{result.replicas:<10}{result.rounds:<8}{result.engines_per_second:<11.2f}"
        f"{result.cluster_per_second:<11.2f}{result.ratio:<8.3f}"
        f"{result.first_event_delay:<17.1f}{result.first_step_delay:<16.1f}{equal}\n"
    )
