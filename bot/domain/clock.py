"""Types and units of time."""

from collections.abc import Callable
from typing import Final, TypeAlias

UnixTime: TypeAlias = float
"""Seconds since 1970."""
Clock: TypeAlias = Callable[[], UnixTime]
"""`time.time`, or a clock that tests control."""
DAY: Final = 24 * 60 * 60.0
"""Seconds."""
