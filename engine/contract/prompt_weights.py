"""Weights of words in a prompt, in the notation of AUTOMATIC1111's web UI.

`(cat)` has the weight 1.1, `(cat:1.3)` 1.3, and `[cat]` 1/1.1; brackets within brackets multiply,
and a bracket that is not closed ends with the prompt. A backslash makes a bracket a character.
`BREAK` begins a new chunk of tokens. The rules are those of the web UI's `parse_prompt_attention`
(modules/prompt_parser.py), but every text is allowed: weights are limited, and what is no weight is
words.
"""

import re
from functools import lru_cache
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, NamedTuple

MAX_WEIGHT: Final = 10.0
"""Larger weights count as this one, as do smaller ones than its negative."""
MAX_SECTIONS: Final = 8
"""Of a prompt of a request. Each is at least one chunk of tokens, and a model takes so many."""
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


def check_sections(prompt: str) -> None:
    """Raise ValueError, with a sentence for the user, if the last sections would be left out."""
    if prompt.count("BREAK") < MAX_SECTIONS:  # most prompts need not be parsed
        return
    sections = parse_weights(prompt)
    count = len(sections) if sections[-1] else len(sections) - 1  # an empty last one is no chunk
    if count > MAX_SECTIONS:
        raise ValueError(
            f"BREAK divides a prompt into {count} parts; at most {MAX_SECTIONS} are allowed."
        )


def as_words(text: str) -> str:
    """A prompt without weights and breaks whose words are this text."""
    if parse_weights(text) == ((WeightedText(text),),):
        return text
    escaped = re.sub(r"[\\()\[\]]", r"\\\g<0>", text)
    return re.sub(r"\bBREAK\b", r"B\\REAK", escaped)


class _Parser:
    """Reads the tokens of a prompt one after the other."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._weights: list[float] = []
        self._section_starts = [0]
        """The index of the part with which each section begins."""
        self._open: dict[str, list[int]] = {"(": [], "[": []}
        """By kind, the index of the part with which each open bracket begins."""

    def read(self, mark: str, weight: str | None) -> None:
        """Read the next token; `weight` is the number in `:1.3)`."""
        if mark.startswith("\\"):
            self._add(mark[1:])
        elif mark in self._open:
            self._open[mark].append(len(self._texts))
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
                self._section_starts.append(len(self._texts))
                self._add(text)

    def finish(self) -> tuple[Section, ...]:
        """The sections, after the last token."""
        for kind, factor in (("(", _ROUND), ("[", _SQUARE)):
            for start in self._open[kind]:
                self._multiply(start, factor)
        parts = list(map(WeightedText, self._texts, self._weights))
        return tuple(
            _joined(parts[start:end])
            for start, end in pairwise([*self._section_starts, len(parts)])
        )

    def _add(self, text: str) -> None:
        self._texts.append(text)
        self._weights.append(1.0)

    def _multiply(self, start: int, factor: float) -> None:
        """Multiply the weights from this part on.

        A prompt may have hundreds of brackets around hundreds of parts, so a product costs no call.
        """
        factor = max(-MAX_WEIGHT, min(factor, MAX_WEIGHT))
        most, least = MAX_WEIGHT, -MAX_WEIGHT
        self._weights[start:] = [
            most if (product := weight * factor) > most else least if product < least else product
            for weight in self._weights[start:]
        ]


def _joined(section: list[WeightedText]) -> Section:
    """The parts of a section, with neighbours of one weight as one, without empty ones."""
    parts = (
        WeightedText("".join(part.text for part in group), weight)
        for weight, group in groupby(section, attrgetter("weight"))
    )
    return tuple(part for part in parts if part.text)
