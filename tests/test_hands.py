"""Batches beside each other: each is heard of once, with its time or its error."""

import threading

import pytest

from engine.hands import Hands


def test_a_single_hand_is_the_callers() -> None:
    """No other thread is needed, and one batch is all that it holds."""
    hands: Hands[str] = Hands(1)
    where: list[int] = []
    hands.begin("one", lambda: where.append(threading.get_ident()))
    assert hands.free == 0
    [(batch, seconds)] = hands.ended()
    assert batch == "one"
    assert seconds() >= 0
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
        for batch, seconds in hands.ended():
            seconds()
            ended.append(batch)
    assert sorted(ended) == ["one", "two"]
    hands.close()


@pytest.mark.parametrize("count", [1, 3])
def test_an_error_comes_with_its_batch(count: int) -> None:
    """And the hand is free again."""
    hands: Hands[str] = Hands(count)

    def fail() -> None:
        raise KeyError("no such thing")

    hands.begin("bad", fail)
    [(batch, seconds)] = hands.ended()
    assert batch == "bad"
    with pytest.raises(KeyError, match="no such thing"):
        seconds()
    assert hands.free == count
    hands.close()


def test_nothing_in_hand_is_not_waited_for() -> None:
    """There is nothing to hear of."""
    assert Hands(2).ended() == []
