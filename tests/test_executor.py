"""Tasks beside each other: each is heard of once, with its error if it had one."""

import threading

import pytest

from engine.core.executor import Hands


def test_a_single_hand_is_the_callers() -> None:
    """No other thread is needed, and one task is all that it holds."""
    hands: Hands[str] = Hands(1)
    where: list[int] = []
    hands.begin("one", lambda: where.append(threading.get_ident()))
    assert hands.free == 0
    [(task, result)] = hands.ended()
    assert task == "one"
    result()
    assert where == [threading.get_ident()]
    assert hands.free == 1


def test_several_hands_work_at_the_same_time() -> None:
    """Each waits for the other here: one after another, they would never end."""
    hands: Hands[str] = Hands(2)
    meeting = threading.Barrier(2, timeout=20)

    def wait() -> None:
        meeting.wait()

    for name in ("one", "two"):
        hands.begin(name, wait)
    assert hands.free == 0
    ended: list[str] = []
    while len(ended) < 2:
        for task, result in hands.ended():
            result()
            ended.append(task)
    assert sorted(ended) == ["one", "two"]
    hands.close()


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_comes_with_its_batch(count: int) -> None:
    """And the hand is free again."""
    hands: Hands[str] = Hands(count)

    def fail() -> None:
        raise KeyError("no such thing")

    hands.begin("bad", fail)
    [(task, result)] = hands.ended()
    assert task == "bad"
    with pytest.raises(KeyError, match="no such thing"):
        result()
    assert hands.free == count
    hands.close()


def test_nothing_in_hand_is_not_waited_for() -> None:
    """There is nothing to hear of."""
    assert Hands(2).ended() == []


def test_a_nudge_ends_the_waiting() -> None:
    """Though the task that is in hand goes on; the next wait is for it again."""
    hands: Hands[str] = Hands(2)
    go_on = threading.Event()

    def work() -> None:
        assert go_on.wait(20)

    hands.begin("long", work)
    threading.Timer(0.05, hands.nudge).start()
    assert hands.ended() == []
    threading.Timer(0.05, go_on.set).start()
    [(task, result)] = hands.ended()
    result()
    assert task == "long"
    hands.close()
