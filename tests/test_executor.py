"""Concurrent tasks; the result of each is returned once."""

import threading

import pytest

from engine.core.executor import BatchExecutor


def test_a_single_task_runs_in_the_callers_thread() -> None:
    """No thread is started, and the executor is busy until `wait` returns the task."""
    executor: BatchExecutor[str, int] = BatchExecutor(1)
    executor.submit("one", threading.get_ident)
    assert (executor.idle, executor.in_flight) == (0, ["one"])
    assert executor.wait() == [("one", threading.get_ident())]
    assert (executor.idle, executor.in_flight) == (1, [])


def test_several_tasks_run_at_the_same_time() -> None:
    """Each task waits for the other one, so they end only if both run."""
    executor: BatchExecutor[str, int] = BatchExecutor(2)
    barrier = threading.Barrier(2, timeout=20)
    for name in ("one", "two"):
        executor.submit(name, barrier.wait)
    assert executor.idle == 0
    completed: list[str] = []
    while len(completed) < 2:
        completed += [task for task, _ in executor.wait()]
    assert sorted(completed) == ["one", "two"]
    executor.close()


@pytest.mark.parametrize("max_concurrent", [1, 3])
def test_an_error_is_raised_in_the_callers_thread(max_concurrent: int) -> None:
    """`submit` raises it if the task runs there, else `wait`; afterwards the executor is idle."""
    executor: BatchExecutor[str, None] = BatchExecutor(max_concurrent)

    def fail() -> None:
        raise KeyError("no such thing")

    with pytest.raises(KeyError, match="no such thing"):
        executor.submit("bad", fail)
        executor.wait()
    assert executor.idle == max_concurrent
    executor.close()


def test_waiting_without_tasks_returns_at_once() -> None:
    """`wait` returns an empty list."""
    assert BatchExecutor[str, None](2).wait() == []


def test_wake_ends_the_waiting() -> None:
    """The task in flight continues, and the next `wait` waits for it."""
    executor: BatchExecutor[str, None] = BatchExecutor(2)
    go_on = threading.Event()

    def work() -> None:
        assert go_on.wait(20)

    executor.submit("long", work)
    threading.Timer(0.05, executor.wake).start()
    assert executor.wait() == []
    threading.Timer(0.05, go_on.set).start()
    assert executor.wait() == [("long", None)]
    executor.close()
