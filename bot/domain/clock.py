"""Types of points in time."""

from collections.abc import Callable
from typing import TypeAlias

UnixTime: TypeAlias = float
"""Seconds since 1970."""
Clock: TypeAlias = Callable[[], UnixTime]
"""`time.time`, or a clock that tests control."""
