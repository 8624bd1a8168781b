"""Injected faults: requests that fail, are delayed, or lose their response."""

import asyncio
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """How one request fails.

    With `after_commit`, the request is executed and only its response is replaced. `drop` closes
    the connection instead of responding (the CDN first sends half of the file). The request first
    waits for `delay` (seconds) and for the event `until`. `code` is Discord's JSON error code. A
    429 without `via` looks like a ban by Cloudflare. `scope` is that of a 429: user, shared or
    global. With `html`, the body is a page of a proxy instead of JSON.
    """

    status: int = 0
    code: int = 0
    after_commit: bool = False
    drop: bool = False
    delay: float = 0.0
    until: asyncio.Event | None = None
    retry_after: float = 0.1
    via: bool = True
    scope: str = "shared"
    html: bool = False

    async def wait(self) -> None:
        """Wait for `delay` and `until`."""
        if self.delay:
            await asyncio.sleep(self.delay)
        if self.until is not None:
            await self.until.wait()

    @property
    def replaces_request(self) -> bool:
        """Whether the request is not executed at all."""
        return bool(self.status or self.drop) and not self.after_commit


@dataclass(frozen=True)
class Rule:
    """A fault that each `every`-th request meets, of those that match.

    `pattern` is a regular expression for method and path, such as `PUT /users/.*`.
    """

    pattern: str
    fault: Fault
    every: int = 1

    def matches(self, method: str, path: str) -> bool:
        """Return whether the rule is about this request."""
        return re.fullmatch(self.pattern, f"{method} {path}") is not None


class Faults:
    """Faults waiting for a matching request, and rules for all requests."""

    def __init__(self) -> None:
        self._pending: list[tuple[str, str, Fault]] = []
        self._rules: dict[Rule, int] = {}
        """The number of requests that matched each rule."""

    def next(self, method: str, path: str, fault: Fault, *, times: int = 1) -> None:
        """Apply the fault to the next requests with this method whose path contains `path`."""
        self._pending += [(method, path, fault)] * times

    def add(self, rule: Rule) -> None:
        """Apply a rule, beginning with the next request that matches, until it is removed."""
        self._rules.setdefault(rule, 0)

    def remove(self, rule: Rule) -> None:
        """Stop applying a rule; nothing happens if it is not applied."""
        self._rules.pop(rule, None)

    @property
    def pending(self) -> int:
        """The number of faults that no request has met yet."""
        return len(self._pending)

    def clear(self) -> None:
        """Remove all pending faults. Rules stay."""
        self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Remove and return the first pending fault that matches, or return that of a rule."""
        for index, (fault_method, path_part, fault) in enumerate(self._pending):
            if fault_method == method and path_part in path:
                del self._pending[index]
                return fault
        for rule, count in self._rules.items():
            if rule.matches(method, path):
                self._rules[rule] = count + 1
                if count % rule.every == 0:
                    return rule.fault
        return None
