"""Prompts that stand for several: permutations, and words that are drawn by seed; pure.

`{red, blue} {cat, dog}` are four prompts, in the order of reading. `{red|blue}` is one of its
words, and `__animals__` an entry of the wildcard of this name: both are drawn by the seed of a
picture, so that the same seed draws the same words. A group with bars has no other separators;
within it, permutations are drawn too. Groups may contain each other.

Brackets of prompts stay what they are: `,` and `|` between round or square ones separate nothing,
and `<lora:a__b__c:1>` has no wildcard. A backslash makes a brace, a separator or an underscore a
character. Braces without separators, or that do not match, are words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Final, NamedTuple

import msgspec

from engine.contract import PromptFormat, sha256

MAX_DEPTH: Final = 20
"""Braces within braces; in a prompt with more, they are words."""
PERMUTATION: Final = ","
DRAW: Final = "|"
_NAME: Final = r"[^\W_]+(?:[-_][^\W_]+)*"
_TOKEN: Final = re.compile(
    rf"\\.|<[^<>]*>|(?<![A-Za-z0-9_])__(?P<name>{_NAME})__(?![A-Za-z0-9_])"
    r"|[{}(),|\[\]]|[^\\<_{}(),|\[\]]+|.",
    re.DOTALL,
)
_ESCAPED: Final = ("\\{", "\\}", "\\_")
_ESCAPED_IN_GROUP: Final = ("\\,", "\\|")
_MARKED: Final = re.compile(r"(?P<tag><[^<>]*>)|[{}]|_(?=_)")
_SPACES: Final = re.compile(r" {2,}")


class Wildcard(NamedTuple):
    """A name between double underscores."""

    name: str
    """In lower case, with hyphens."""
    nth: int
    """It is the nth one of this name in the prompt, from 0."""


class Group(NamedTuple):
    """Alternatives between braces."""

    alternatives: tuple["Text", ...]
    separator: str
    """PERMUTATION or DRAW."""
    nth: int
    """It is the nth group of the prompt, from 0."""


Text = tuple[str | Wildcard | Group, ...]


class Template(msgspec.Struct, frozen=True):
    """A prompt that was read by `parse`."""

    text: Text

    @property
    def count(self) -> int:
        """The number of its permutations."""
        return _count(self.text)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its wildcards, each once, in the order of reading."""
        return tuple(dict.fromkeys(_names(self.text)))

    @property
    def is_plain(self) -> bool:
        """Whether it is words alone."""
        return all(isinstance(item, str) for item in self.text)

    @property
    def is_drawn(self) -> bool:
        """Whether it has words that are drawn by seed."""
        return _is_drawn(self.text)

    def permutations(self) -> Iterator["Template"]:
        """Templates without permutations, `count` of them."""
        if self.is_plain:
            yield self
            return
        for text in _permutations(self.text):
            permutation = Template(text)
            yield Template((_tidied(text),)) if permutation.is_plain else permutation

    def prompt(self, seed: int, wildcards: Mapping[str, Sequence[str]]) -> str:
        """The words for a picture of this seed.

        Raises KeyError if there is no wildcard of one of its `names`.
        """
        if self.is_plain:
            return "".join(_words(self.text))
        return _tidied((_drawn(self.text, seed, wildcards),))


def parse(text: str) -> Template:
    """The template of a prompt."""
    tokens = list(_TOKEN.finditer(text))
    has_groups = _are_braces_matched([token[0] for token in tokens])
    return Template(_Parser(has_groups=has_groups).read(tokens))


def escaped(text: str) -> str:
    """A prompt that `parse` reads as these words, unless they have backslashes before braces."""
    if parse(text).text in ((), (text,)):
        return text
    return _MARKED.sub(lambda match: match["tag"] or f"\\{match[0]}", text)


def as_typed(prompt: str, prompt_format: PromptFormat) -> str:
    """The prompt of a recipe as a text that is read as it."""
    return prompt if prompt_format is PromptFormat.PLAIN else escaped(prompt)


def normal_name(text: str) -> str | None:
    """A name of a wildcard or a style in lower case and with hyphens; None if it can be none."""
    name = re.sub(r"[\s_-]+", "-", text.strip().casefold())
    return name if re.fullmatch(_NAME, name) else None


def _are_braces_matched(tokens: Sequence[str]) -> bool:
    depth = 0
    for token in tokens:
        depth += {"{": 1, "}": -1}.get(token, 0)
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0


class _OpenGroup:
    """A group whose closing brace was not read yet, or the whole prompt."""

    def __init__(self) -> None:
        self.items: list[str | Wildcard | Group] = []
        self._separators: list[tuple[int, str]] = []
        """The separators outside of brackets, with their indexes in `items`."""
        self._depth = 0
        """The number of open round and square brackets in it."""

    def add(self, token: str) -> None:
        """Add a mark or words."""
        if token in ("(", "["):
            self._depth += 1
        elif token in (")", "]"):
            self._depth = max(0, self._depth - 1)
        elif token in (PERMUTATION, DRAW) and not self._depth:
            self._separators.append((len(self.items), token))
        elif token in _ESCAPED_IN_GROUP and not self._depth:
            token = token[1:]
        self.items.append(token)

    def close(self, nth: int) -> Text:
        """The group as an item, or its items between braces if it has no separator."""
        marks = {mark for _, mark in self._separators}
        if not marks:
            return ("{", *self.items, "}")
        separator = DRAW if DRAW in marks else PERMUTATION
        indexes = [index for index, mark in self._separators if mark == separator]
        starts = [0, *(index + 1 for index in indexes)]
        ends = [*indexes, len(self.items)]
        alternatives = tuple(
            _stripped(_joined(self.items[start:end]))
            for start, end in zip(starts, ends, strict=True)
        )
        return (Group(alternatives, separator, nth),)


class _Parser:
    """Reads the tokens of a prompt."""

    def __init__(self, *, has_groups: bool) -> None:
        self._has_groups = has_groups
        self._open = [_OpenGroup()]
        self._group_count = 0
        self._name_counts: dict[str, int] = {}

    def read(self, tokens: Sequence["re.Match[str]"]) -> Text:
        """The items of the prompt."""
        for token in tokens:
            if token["name"] is not None:
                self._open[-1].items.append(self._wildcard(token["name"]))
            else:
                self._read(token[0])
        return _joined(self._open[0].items)

    def _read(self, token: str) -> None:
        if token in _ESCAPED:
            self._open[-1].items.append(token[1:])
        elif token == "{" and self._has_groups:  # noqa: S105 # a brace
            self._open.append(_OpenGroup())
        elif token == "}" and self._has_groups:  # noqa: S105 # a brace
            self._open[-2].items += self._open.pop().close(self._group_count)
            self._group_count += 1
        elif len(self._open) > 1:
            self._open[-1].add(token)
        else:
            self._open[-1].items.append(token)

    def _wildcard(self, name: str) -> Wildcard:
        name = normal_name(name) or name
        nth = self._name_counts.get(name, 0)
        self._name_counts[name] = nth + 1
        return Wildcard(name, nth)


def _joined(items: Sequence[str | Wildcard | Group]) -> Text:
    """The items, with neighbouring words as one."""
    joined: list[str | Wildcard | Group] = []
    for item in items:
        if joined and isinstance(item, str) and isinstance(joined[-1], str):
            joined[-1] += item
        else:
            joined.append(item)
    return tuple(joined)


def _stripped(text: Text) -> Text:
    """The items without spaces at both ends."""
    items = list(text)
    if items and isinstance(items[0], str):
        items[0] = items[0].lstrip()
    if items and isinstance(items[-1], str):
        items[-1] = items[-1].rstrip()
    return tuple(items)


def _words(text: Text) -> Iterator[str]:
    return (item for item in text if isinstance(item, str))


def _tidied(text: Text) -> str:
    """The words without the spaces that empty alternatives leave."""
    return _SPACES.sub(" ", "".join(_words(text))).strip()


def _count(text: Text) -> int:
    return prod(
        sum(map(_count, item.alternatives))
        for item in text
        if isinstance(item, Group) and item.separator == PERMUTATION
    )


def _names(text: Text) -> Iterator[str]:
    for item in text:
        if isinstance(item, Wildcard):
            yield item.name
        elif isinstance(item, Group):
            for alternative in item.alternatives:
                yield from _names(alternative)


def _is_drawn(text: Text) -> bool:
    return any(
        isinstance(item, Wildcard)
        or (
            isinstance(item, Group)
            and (item.separator == DRAW or any(map(_is_drawn, item.alternatives)))
        )
        for item in text
    )


def _permutations(text: Text) -> Iterator[Text]:
    choices: list[list[Text]] = [
        [variant for alternative in item.alternatives for variant in _permutations(alternative)]
        if isinstance(item, Group) and item.separator == PERMUTATION
        else [(item,)]
        for item in text
    ]
    for parts in product(*choices):
        yield _joined([item for part in parts for item in part])


def _drawn(text: Text, seed: int, wildcards: Mapping[str, Sequence[str]]) -> str:
    parts = []
    for item in text:
        match item:
            case Wildcard(name, nth):
                entries = wildcards[name]
                parts.append(entries[draw(f"{seed} {nth} {name}", len(entries))])
            case Group(alternatives, _, nth):
                alternative = alternatives[draw(f"{seed} {nth}", len(alternatives))]
                parts.append(_drawn(alternative, seed, wildcards))
            case _:
                parts.append(item)
    return "".join(parts)


def draw(key: str, count: int) -> int:
    """A number from 0 to below `count`, the same for the same key in each version of Python."""
    return int(sha256(key.encode())[:16], 16) % count
