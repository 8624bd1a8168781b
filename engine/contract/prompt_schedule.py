"""Prompts that change while a picture is painted, in the notation of AUTOMATIC1111's web UI.

`[cat:dog:0.5]` is a cat for half of the steps, then a dog; `[cat::5]` is a cat for five steps, and
`[:dog:5]` a dog after them. `[cat|dog]` is a cat and a dog in turn. These may contain each other.
`[dog:5]` is `[:dog:5]`. What is left has weights (`prompt_weights`): `[cat]` and backslashes stay,
and `:` and `|` between round brackets separate nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

_MAX_DEPTH: Final = 20
"""Brackets within brackets; a prompt with more is taken as words."""
_TOKEN: Final = re.compile(r"\\.|[()\[\]:|]|[^\\()\[\]:|]+|\\", re.DOTALL)
_WHEN: Final = re.compile(r"\s*(\d{1,9}|\d{0,9}\.\d{1,9}|\d{1,9}\.)\s*")


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
        if (when := self._when(steps)) is not None:
            *before, after, _ = self.parts
            [part] = [after] if step >= when else before or [()]
            return _at(part, step, steps)
        if self.separators and ":" not in self.separators:
            return _at(self.parts[step % len(self.parts)], step, steps)
        texts = [_at(part, step, steps) for part in self.parts]
        words = [text + mark for text, mark in zip(texts, [*self.separators, ""], strict=True)]
        return f"[{''.join(words)}]"

    def _when(self, steps: int) -> int | None:
        """The step of the change; None if it is no change."""
        if self.separators not in (":", "::"):
            return None
        [*_, last] = self.parts
        number = _WHEN.fullmatch("".join(item for item in last if isinstance(item, str)))
        if number is None or len(last) > 1:
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


def write(schedule: PromptSchedule, steps: int) -> str | None:
    """A text that `parse` reads as this schedule; None if there is none in this notation."""
    prompts = [schedule.prompt, *(prompt for _, prompt in schedule.changes)]
    for start, end in (_common_ends(prompts), (0, 0)):
        parts = [prompt[start : len(prompt) - end] for prompt in prompts]
        last = len(prompts[0]) - end
        middle = _written(parts, [step for step, _ in schedule.changes])
        text = prompts[0][:start] + middle + prompts[0][last:]
        if parse(text, steps) == schedule:
            return text
    return None


def _common_ends(texts: Sequence[str]) -> tuple[int, int]:
    """The numbers of characters that all of these texts have in common, as whole words, at their
    beginning and at their end."""
    start = _common_words(texts)
    return start, _common_words([text[start:][::-1] for text in texts])


def _common_words(texts: Sequence[str]) -> int:
    """The number of characters of the words that all of these texts begin with."""
    first, last = min(texts), max(texts)
    pairs = enumerate(zip(first, last, strict=False))
    length = next((number for number, (a, b) in pairs if a != b), len(first))
    return first.rfind(" ", 0, length) + 1


def _written(parts: Sequence[str], steps: Sequence[int]) -> str:
    """The parts in turn, if they repeat at each step; else each from its step on."""
    period = next(
        (period for period in range(2, len(parts)) if _is_periodic(parts, steps, period)), None
    )
    if period is not None:
        return f"[{'|'.join(parts[:period])}]"
    *earlier, text = parts
    for part, step in zip(reversed(earlier), reversed(steps), strict=True):
        text = f"[{part}:{text}:{step}]"
    return text


def _is_periodic(parts: Sequence[str], steps: Sequence[int], period: int) -> bool:
    is_each_step = list(steps) == list(range(1, len(parts)))
    return is_each_step and all(part == parts[number % period] for number, part in enumerate(parts))


def _at(text: _Text, step: int, steps: int) -> str:
    return "".join(item if isinstance(item, str) else item.at(step, steps) for item in text)


class _OpenGroup:
    """A group whose closing bracket was not read yet, or the whole text."""

    def __init__(self) -> None:
        self.parts: list[list[str | _Group]] = [[]]
        self.separators = ""
        self._depth = 0
        """The number of open round brackets in it."""

    def add(self, mark: str) -> None:
        """Add a mark, a word, or a backslash with what it stands before."""
        if mark in ("(", ")"):
            self._depth = max(0, self._depth + (1 if mark == "(" else -1))
        if mark in (":", "|") and self._depth == 0:
            self.separators += mark
            self.parts.append([])
        else:
            self.parts[-1].append(mark)

    def close(self) -> _Group:
        """The group."""
        parts = tuple(tuple(_joined(part)) for part in self.parts)
        return _Group(parts, self.separators)


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
        elif len(groups) > 1:
            groups[-1].add(token)
        else:
            groups[-1].parts[-1].append(token)
    [whole, *unclosed] = groups
    return None if unclosed else tuple(_joined(whole.parts[0]))
