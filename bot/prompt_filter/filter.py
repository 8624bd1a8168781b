"""Check prompts: a guild's banned words, and no sexual content with minors in any guild; pure.

Banned words in a negative prompt are allowed, because it lists what shall not be in the picture.
The rule about minors reads it only for what its absence would make sexual or a minor: a child
without "clothes".
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from bot.errors import Refused
from bot.i18n import N_, _
from bot.prompt_filter import ages, minors
from bot.prompt_filter.normalize import Text, normalize, tokenize
from bot.prompt_filter.word_matcher import WordMatcher, matches_joined

MAX_WORD_CHARS: Final = 40
"""Characters of a banned word or phrase."""
MAX_WORDS: Final = 200
"""Banned words and phrases of a guild."""
_MIN_LETTERS: Final = 2
_SHORT: Final = 3
_CAMEL_CASE: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z])")
_CAPITAL_I: Final = re.compile(r"(?<=[a-z])I(?=[a-z])")


class Rule(StrEnum):
    """A rule for prompts."""

    MINORS = "minors"
    """No sexual content with minors, in any guild; no setting disables it."""
    WORDS = "words"
    """The words that the managers of the guild have banned."""


SENTENCES: Final = {
    Rule.MINORS: N_("I create no sexual content with minors, on any server. Nothing was queued."),
    Rule.WORDS: N_("The prompt has a word that is banned on this server. Nothing was queued."),
}


class Violation(msgspec.Struct, frozen=True):
    """A rule that a prompt violates, and the matching terms of the rule's list."""

    rule: Rule
    terms: tuple[str, ...]


def find_violation(prompt: str, negative: str, *, words: tuple[str, ...]) -> Violation | None:
    """The rule that these prompts violate, if any; `words` are the guild's banned words."""
    terms = _sexual_with_minors(_spellings(prompt), normalize(negative))
    if terms:
        return Violation(Rule.MINORS, tuple(sorted(terms)))
    banned = _matcher(words).matches(tokenize(normalize(prompt))) if words else set()
    return Violation(Rule.WORDS, tuple(sorted(banned))) if banned else None


def find_violation_in(
    prompts: Sequence[tuple[str, str]], *, words: tuple[str, ...]
) -> tuple[Violation, str, str] | None:
    """The violation, prompt and negative prompt of the first pair with a violation, if any.

    The pairs are those of one picture, so they are also checked as one text.
    """
    if len(prompts) > 1:
        all_prompts, all_negatives = zip(*prompts, strict=True)
        prompts = [*prompts, (", ".join(dict.fromkeys(all_prompts)), _common(all_negatives))]
    for prompt, negative in prompts:
        violation = find_violation(prompt, negative, words=words)
        if violation is not None:
            return violation, prompt, negative
    return None


def _common(negatives: Sequence[str]) -> str:
    return ", ".join(filter(None, dict.fromkeys(negatives)))


def normalize_banned_word(text: str) -> str:
    """A word or phrase in the form in which it is stored. Raises Refused if it is not valid."""
    word = " ".join(text.casefold().split())
    letters = [c for c in normalize(word) if c.isalnum()]
    if len(word) > MAX_WORD_CHARS:
        raise Refused(
            _("That has {count} characters; at most {limit} are allowed.").format(
                count=len(word), limit=MAX_WORD_CHARS
            )
        )
    if len(letters) < _MIN_LETTERS or "*" in word[:-1]:
        raise Refused(
            _(
                "A word must have at least two letters or digits. A * may stand at its "
                "end only, for any ending."
            )
        )
    return word


def _spellings(prompt: str) -> str:
    """The prompt normalized in several ways, separated by commas.

    Also split at capitals, with a capital I as an l, and, if it has a word that is typical of it,
    backwards.
    """
    variants = [prompt, _CAMEL_CASE.sub(" ", prompt), _CAPITAL_I.sub("l", prompt)]
    spellings = list(dict.fromkeys(map(normalize, variants)))
    words = re.findall(r"[^\W_]+", spellings[0])
    if not _BACKWARDS.isdisjoint(words):
        spellings += [spellings[0][::-1], " ".join(word[::-1] for word in words)]
    return " , ".join(spellings)


def _sexual_with_minors(prompt: str, negative: str) -> set[str]:
    """The terms that violate the rule about minors, of normalized prompts."""
    text = tokenize(_HARMLESS.sub(" , ", prompt))
    if terms := _ALONE.matches(text):
        return terms
    young = _MINORS.matches(text) | _search(ages.AGES, text)
    sexual = _SEXUAL.matches(text) | _search(minors.UNDRESSING, text)
    excluded = tokenize(negative)
    if young and not sexual:
        sexual = _NO_CLOTHES.matches(excluded)
    elif sexual and not young:
        young = _NO_ADULTS.matches(excluded)
    if young and sexual:
        return young | sexual
    return matches_joined(_MINORS, _SEXUAL, text, affixes=minors.AFFIXES)


def _search(patterns: Sequence[re.Pattern[str]], text: Text) -> set[str]:
    matches = (pattern.search(text.plain) for pattern in patterns)
    return {match[0].strip(" ,") for match in matches if match}


def _backwards() -> frozenset[str]:
    """Single words of the rule's lists, reversed, except those that are words themselves."""
    terms = (normalize(term.rstrip("*")) for term in (*minors.MINORS, *minors.SEXUAL))
    words = {term[::-1] for term in terms if term.isascii() and term.isalpha()}
    long = {word for word in words - minors.NOT_BACKWARDS if len(word) > _SHORT}
    return minors.BACKWARDS | long


def _phrase_pattern(term: str) -> str:
    """A regular expression for a normalized phrase, with any separators between its words."""
    parts = re.findall(r"[^\W_]+", term)
    pattern = r"[\W_]+".join(parts) + (r"[^\W_]*" if term.endswith("*") else "")
    return pattern if not term.isascii() else rf"(?<![^\W_]){pattern}(?![^\W_])"


_ALONE: Final = WordMatcher(minors.ALONE)
_MINORS: Final = WordMatcher(minors.MINORS)
_SEXUAL: Final = WordMatcher(minors.SEXUAL)
_NO_CLOTHES: Final = WordMatcher(minors.NO_CLOTHES)
_NO_ADULTS: Final = WordMatcher(minors.NO_ADULTS)
_BACKWARDS: Final = _backwards()
_HARMLESS: Final = re.compile(
    "|".join(_phrase_pattern(normalize(term)) for term in minors.HARMLESS)
)
_matcher: Final = lru_cache(maxsize=64)(WordMatcher)
