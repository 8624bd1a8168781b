"""Catch the errors of a request's work, and describe them for the user."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.core.request import Request
from engine.device.errors import describe_failure, is_out_of_memory
from engine.errors import InvalidJob
from engine.log import log_context

T = TypeVar("T")


class InitImageFlagged(InvalidJob):
    """The safety check flagged the init image."""


@dataclass(frozen=True)
class Failure:
    """Why work for a request failed."""

    reason: str
    """A sentence for the user."""
    out_of_memory: bool = False
    init_image_flagged: bool = False


def catch_failure(requests: Sequence[Request], work: Callable[[], T]) -> T | Failure:
    """Do the work; returns its result, or a Failure if it raises an exception, which is logged.

    Raises DeviceLost if the device is lost. The Failure does not refer to the exception, whose
    traceback would keep tensors alive.
    """
    try:
        return work()
    except Exception as error:  # noqa: BLE001 # a bug in one request's work must not end the others
        names = [request.job.job for request in requests]
        with log_context(job=",".join(names)):
            reason = describe_failure(error, ", ".join(f"job {name}" for name in names))
        return Failure(reason, is_out_of_memory(error), isinstance(error, InitImageFlagged))
