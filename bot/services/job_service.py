"""The story of a job: accept, record, dispatch, deliver. It knows neither Discord nor SQL.

1. `submit`, `reroll` or `vary` checks a request and records it as an accepted job.
2. Once the person is answered, `begin` has the sketch fetched and cleaned, and queues the job.
3. `dispatch` claims the fairest next job, as a new attempt, and has it painted.
4. The engine's progress goes to the courier; each job ends exactly once.
5. Pictures go to disk, then into the record together with the status.
6. The courier shows the ending, again and again until it is seen; then the job is delivered.
"""

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

from bot.db.database import RecordTrouble, insist
from bot.db.guild_settings import NsfwLevels
from bot.db.jobs import Ledger
from bot.domain import nsfw, rules
from bot.domain.job import Job, Kind, Origin, Progress, Sketch, Status
from bot.domain.kinds import reroll, variation
from bot.domain.kinds.imagine import SKETCH_STRENGTH, Ask, draft
from bot.domain.limits import LIMITS, Limits
from bot.domain.picture import Picture, job_of
from bot.domain.visibility import showing
from bot.engine_client.base import EngineClient
from bot.errors import FatalError, Refused
from bot.services.admission import AdmissionPolicy
from bot.services.job_runner import JobRunner
from bot.services.outbox import Notifier, Outbox
from bot.services.quota_service import QuotaService
from bot.services.scheduler import JobScheduler
from engine.contract import SEED_LIMIT, Recipe
from engine.log import log_context

_RETRY_SECONDS: Final = 5.0
_UNFORESEEN: Final = "Something went wrong inside the bot; its log says what."
log = logging.getLogger(__name__)


class JobService:
    """Use as `async with`; inside, after `resume`, `dispatch` must be running."""

    def __init__(
        self,
        ledger: Ledger,
        levels: NsfwLevels,
        engine: EngineClient,
        turns: JobScheduler,
        allowance: QuotaService,
        gate: AdmissionPolicy,
        workshop: JobRunner,
        outbox: Outbox,
        courier: Notifier,
        *,
        limits: Limits = LIMITS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._engine = engine
        self._levels = levels
        self._courier = courier
        self.limits = limits
        """Of everybody; roles may have others."""
        self._gate = gate
        self._clock = clock
        self._turns = turns
        self._allowance = allowance
        self._accepting = asyncio.Lock()
        self._outbox = outbox
        self._workshop = workshop
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._unanswered: set[str] = set()
        """Jobs whose first answer is on its way; whoever stops one leaves its ending to it."""
        self._closing = False
        self._damage: FatalError | None = None
        engine.subscribe(self._wake.set)

    async def __aenter__(self) -> "JobService":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Requests: each records a job and returns it, or None if the same was asked before

    async def submit(self, ask: Ask, sketch_url: str | None, origin: Origin) -> Job | None:
        """What a person typed. Raises Refused, in words for the person."""
        drafts = draft(ask, self._engine.model, seed=_seed(), sketched=sketch_url is not None)
        sketch = None
        if sketch_url is not None:
            strength = SKETCH_STRENGTH if ask.strength is None else ask.strength
            sketch = Sketch(url=sketch_url, strength=strength, keep_size=ask.aspect is not None)
        return await self._accept(Kind.IMAGINE, drafts, origin, sketch=sketch)

    async def reroll(self, job: Job, origin: Origin) -> Job | None:
        """Everything again but the seed; of variations, new variations of the same pictures."""
        if job.kind is Kind.VARIATION:
            parents = [await self._parent(name) for name in job.parents]
            return await self.vary([parent for parent in parents if parent], origin)
        rules.check_kept(await self._ledger.pictures(job.id))
        again = reroll.reroll(job.recipes, self._engine.model, seed=_seed())
        return await self._accept(Kind.REROLL, again, origin)

    async def _parent(self, name: str) -> Picture | None:
        parent = await self._ledger.job(job_of(name))
        if parent is not None and parent.erased is not None:
            raise Refused(f"These are variations of another picture. {parent.erased.words}")
        return await self._ledger.picture(name)

    async def vary(self, parents: Sequence[Picture], origin: Origin) -> Job | None:
        """Four variations of one picture, or one of each of several."""
        rules.check_kept(parents)
        seen = showing(parents, await self._level(origin)).pictures
        if len(seen) == 1:
            rules.check_shown(seen[0])
        shown = [parent for parent in seen if parent.absence is None]
        if not shown:
            raise Refused("There are no pictures here to make variations of.")
        varied = variation.vary(
            [parent.recipe for parent in shown], self._engine.model, chance=_seed()
        )
        names = tuple(parent.id for parent in shown)
        return await self._accept(Kind.VARIATION, varied, origin, parents=names)

    async def _accept(
        self,
        kind: Kind,
        wanted: tuple[Recipe, ...],
        origin: Origin,
        *,
        parents: tuple[str, ...] = (),
        sketch: Sketch | None = None,
    ) -> Job | None:
        if self._closing:
            raise Refused("I am being restarted. Please ask again in a minute.")
        if await self._ledger.is_known(origin.request):
            return None
        await self._gate.check_prompts(wanted, origin)
        rules.check_model(wanted[0], self._engine.model)
        async with self._accepting:  # whoever asks for much at once is counted one by one
            limits = await self._allowance.check(origin)
            job = Job(
                id=uuid.uuid4().hex[:16],
                request=origin.request,
                kind=kind,
                person=origin.person,
                address=origin.address,
                recipes=wanted,
                parents=parents,
                sketch=sketch,
                reveal=await self._level(origin) is not nsfw.Level.BLOCK,
                created_at=self._clock(),
                seats=limits.running,
            )
            if not await self._ledger.add(job):
                return None
            self._unanswered.add(job.id)  # before anybody else can find it in the record
            return job

    async def _level(self, origin: Origin) -> nsfw.Level:
        """What becomes of flagged pictures where this is asked for."""
        return nsfw.level(origin.place, await self._levels.of(origin.place.server))

    # After the first answer

    def start(self, job: Job) -> None:
        """The person has been answered: get the job ready and queue it."""
        self._courier.show(job, Progress())
        self._spawn(job.id, self._prepare(job))

    async def resume_unacknowledged(self, job: Job) -> None:
        """Nobody knows whether the person was answered: if not, nobody waits for the job."""
        if await self._courier.is_answered(job):
            self.start(job)
        else:
            self._unanswered.discard(job.id)
            await self._outbox.close(job.id)

    async def cancel(self, job: Job, *, notify: bool = True) -> bool:
        """Stop a job at any stage; False if it has ended. `quietly`, its person is not told before
        `tell` is called."""
        if not await self._ledger.end(job.id, Status.CANCELLED, self._clock()):
            return False
        if notify:
            self.announce_cancelled(job.id)
        await self._release(job)
        return True

    def announce_cancelled(self, job: str) -> None:
        """Show the ending of a job that was stopped, unless its answer is still on its way."""
        if job not in self._unanswered:
            self._spawn(job, self._outbox.deliver(job))

    async def _release(self, job: Job) -> None:
        current = await self._ledger.job(job.id)
        await self._engine.cancel(job.id, current.attempt if current else job.attempt)
        self._wake.set()  # those behind it move up
        await self._workshop.delete_files(job.id)

    def has_running_task(self, job: str) -> bool:
        """May anything still be done or written for this job?"""
        return any(task.get_name() == job for task in self._tasks)

    async def _prepare(self, job: Job) -> None:
        current = await insist(lambda: self._ledger.job(job.id))
        self._unanswered.discard(job.id)
        if current is None or current.ended:  # it was stopped before it could begin
            await self._outbox.deliver(job.id)
            return
        await self._workshop.prepare(job)
        self._wake.set()

    # JobScheduler

    async def dispatch(self) -> None:
        """Have jobs painted as they come. Raises FatalError if the record is damaged."""
        while True:
            self._wake.clear()
            if self._damage is not None:
                raise self._damage
            try:
                await self._fill()
            except RecordTrouble as error:
                log.error("No job can be started: %s", error)  # noqa: TRY400 # no trace is wanted
                asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._wake.set)
            await self._wake.wait()

    async def resume(self) -> None:
        """Pick up what the last process left, before anybody can ask for more."""
        await self._ledger.recover()
        for job in await self._ledger.undelivered():
            self._spawn(job.id, self._outbox.deliver(job.id))
        for job in await self._ledger.accepted():
            self._unanswered.add(job.id)
            self._spawn(job.id, self.resume_unacknowledged(job))

    async def drain(self, seconds: float) -> None:
        """Accept and start no more jobs, and wait so long for those that are at work.

        What is not finished then is painted after the next start.
        """
        self._closing = True
        if self._tasks:
            log.info("Finishing %d jobs.", len(self._tasks))
            await asyncio.wait(self._tasks, timeout=seconds)

    async def _fill(self) -> None:
        if self._closing:
            return
        line = await self._turns.line()
        if not self._engine.status.is_connected:
            for job in line:
                self._courier.show(job, Progress(resting=True))
            return
        while job_of_turn := self._turns.next_of(line):
            line.remove(job_of_turn)
            claimed = await self._ledger.claim(job_of_turn.id, now=self._clock())
            if claimed:
                self._turns.start(claimed)
                self._spawn(claimed.id, self._take_turn(claimed))
        for ahead, job in enumerate(line, start=self._turns.at_engine):
            self._courier.show(job, Progress(ahead=ahead))

    async def _take_turn(self, job: Job) -> None:
        ending = None
        try:
            ending = await self._workshop.paint(job, had=self._turns.had(job.person))
        finally:
            self._turns.end(job, 0.0 if ending is None else ending.engine_seconds)
            self._wake.set()
        if ending is not None:
            await self._workshop.settle(job, ending)

    def _spawn(self, job: str, story: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._told(job, story), name=job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _told(self, job: str, story: Coroutine[None, None, None]) -> None:
        """One job's bad luck is its own, and the bot goes on; a damaged record is everybody's."""
        with log_context(job=job):
            try:
                await story
            except FatalError as error:
                self._damage = error
                self._wake.set()
            except Exception:
                log.exception("The job met something unforeseen.")
                await self._outbox.end(job, Status.FAILED, _UNFORESEEN)


def _seed() -> int:
    return secrets.randbelow(SEED_LIMIT)
