"""Prompts that change while a picture is painted, in the notation of AUTOMATIC1111's web UI.

`[cat:dog:0.5]` is a cat for half of the steps, then a dog; `[cat::5]` is a cat for five steps, and
`[:dog:5]` a dog after them. `[cat|dog]` is a cat and a dog in turn. These may contain each other.
`\\[` and `\\]` are brackets.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MAX_DEPTH: Final = 20
"""Brackets within brackets; a prompt with more is taken as words."""
_TOKEN: Final = re.compile(r"\\[\[\]]|[\[\]:|]|[^\\\[\]:|]+|\\")
_WHEN: Final = re.compile(r"\s*(\d{1,9}|\d{0,9}\.\d{1,9}|\d{1,9}\.)\s*")
_SCHEDULE_PARTS: Final = 3


@dataclass(frozen=True)
class PromptSchedule:
    """A prompt and what replaces it later."""

    prompt: str
    changes: tuple[tuple[int, str], ...] = ()
    """The numbers of completed steps, ascending, and the prompts from then on."""


@dataclass(frozen=True)
class _Group:
    """What stands between brackets: a list of parts, which are separated by `:` or `|`."""

    parts: tuple["_Text", ...]
    separators: str

    def at(self, step: int, steps: int) -> str:
        """Its text after this number of completed steps."""
        if self.separators == "::" and (when := self._when(steps)) is not None:
            return _at(self.parts[0 if step < when else 1], step, steps)
        if self.separators and ":" not in self.separators:
            return _at(self.parts[step % len(self.parts)], step, steps)
        texts = [_at(part, step, steps) for part in self.parts]
        words = [text + mark for text, mark in zip(texts, [*self.separators, ""], strict=True)]
        return f"[{''.join(words)}]"

    def _when(self, steps: int) -> int | None:
        """The step of the change; None if the last part is no number."""
        [*_, last] = self.parts
        number = _WHEN.fullmatch("".join(item for item in last if isinstance(item, str)))
        if number is None or len(last) > 1 or len(self.parts) != _SCHEDULE_PARTS:
            return None
        return int(Decimal(number[1]) * steps) if "." in number[1] else int(number[1])


_Text = tuple[str | _Group, ...]


def parse(text: str, steps: int) -> PromptSchedule:
    """The prompt of a text, and its changes within this number of steps.

    A text whose brackets do not match is a prompt as it is.
    """
    parsed = _parse(text)
    if parsed is None:
        return PromptSchedule(text)
    prompt = before = _at(parsed, 0, steps)
    changes: list[tuple[int, str]] = []
    for step in range(1, steps if any(isinstance(item, _Group) for item in parsed) else 0):
        now = _at(parsed, step, steps)
        if now != before:
            changes.append((step, now))
            before = now
    return PromptSchedule(prompt, tuple(changes))


def _at(text: _Text, step: int, steps: int) -> str:
    return "".join(item if isinstance(item, str) else item.at(step, steps) for item in text)


class _OpenGroup:
    """A group whose closing bracket was not read yet, or the whole text."""

    def __init__(self) -> None:
        self.parts: list[list[str | _Group]] = [[]]
        self.separators = ""

    def separate(self, mark: str) -> None:
        """Begin the next part."""
        self.separators += mark
        self.parts.append([])

    def close(self) -> _Group:
        """The group."""
        return _Group(tuple(tuple(_joined(part)) for part in self.parts), self.separators)


def _joined(part: list[str | _Group]) -> list[str | _Group]:
    """The items of a part, with neighbouring texts as one."""
    joined: list[str | _Group] = []
    for item in part:
        if joined and isinstance(item, str) and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    return joined


def _parse(text: str) -> _Text | None:
    """The items of a text; None if its brackets do not match."""
    groups = [_OpenGroup()]
    for token in _TOKEN.findall(text):
        if token == "[":  # noqa: S105 # a bracket
            groups.append(_OpenGroup())
            if len(groups) > _MAX_DEPTH:
                return None
        elif token == "]":  # noqa: S105 # a bracket
            if len(groups) == 1:
                return None
            group = groups.pop().close()
            groups[-1].parts[-1].append(group)
        elif token in (":", "|") and len(groups) > 1:
            groups[-1].separate(token)
        else:
            groups[-1].parts[-1].append(token.removeprefix("\\") if len(token) > 1 else token)
    [whole, *unclosed] = groups
    return None if unclosed else tuple(_joined(whole.parts[0]))
