"""Weights of words in a prompt, in the notation of AUTOMATIC1111's web UI.

`(cat)` has the weight 1.1, `(cat:1.3)` 1.3, and `[cat]` 1/1.1; brackets within brackets multiply,
and a bracket that is not closed ends with the prompt. A backslash makes a bracket a character.
`BREAK` begins a new chunk of tokens. The rules are those of the web UI's `parse_prompt_attention`
(modules/prompt_parser.py), but every text is allowed: weights are limited, and what is no weight is
words.
"""

import re
from functools import lru_cache
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

MAX_WEIGHT: Final = 10.0
"""Larger weights count as this one, as do smaller ones than its negative."""
_ROUND: Final = 1.1
_SQUARE: Final = 1 / 1.1
_TOKEN: Final = re.compile(
    r"\\[()\[\]\\]?|[(\[]|:\s*(?P<weight>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*\)|[)\]]"
    r"|[^\\()\[\]:]+|:"
)
_BREAK: Final = re.compile(r"\s*\bBREAK\b\s*")


class WeightedText(NamedTuple):
    """A part of a prompt whose words have one weight."""

    text: str
    weight: float = 1.0


Section = tuple[WeightedText, ...]
"""The parts of a prompt between two BREAKs."""


def parse_weights(prompt: str) -> tuple[Section, ...]:
    """The sections of a prompt, at least one; a section may be empty."""
    parser = _Parser()
    for token in _TOKEN.finditer(prompt):
        parser.read(token[0], token["weight"])
    return parser.finish()


@lru_cache(1024)
def words_of(prompt: str) -> str:
    """The words of a prompt without the notation."""
    sections = ("".join(part.text for part in section) for section in parse_weights(prompt))
    return " ".join(sections)


def as_words(text: str) -> str:
    """A prompt without weights and breaks whose words are this text."""
    if parse_weights(text) == ((WeightedText(text),),):
        return text
    escaped = re.sub(r"[\\()\[\]]", r"\\\g<0>", text)
    return re.sub(r"\bBREAK\b", r"B\\REAK", escaped)


class _Parser:
    """Reads the tokens of a prompt one after the other."""

    def __init__(self) -> None:
        self._sections: list[list[WeightedText]] = [[]]
        self._open: dict[str, list[tuple[int, int]]] = {"(": [], "[": []}
        """By kind, the section and the part with which each open bracket begins."""

    def read(self, mark: str, weight: str | None) -> None:
        """Read the next token; `weight` is the number in `:1.3)`."""
        if mark.startswith("\\"):
            self._add(mark[1:])
        elif mark in self._open:
            self._open[mark].append((len(self._sections) - 1, len(self._sections[-1])))
        elif weight is not None and self._open["("]:
            self._multiply(self._open["("].pop(), float(weight))
        elif mark == ")" and self._open["("]:
            self._multiply(self._open["("].pop(), _ROUND)
        elif mark == "]" and self._open["["]:
            self._multiply(self._open["["].pop(), _SQUARE)
        else:
            first, *others = _BREAK.split(mark)
            self._add(first)
            for text in others:
                self._sections.append([])
                self._add(text)

    def finish(self) -> tuple[Section, ...]:
        """The sections, after the last token."""
        for kind, factor in (("(", _ROUND), ("[", _SQUARE)):
            for start in self._open[kind]:
                self._multiply(start, factor)
        return tuple(_joined(section) for section in self._sections)

    def _add(self, text: str) -> None:
        self._sections[-1].append(WeightedText(text))

    def _multiply(self, start: tuple[int, int], factor: float) -> None:
        """Multiply the weights from this section and part on."""
        first_section, first_part = start
        for number, section in enumerate(self._sections[first_section:], first_section):
            for index in range(first_part if number == first_section else 0, len(section)):
                section[index] = _weighted(section[index], factor)


def _weighted(part: WeightedText, factor: float) -> WeightedText:
    weight = part.weight * _limited(factor)
    return part._replace(weight=_limited(weight))


def _limited(weight: float) -> float:
    return max(-MAX_WEIGHT, min(weight, MAX_WEIGHT))


def _joined(section: list[WeightedText]) -> Section:
    """The parts of a section, with neighbours of one weight as one, without empty ones."""
    parts = (
        WeightedText("".join(part.text for part in group), weight)
        for weight, group in groupby(section, attrgetter("weight"))
    )
    return tuple(part for part in parts if part.text)
