"""Faults on demand: answers that fail, come late, or get lost after the work was done."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    With `after_commit` the request is carried out and only its answer is replaced; `drop` cuts the
    connection instead of answering (half of a file is sent); `delay` (seconds) comes first. `code`
    is Discord's own. A 429 without `via` looks like a ban by the network in front of Discord; its
    `scope` is user, shared or global.
    """

    status: int = 0
    code: int = 0
    after_commit: bool = False
    drop: bool = False
    delay: float = 0.0
    retry_after: float = 0.1
    via: bool = True
    scope: str = "shared"

    @property
    def instead(self) -> bool:
        """Whether the request is not carried out at all."""
        return bool(self.status or self.drop) and not self.after_commit


class Faults:
    """Faults that wait for the request they belong to."""

    def __init__(self) -> None:
        self._waiting: list[tuple[str, str, Fault]] = []

    def next(self, method: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """Let the next requests by this method, with this text in their path, go wrong."""
        self._waiting += [(method, path, fault)] * times

    def clear(self) -> None:
        """Nothing more goes wrong."""
        self._waiting.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that belongs to this request, if any; it is used up."""
        for number, (wanted, part, fault) in enumerate(self._waiting):
            if wanted == method and part in path:
                del self._waiting[number]
                return fault
        return None
