"""Settings of the environment that are one of several words. Without torch."""

import os
from enum import StrEnum
from typing import TypeVar

from engine.errors import UsageError

Choice = TypeVar("Choice", bound=StrEnum)


def read_choice(variable: str, default: Choice) -> Choice:
    """The value of an environment variable; `default`, which has the type of all values, if it is
    empty. Raises UsageError, with a sentence for the operator."""
    value, choices = os.environ.get(variable, "").strip().lower(), type(default)
    try:
        return choices(value) if value else default
    except ValueError:
        allowed = ", ".join(choices)
        raise UsageError(f"{variable} is {value}; it must be one of {allowed}.") from None
