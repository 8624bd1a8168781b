"""The thread that paints: one ending for each job, whatever happens."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from engine.contract import Cancelled, Ending, Event, Failed, Paint, Painted, Queued
from engine.exits import DeviceBroken, Stopped, Unpaintable
from engine.painter import IsCancelled, Painter, Report
from engine.worker import WAITING_LIMIT, Worker
from tests.engine_parts import job, painter


class Actor(Painter):
    """A painter that does what it is told instead of painting."""

    def __init__(self, act: Callable[[IsCancelled], object]) -> None:
        self._act = act

    def paint(self, job: Paint, report: Report, cancelled: IsCancelled) -> Painted:
        """Do it, and be done."""
        self._act(cancelled)
        return Painted(job=job.job, attempt=job.attempt, pictures=(), seconds=0.0)


class Listener:
    """Hears a worker's events."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.broken: queue.Queue[DeviceBroken] = queue.Queue()

    def ending(self, name: str = "a") -> Ending:
        """The next ending of this job."""
        while True:
            event = self.events.get(timeout=20)
            if isinstance(event, Ending) and event.job == name:
                return event


@contextmanager
def working(act: Callable[[IsCancelled], object]) -> Iterator[tuple[Worker, Listener]]:
    """A worker whose painter does this."""
    listener = Listener()
    worker = Worker(Actor(act), listener.broken.put)
    yield worker, listener
    worker.close()


def raising(error: Exception) -> Callable[[IsCancelled], object]:
    """A painter that fails so, the first time."""
    errors = [error]

    def act(_: IsCancelled) -> None:
        if errors:
            raise errors.pop()

    return act


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Unpaintable("There is no such paint."), "There is no such paint."),
        (MemoryError(), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "smaller size"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "out of memory"),
        (KeyError("a bug"), r"a mistake \(KeyError\)"),
        (RuntimeError("shapes do not match"), r"a mistake \(RuntimeError\)"),
    ],
)
def test_a_bad_job_fails_and_the_next_is_painted(error: Exception, reason: str) -> None:
    """Each failure has its true reason, and none ends the engine."""
    with working(raising(error)) as (worker, listener):
        worker.submit(job(), listener.events.put)
        failed = listener.ending()
        worker.submit(job(), listener.events.put)
        assert isinstance(listener.ending(), Painted)
    assert isinstance(failed, Failed)
    assert reason.replace("\\", "") in failed.reason


def test_a_lost_device_is_told_and_no_job_ends() -> None:
    """The process has to end; the bot will paint the job again with a fresh one."""
    lost = raising(RuntimeError("CUDA error: an illegal memory access was encountered"))
    with working(lost) as (worker, listener):
        worker.submit(job(), listener.events.put)
        assert "illegal memory access" in str(listener.broken.get(timeout=20))
        assert all(isinstance(event, Queued) for event in list(listener.events.queue))


def test_those_who_wait_hear_their_place() -> None:
    """It only goes down."""
    go = threading.Semaphore(0)
    with working(lambda _: go.acquire()) as (worker, listener):
        for name in "abc":
            worker.submit(job(job=name), listener.events.put)
        go.release(3)
        assert isinstance(listener.ending("c"), Painted)
        worker.submit(job(job="last"), listener.events.put)
        go.release()
        listener.ending("last")


def test_a_worker_that_closes_ends_all_jobs() -> None:
    """Also those that wait."""
    started = threading.Event()

    def wait(cancelled: IsCancelled) -> None:
        started.set()
        while not cancelled():
            pass
        raise Stopped

    with working(wait) as (worker, listener):
        for name in "ab":
            worker.submit(job(job=name), listener.events.put)
        started.wait(20)
        worker.close()
        assert isinstance(listener.ending("a"), Cancelled)
        assert isinstance(listener.ending("b"), Cancelled)


def test_a_full_queue_is_said_to_be() -> None:
    """Memory has an end."""
    go = threading.Event()
    with working(lambda _: go.wait(20)) as (worker, listener):
        for nth in range(WAITING_LIMIT + 2):
            worker.submit(job(job=str(nth)), listener.events.put)
        failed = listener.ending(str(WAITING_LIMIT + 1))
        go.set()
    assert isinstance(failed, Failed)
    assert str(WAITING_LIMIT) in failed.reason


def test_the_real_painter_works_in_its_thread() -> None:
    """Gradients and inference mode belong to threads: nothing of them may be missing here."""
    listener = Listener()
    worker = Worker(painter(), listener.broken.put)
    worker.submit(job(), listener.events.put)
    assert isinstance(listener.ending(), Painted)
    worker.close()
