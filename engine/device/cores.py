"""Which cores of a CPU a forward pass may use."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_has_all_cores = ContextVar("has_all_cores", default=False)


@contextmanager
def all_cores(*, are_free: bool) -> Iterator[None]:
    """Say whether no other forward pass needs a core while this thread is in the block."""
    token = _has_all_cores.set(are_free)
    try:
        yield
    finally:
        _has_all_cores.reset(token)


def has_all_cores() -> bool:
    """Whether this thread's forward pass may use all cores; otherwise it has its share of them."""
    return _has_all_cores.get()
