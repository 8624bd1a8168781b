"""A cluster of replica models in simulated time, whose replicas may die."""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from bot.engine_client.base import NO_FILES, EngineStatus, EventCallback
from engine.cluster.placement import JobNeeds, ReplicaLoad, place
from engine.contract import (
    NO_TEXT_MODELS,
    Backlog,
    Ending,
    ImageDone,
    JobEvent,
    ModelCard,
    Paint,
    TextModelCards,
    UpscalerCard,
)
from engine.core.batching import BatchKey
from tests.fake_engine import MODEL
from tests.replica_model import ReplicaModel

RECOVERY_SECONDS: Final = 11.0
"""From the death of a replica to the next one in its place."""
_MODELS: Final = frozenset({MODEL.name})
"""Those of all jobs, which are always warm."""
_FINGERPRINTS: Final = {MODEL.name: "simulated"}


@dataclass(frozen=True, kw_only=True)
class Deaths:
    """How often replicas die; the times between two deaths are exponentially distributed."""

    mean_seconds: float
    """Of the life of one replica."""
    recovery_seconds: float = RECOVERY_SECONDS
    seed: int = 0


class _Pending(NamedTuple):
    """A job that has no replica yet."""

    paint: Paint
    on_event: EventCallback
    placed: asyncio.Future[asyncio.Future[Ending]]
    """Its result is the future of the ending at the replica."""


class SimulatedCluster:
    """An EngineClient for many replicas. `run` must be running."""

    def __init__(
        self,
        replicas: int,
        seconds: Callable[[BatchKey], float],
        deaths: Deaths | None = None,
    ) -> None:
        """`seconds` are those of a pass of a batch of this key."""
        self.replicas = [
            ReplicaModel(f"r{number}", seconds, self._start_waiting) for number in range(replicas)
        ]
        self.first_pictures: dict[str, float] = {}
        """When the first picture of each job was finished, by its id."""
        self.interrupted = 0
        """Attempts that were ended by the death of a replica."""
        self._deaths = deaths
        self._waiting: list[_Pending] = []
        """Jobs without a replica, the oldest first."""
        self._by_name = {replica.name: replica for replica in self.replicas}
        self._reserved: dict[ReplicaModel, _Pending] = {}
        """The replicas that run a job alone, or will when they are idle, with that job."""
        self._listeners: list[Callable[[], None]] = []

    @property
    def models(self) -> tuple[ModelCard, ...]:
        """A card for pictures of any size."""
        return (MODEL,)

    @property
    def model(self) -> ModelCard:
        """The same."""
        return MODEL

    @property
    def can_film(self) -> bool:
        """It makes none."""
        return False

    @property
    def text_models(self) -> TextModelCards:
        """None."""
        return NO_TEXT_MODELS

    @property
    def upscalers(self) -> tuple[UpscalerCard, ...]:
        """None is installed."""
        return ()

    @property
    def status(self) -> EngineStatus:
        """Always connected: the gateway does not die."""
        alive = len(self._alive)
        return EngineStatus(is_connected=True, restarts=0, heartbeat=None, replicas=alive)

    @property
    def busy_seconds(self) -> float:
        """Spent in passes, of all replicas."""
        return sum(replica.busy_seconds for replica in self.replicas)

    async def submit(
        self, paint: Paint, on_event: EventCallback, files: Mapping[str, bytes] = NO_FILES
    ) -> Ending:
        """Run a job on a replica, after waiting for one, and return its ending."""
        loop = asyncio.get_running_loop()

        def watch(event: JobEvent) -> None:
            if isinstance(event, ImageDone):
                self.first_pictures.setdefault(paint.job, loop.time())
            on_event(event)

        pending = _Pending(paint, watch, loop.create_future())
        self._waiting.append(pending)
        self._start_waiting()
        ending = await pending.placed
        return await ending

    async def cancel(self, job: str, attempt: int) -> None:
        """Not simulated."""
        raise NotImplementedError

    async def report_backlog(self, backlog: Backlog) -> None:
        """Nothing: the number of replicas is fixed."""

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a replica dies or returns."""
        self._listeners.append(listener)

    async def run(self) -> None:
        """Let replicas die and return, until cancelled."""
        if self._deaths is None:
            await asyncio.Event().wait()
            return
        rng = random.Random(self._deaths.seed)
        async with asyncio.TaskGroup() as group:
            for replica in self.replicas:
                group.create_task(self._live(replica, self._deaths, random.Random(rng.random())))

    async def _live(self, replica: ReplicaModel, deaths: Deaths, rng: random.Random) -> None:
        while True:
            await asyncio.sleep(rng.expovariate(1 / deaths.mean_seconds))
            self.interrupted += replica.jobs
            replica.die()
            reserved = self._reserved.pop(replica, None)
            if reserved is not None and not reserved.placed.done():
                self._waiting.insert(0, reserved)
                self._start_waiting()
            self._notify()
            await asyncio.sleep(deaths.recovery_seconds)
            replica.recover()
            self._notify()

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    def _start_waiting(self) -> None:
        """Send jobs to replicas in the order of their arrival, as the cluster's gateway does."""
        for replica, reserved in list(self._reserved.items()):
            if replica.is_alive and not replica.jobs:
                self._send(reserved, replica)
        for pending in list(self._waiting):
            job = JobNeeds(_MODELS, len(pending.paint.recipes), pending.paint.is_alone)
            place_of_job = place(job, [self._load(replica) for replica in self._alive])
            if place_of_job is None:
                if not job.is_alone:
                    break
                continue
            self._waiting.remove(pending)
            replica = self._by_name[place_of_job.replica]
            if job.is_alone:
                self._reserved[replica] = pending
            if place_of_job.starts_now:
                self._send(pending, replica)

    def _send(self, pending: _Pending, replica: ReplicaModel) -> None:
        if not pending.placed.done():  # it may have been sent, or cancelled
            ending = replica.submit(pending.paint, pending.on_event)
            pending.placed.set_result(ending)
            if pending.paint.is_alone:
                ending.add_done_callback(lambda _: self._reserved.pop(replica, None))

    def _load(self, replica: ReplicaModel) -> ReplicaLoad:
        return ReplicaLoad(
            replica.name,
            _FINGERPRINTS,
            _MODELS,
            replica.jobs,
            replica.load,
            replica in self._reserved,
        )

    @property
    def _alive(self) -> list[ReplicaModel]:
        return [replica for replica in self.replicas if replica.is_alive]
