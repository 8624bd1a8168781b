"""The steered rows of the forward pass that runs in a thread.

Layers that a network calls without knowing of steering, such as hooks, read them here. Forward
passes run in several threads at the same time, so each thread has its own.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from engine.steering.rows import SteeredRows


class _Active(threading.local):
    """Each thread sees its own attribute."""

    rows: Sequence[SteeredRows] = ()


_active: Final = _Active()


@contextmanager
def steered_pass(rows: Sequence[SteeredRows]) -> Iterator[None]:
    """In the block, `rows` are the steered ones of this thread's forward pass."""
    before = _active.rows
    _active.rows = rows
    try:
        yield
    finally:
        _active.rows = before


def steered_rows() -> Sequence[SteeredRows]:
    """Of this thread's forward pass; empty outside of `steered_pass`."""
    return _active.rows
