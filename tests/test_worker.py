"""The engine core in its thread: jobs come from other threads, and each has one ending."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import torch
from PIL import Image

from engine.contract import (
    Cancelled,
    Completed,
    Ending,
    Event,
    ImageDone,
    Img2Img,
    Queued,
    Stepped,
    Verdict,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.core.worker import Worker
from engine.errors import DeviceLost, EngineError
from engine.safety import CheckerSet
from tests.engine_parts import (
    before_each_pass,
    engine_core,
    job,
    new_engine_core,
    recipe,
    sketch,
)

E = TypeVar("E", bound=Event)
MANY_STEPS = 150
DEVICE_LOST = "CUDA error: an illegal memory access was encountered"


class Listener:
    """The events and fatal errors of a worker."""

    def __init__(self) -> None:
        self.events: queue.Queue[Event] = queue.Queue()
        self.fatal_errors: queue.Queue[EngineError] = queue.Queue()

    def next(self, kind: type[E], name: str = "a") -> E:
        """Wait for the next event of this kind of this job."""
        while True:
            event = self.events.get(timeout=20)
            if isinstance(event, kind) and getattr(event, "job", None) == name:
                return event

    def endings(self) -> list[Event]:
        """The endings among the events that `next` has not returned."""
        return [event for event in self.events.queue if isinstance(event, Ending)]


@contextmanager
def running_worker(**options: Any) -> Iterator[tuple[Worker, Listener]]:  # noqa: ANN401 # of Worker
    """A worker with a new engine core with these options."""
    listener = Listener()
    on_fatal = listener.fatal_errors.put
    worker = Worker(new_engine_core(on_device_lost=on_fatal, **options), on_fatal)
    try:
        yield worker, listener
    finally:
        worker.close()


def test_a_job_is_painted_in_another_thread() -> None:
    """Inference mode is set per thread, so the engine's thread must set it."""
    with running_worker() as (worker, listener):
        worker.submit(job(), listener.events.put)
        assert listener.next(ImageDone).image.png
        listener.next(Completed)


def test_jobs_run_at_the_same_time() -> None:
    """A short job ends while an earlier, long one is running."""
    with running_worker() as (worker, listener):
        slow = worker.submit(job(recipe(steps=MANY_STEPS), job="slow"), listener.events.put)
        listener.next(Stepped, "slow")
        worker.submit(job(recipe(steps=1), job="quick"), listener.events.put)
        listener.next(Completed, "quick")
        assert listener.next(Stepped, "slow").step < MANY_STEPS
        worker.cancel(slow)
        listener.next(Cancelled, "slow")


def test_waiting_jobs_receive_their_position() -> None:
    """The position decreases until the job is painted."""
    with running_worker(max_running=1) as (worker, listener):
        first = worker.submit(job(recipe(steps=MANY_STEPS)), listener.events.put)
        listener.next(Stepped)
        for name in "bc":
            worker.submit(job(job=name), listener.events.put)
        assert listener.next(Queued, "c").jobs_ahead == 1
        worker.cancel(first)
        assert listener.next(Queued, "c").jobs_ahead == 0
        listener.next(Completed, "c")


def test_a_waiting_job_is_cancelled_at_once() -> None:
    """The running job continues."""
    with running_worker(max_running=1) as (worker, listener):
        worker.submit(job(recipe(steps=MANY_STEPS)), listener.events.put)
        listener.next(Stepped)
        waiting = worker.submit(job(job="b"), listener.events.put)
        worker.cancel(waiting)
        listener.next(Cancelled, "b")
        listener.next(Stepped)


def test_closing_a_worker_cancels_all_jobs() -> None:
    """Running and waiting jobs are cancelled."""
    with running_worker(max_running=1) as (worker, listener):
        for name in "ab":
            worker.submit(job(recipe(steps=MANY_STEPS), job=name), listener.events.put)
        listener.next(Stepped)
    ended = {event.job for event in listener.events.queue if isinstance(event, Cancelled)}
    assert ended == {"a", "b"}


def test_no_job_ends_when_the_device_is_lost() -> None:
    """The process must end, and the bot submits the jobs to a new one."""

    def lose_device(_: torch.Tensor) -> None:
        raise RuntimeError(DEVICE_LOST)

    with (
        before_each_pass(engine_core(), lose_device),
        running_worker() as (worker, listener),
    ):
        for name in "ab":
            worker.submit(job(job=name), listener.events.put)
        assert "illegal memory access" in str(listener.fatal_errors.get(timeout=20))
    assert not listener.endings()


class DeviceLosingChecker:
    """A checker that raises the error of a lost device."""

    name = "lost"

    def check(self, _: Image.Image) -> Verdict:
        """Raise the error that torch raises."""
        raise RuntimeError(DEVICE_LOST)


@pytest.mark.parametrize("is_img2img", [True, False])
def test_a_device_lost_by_the_safety_check_flags_nothing(
    monkeypatch: pytest.MonkeyPatch, is_img2img: bool
) -> None:
    """Neither init image nor result is flagged; the job gets no ending from this process."""
    checkers = CheckerSet([DeviceLosingChecker()])
    monkeypatch.setattr(engine_core().model, "check_safety", checkers.check)
    data = encode_png(sketch())
    img2img = recipe(source=Img2Img(sha256(data), 0.5))
    files = {sha256(data): data}
    inputs = tuple(files) if is_img2img else ()
    paint = job(img2img if is_img2img else recipe(), inputs=inputs, previews=False)
    with running_worker() as (worker, listener):
        worker.submit(paint, listener.events.put, files)
        assert isinstance(listener.fatal_errors.get(timeout=20), DeviceLost)
    assert not listener.endings()


def test_a_heartbeat_counts_what_was_done() -> None:
    """For one image without guidance in batches of two rows, half of the rows are padding."""
    with running_worker(max_running=1) as (worker, listener):
        before = worker.heartbeat()
        assert (before.ticks, before.rows_total, before.rows_used) == (0, 0, 0)
        worker.submit(job(recipe(guidance=1.0, steps=5)), listener.events.put)
        listener.next(Completed)
        heartbeat = worker.heartbeat()
    assert (heartbeat.ticks, heartbeat.rows_total, heartbeat.rows_used) == (5, 10, 5)
    assert (heartbeat.painting, heartbeat.waiting) == (0, 0)
    assert heartbeat.seconds > 0
    assert heartbeat.memory is None or heartbeat.memory > 2**20


def test_a_heartbeat_counts_what_is_in_progress() -> None:
    """It has the number of running images and of waiting jobs."""
    with running_worker(max_running=1) as (worker, listener):
        worker.submit(job(recipe(steps=MANY_STEPS)), listener.events.put)
        listener.next(Stepped)
        worker.submit(job(job="b"), listener.events.put)
        worker.submit(job(job="c"), listener.events.put)
        heartbeat = worker.heartbeat()
        assert (heartbeat.painting, heartbeat.waiting) == (1, 2)


def test_a_heartbeat_does_not_wait_for_a_forward_pass() -> None:
    """The call returns while a forward pass is blocked."""
    is_inside, go_on = threading.Event(), threading.Event()

    def block(_: torch.Tensor) -> None:
        is_inside.set()
        go_on.wait(20)

    with before_each_pass(engine_core(), block), running_worker() as (worker, listener):
        worker.submit(job(recipe(steps=1)), listener.events.put)
        try:
            assert is_inside.wait(20)
            heartbeat = worker.heartbeat()
        finally:
            go_on.set()
        listener.next(Completed)
    assert (heartbeat.painting, heartbeat.ticks) == (1, 0)


def test_a_device_lost_outside_of_a_request_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker classifies the error that the engine core raises."""

    def lose_device(_: EngineCore) -> None:
        raise RuntimeError(DEVICE_LOST)

    monkeypatch.setattr(EngineCore, "tick", lose_device)
    with running_worker() as (worker, listener):
        worker.submit(job(), listener.events.put)
        assert isinstance(listener.fatal_errors.get(timeout=20), DeviceLost)
    assert not listener.endings()


def test_closing_does_not_wait_for_an_endless_pass() -> None:
    """`close` returns after the timeout, so that the process can end."""
    core, is_inside, go_on, has_left = new_engine_core(), *(threading.Event() for _ in range(3))

    def block(_: torch.Tensor) -> None:
        is_inside.set()
        go_on.wait(60)
        has_left.set()

    with before_each_pass(core, block):
        worker = Worker(core, lambda _: None)
        worker.submit(job(recipe(steps=150)), lambda _: None)
        try:
            assert is_inside.wait(20)
            worker.close(timeout=0.1)
            assert not has_left.is_set(), "the pass is still blocked"
        finally:
            go_on.set()
        assert has_left.wait(20)
