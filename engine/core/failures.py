"""What may go wrong with jobs in the painter's hands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.core.request import Ticket
from engine.device.errors import describe_failure, is_out_of_memory
from engine.log import log_context


@dataclass(frozen=True)
class Mishap:
    """Why something cannot be painted, in words for the person."""

    reason: str
    short: bool
    """Of memory."""


def mishap_of(tickets: Sequence[Ticket], do: Callable[[], None]) -> Mishap | None:
    """Do it, come what may. Raises DeviceLost if all is lost.

    What it raised is forgotten at the end: its traceback holds all that was computed.
    """
    try:
        do()
    except Exception as error:  # noqa: BLE001 # explained, logged, and the job ends
        names = [ticket.job.job for ticket in tickets]
        with log_context(job=",".join(names)):
            reason = describe_failure(error, ", ".join(f"job {name}" for name in names))
        return Mishap(reason, is_out_of_memory(error))
    return None
