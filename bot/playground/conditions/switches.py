"""Which conditions are on."""

from collections.abc import Iterator
from contextlib import contextmanager

from bot.playground.conditions.effects import Targets
from bot.playground.conditions.table import CONDITIONS, Condition
from bot.playground.errors import PlaygroundError


class Conditions:
    """The switches of all conditions; at first all are off."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._active: set[Condition] = set()

    @property
    def active(self) -> list[Condition]:
        """The conditions that are on, in the order of the table."""
        return [condition for condition in CONDITIONS if condition in self._active]

    def set(self, condition: Condition, *, on: bool) -> None:
        """Begin or end a condition; nothing happens if it is so already."""
        if on is (condition in self._active):
            return
        if on:
            self._active.add(condition)
        else:
            self._active.remove(condition)
        condition.effect(self._targets, on)
        self._targets.world.changes.notify()

    def end_all(self) -> None:
        """End all conditions."""
        for condition in self.active:
            self.set(condition, on=False)

    @contextmanager
    def during(self, *conditions: Condition) -> Iterator[None]:
        """Begin the conditions, and end them after the block."""
        try:
            for condition in conditions:
                self.set(condition, on=True)
            yield
        finally:
            for condition in conditions:
                self.set(condition, on=False)


def find_condition(key: str) -> Condition:
    """Return the condition with this key; raise PlaygroundError if there is none."""
    for condition in CONDITIONS:
        if condition.key == key:
            return condition
    raise PlaygroundError(f"There is no condition {key}.")
