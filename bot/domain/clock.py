"""Types and units of time."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

UnixTime: TypeAlias = float
"""Seconds since 1970."""
Clock: TypeAlias = Callable[[], UnixTime]
"""`time.time`, or a clock that tests control."""
Sleep: TypeAlias = Callable[[float], Awaitable[object]]
"""`asyncio.sleep`, or a pause that tests control. The argument is in seconds."""
HOUR: Final = 3600.0
"""Seconds."""
DAY: Final = 24 * HOUR
