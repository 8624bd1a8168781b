"""The steered rows of a forward pass belong to its thread."""

import threading

import pytest

from engine.steering.active import steered_pass, steered_rows
from engine.steering.rows import SteeredRows, Steering

ROWS = (SteeredRows(slice(0, 2), Steering(), 0, 4),)


def test_a_pass_has_its_rows() -> None:
    """They are there in the block alone, also after an error."""
    assert steered_rows() == ()
    with steered_pass(ROWS):
        assert steered_rows() == ROWS
    with pytest.raises(ZeroDivisionError), steered_pass(ROWS):
        raise ZeroDivisionError
    assert steered_rows() == ()


def test_another_thread_has_other_rows() -> None:
    """A pass that runs at the same time sees nothing of them."""
    others: list[object] = []
    with steered_pass(ROWS):
        thread = threading.Thread(target=lambda: others.append(steered_rows()))
        thread.start()
        thread.join()
    assert others == [()]
