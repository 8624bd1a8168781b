"""The painter in its thread: jobs come from others, and each has one ending."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
import torch
from PIL import Image

from engine.contract import Cancelled, Ending, Event, Painted, Queued, Stepped, Verdict
from engine.core.engine_core import Painter
from engine.core.worker import Worker
from engine.errors import DeviceLost, EngineError
from engine.imaging.encode import png, sha256
from engine.safety import Panel
from tests.engine_parts import at_work, job, predicting, recipe, sketch

E = TypeVar("E", bound=Event)
LONG = 150


class Listener:
    """Hears a worker's events."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.broken: queue.Queue[EngineError] = queue.Queue()

    def next(self, kind: type[E], name: str = "a") -> E:
        """The next event of this kind about this job."""
        while True:
            event = self.events.get(timeout=20)
            if isinstance(event, kind) and getattr(event, "job", None) == name:
                return event


@contextmanager
def working(by: Painter) -> Iterator[tuple[Worker, Listener]]:
    """A worker with this painter."""
    listener = Listener()
    worker = Worker(by, listener.broken.put)
    yield worker, listener
    worker.close()


def test_a_job_is_painted_in_another_thread() -> None:
    """Inference mode belongs to threads: nothing of it may be missing there."""
    with working(at_work()) as (worker, listener):
        worker.submit(job(), listener.events.put)
        assert len(listener.next(Painted).pictures) == 1


def test_jobs_share_the_painter() -> None:
    """A quick one ends while a slow one that came before it goes on."""
    with working(at_work()) as (worker, listener):
        slow = worker.submit(job(recipe(steps=LONG), job="slow"), listener.events.put)
        listener.next(Stepped, "slow")
        worker.submit(job(recipe(steps=1), job="quick"), listener.events.put)
        listener.next(Painted, "quick")
        assert listener.next(Stepped, "slow").step < LONG
        worker.cancel(slow)
        listener.next(Cancelled, "slow")


def test_those_for_whom_there_is_no_room_hear_their_place() -> None:
    """It only goes down, and then they are painted."""
    with working(at_work(at_once=1)) as (worker, listener):
        first = worker.submit(job(recipe(steps=LONG)), listener.events.put)
        listener.next(Stepped)
        for name in "bc":
            worker.submit(job(job=name), listener.events.put)
        assert listener.next(Queued, "c").jobs_ahead == 1
        worker.cancel(first)
        assert listener.next(Queued, "c").jobs_ahead == 0
        listener.next(Painted, "c")


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    """The one that is painted goes on."""
    with working(at_work(at_once=1)) as (worker, listener):
        worker.submit(job(recipe(steps=LONG)), listener.events.put)
        listener.next(Stepped)
        waiting = worker.submit(job(job="b"), listener.events.put)
        worker.cancel(waiting)
        listener.next(Cancelled, "b")
        listener.next(Stepped)


def test_a_worker_that_closes_ends_all_jobs() -> None:
    """Also those that wait."""
    with working(at_work(at_once=1)) as (worker, listener):
        for name in "ab":
            worker.submit(job(recipe(steps=LONG), job=name), listener.events.put)
        listener.next(Stepped)
    ended = {event.job for event in listener.events.queue if isinstance(event, Cancelled)}
    assert ended == {"a", "b"}


def test_a_lost_device_is_told_and_no_job_ends() -> None:
    """The process has to end; the bot will have the jobs painted by a fresh one."""
    by = at_work()

    def lose(_: torch.Tensor) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with predicting(by, lose), working(by) as (worker, listener):
        for name in "ab":
            worker.submit(job(job=name), listener.events.put)
        assert "illegal memory access" in str(listener.broken.get(timeout=20))
    assert not any(isinstance(event, Ending) for event in listener.events.queue)


class Lost:
    """A checker whose device goes while it looks."""

    name = "lost"

    def look(self, _: Image.Image) -> Verdict:
        """As torch says it."""
        raise RuntimeError("CUDA error: an illegal memory access was encountered")


@pytest.mark.parametrize("sketched", [True, False])
def test_a_device_lost_by_the_safety_check_withholds_nothing(
    monkeypatch: pytest.MonkeyPatch, sketched: bool
) -> None:
    """A sketch, or a picture, is not to blame: the job is left for a fresh process."""
    by = at_work()
    monkeypatch.setattr(by.model, "verdicts", Panel([Lost()]).verdicts)
    data = png(sketch())
    over = recipe(source=sha256(data), strength=0.5) if sketched else recipe()
    work = job(over, source=data if sketched else None, previews=False)
    with working(by) as (worker, listener):
        worker.submit(work, listener.events.put)
        assert isinstance(listener.broken.get(timeout=20), DeviceLost)
    assert not any(isinstance(event, Ending) for event in listener.events.queue)


def test_a_pulse_tells_what_was_done() -> None:
    """One picture without guidance, alone in batches of two rows: half of them are padding."""
    with working(at_work(at_once=1)) as (worker, listener):
        before = worker.pulse()
        assert (before.ticks, before.rows_total, before.rows_used) == (0, 0, 0)
        worker.submit(job(recipe(guidance=1.0, steps=5)), listener.events.put)
        listener.next(Painted)
        pulse = worker.pulse()
    assert (pulse.ticks, pulse.rows_total, pulse.rows_used) == (5, 10, 5)
    assert (pulse.painting, pulse.waiting) == (0, 0)
    assert pulse.seconds > 0
    assert pulse.memory is None or pulse.memory > 2**20


def test_a_pulse_tells_what_is_at_hand() -> None:
    """Pictures that are painted, and jobs that wait for room."""
    with working(at_work(at_once=1)) as (worker, listener):
        worker.submit(job(recipe(steps=LONG)), listener.events.put)
        listener.next(Stepped)
        worker.submit(job(job="b"), listener.events.put)
        worker.submit(job(job="c"), listener.events.put)
        pulse = worker.pulse()
        assert (pulse.painting, pulse.waiting) == (1, 2)


def test_a_pulse_waits_for_no_painter() -> None:
    """It is there while a forward pass takes its time."""
    by = at_work()
    inside, go_on = threading.Event(), threading.Event()

    def dawdle(_: torch.Tensor) -> None:
        inside.set()
        go_on.wait(20)

    with predicting(by, dawdle), working(by) as (worker, listener):
        worker.submit(job(recipe(steps=1)), listener.events.put)
        assert inside.wait(20)
        pulse = worker.pulse()
        go_on.set()
        listener.next(Painted)
    assert (pulse.painting, pulse.ticks) == (1, 0)


def test_a_device_lost_anywhere_is_said_to_be_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also outside the care that is taken of jobs."""
    told: queue.Queue[EngineError] = queue.Queue()
    by = at_work()

    def break_down() -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(by, "tick", break_down)
    worker = Worker(by, told.put)
    worker.submit(job(), lambda _: None)
    assert isinstance(told.get(timeout=20), DeviceLost)
    worker.close()


def test_nobody_waits_long_for_a_pass_that_does_not_end() -> None:
    """Whoever closes the worker goes on, and the process may end."""
    by, begun, go_on = at_work(), threading.Event(), threading.Event()

    def linger(_: torch.Tensor) -> None:
        begun.set()
        assert go_on.wait(30)

    with predicting(by, linger):
        worker = Worker(by, lambda _: None)
        worker.submit(job(recipe(steps=150)), lambda _: None)
        assert begun.wait(20)
        before = time.monotonic()
        worker.close(patience=0.3)
        assert time.monotonic() - before < 5
        go_on.set()
