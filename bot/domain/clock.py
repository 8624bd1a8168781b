"""Types and units of time."""

from collections.abc import Callable
from typing import Final, TypeAlias

UnixTime: TypeAlias = float
"""Seconds since 1970."""
Clock: TypeAlias = Callable[[], UnixTime]
"""`time.time`, or a clock that tests control."""
HOUR: Final = 3600.0
"""Seconds."""
DAY: Final = 24 * HOUR
