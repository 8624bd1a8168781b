"""What may be asked for in words: each server's own list, and one rule that nothing turns off.

Pure. A negative prompt names what a person does not want to see, so banned words in it do no harm;
the one rule heeds it only where it asks for the same by taking away: a child without "clothes".
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Final

import msgspec

from bot.errors import Refused
from bot.prompt_filter import ages, minors, normalize
from bot.prompt_filter.normalize import Text
from bot.prompt_filter.word_matcher import Lexicon, glued

WORD_LIMIT: Final = 40
"""Characters of a word or phrase on a server's list."""
WORDS_LIMIT: Final = 200
"""Words and phrases on a server's list."""
_LETTERS_LEAST: Final = 2
_SHORT: Final = 3
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[0-9])(?=[A-Z])")
_TALL_I: Final = re.compile(r"(?<=[a-z])I(?=[a-z])")


class Rule(StrEnum):
    """What a request may break."""

    MINORS = "minors"
    """No sexual content with minors, wherever, whatever anybody set."""
    WORDS = "words"
    """Those who manage the server do not want these words painted there."""


SENTENCES: Final = {
    Rule.MINORS: "I paint no sexual content with minors, on no server. Nothing was queued.",
    Rule.WORDS: "This server's list of banned words does not allow that. Nothing was queued.",
}


class Breach(msgspec.Struct, frozen=True):
    """A rule that a request breaks, and the terms of the lists that say so."""

    rule: Rule
    terms: tuple[str, ...]


def breach(prompt: str, negative: str, *, words: tuple[str, ...]) -> Breach | None:
    """The rule that these prompts break, if any; `words` is the server's own list."""
    terms = _sexual_with_minors(_written(prompt), normalize.folded(negative))
    if terms:
        return Breach(Rule.MINORS, tuple(sorted(terms)))
    banned = _lexicon(words).found(normalize.read(normalize.folded(prompt))) if words else set()
    return Breach(Rule.WORDS, tuple(sorted(banned))) if banned else None


def word(text: str) -> str:
    """A word or phrase as it stands on a server's list. Raises Refused if it can be none."""
    plain = " ".join(text.casefold().split())
    letters = [c for c in normalize.folded(plain) if c.isalnum()]
    if len(plain) > WORD_LIMIT:
        raise Refused(f"That has {len(plain)} characters; {WORD_LIMIT} are allowed.")
    if len(letters) < _LETTERS_LEAST or "*" in plain[:-1]:
        raise Refused(
            "A word has two letters or digits at least; a * at its end stands for any ending."
        )
    return plain


def _written(prompt: str) -> str:
    """A prompt in all ways in which it may be written, folded: also with words that only capitals
    part, with a capital I for an l, and backwards."""
    ways = [prompt, _HUMP.sub(" ", prompt), _TALL_I.sub("l", prompt)]
    folded = list(dict.fromkeys(map(normalize.folded, ways)))
    words = re.findall(r"[^\W_]+", folded[0])
    if not _BACKWARDS.isdisjoint(words):
        folded += [folded[0][::-1], " ".join(word[::-1] for word in words)]
    return " , ".join(folded)


def _sexual_with_minors(prompt: str, negative: str) -> set[str]:
    text = normalize.read(_HARMLESS.sub(" , ", prompt))
    if alone := _ALONE.found(text):
        return alone
    young = _MINORS.found(text) | _ages(text)
    sexual = _SEXUAL.found(text) | _bared(text)
    taken = normalize.read(negative)
    if young and not sexual:
        sexual = _NO_CLOTHES.found(taken)
    elif sexual and not young:
        young = _NO_ADULTS.found(taken)
    if young and sexual:
        return young | sexual
    return glued(_MINORS, _SEXUAL, text, beside=minors.BESIDE)


def _ages(text: Text) -> set[str]:
    return _matched(ages.AGES, text)


def _bared(text: Text) -> set[str]:
    return _matched(minors.UNDRESSING, text)


def _matched(patterns: Sequence[re.Pattern[str]], text: Text) -> set[str]:
    return {found[0].strip(" ,") for each in patterns if (found := each.search(text.plain))}


def _backwards() -> frozenset[str]:
    """Single words of the rule from their last letter on, where they are no other words."""
    terms = (normalize.folded(term.rstrip("*")) for term in (*minors.MINORS, *minors.SEXUAL))
    words = {term[::-1] for term in terms if term.isascii() and term.isalpha()}
    long = {word for word in words - minors.NOT_BACKWARDS if len(word) > _SHORT}
    return minors.BACKWARDS | long


def _harmless(term: str) -> str:
    """A regular expression of a folded phrase, however its words are parted."""
    parts = re.findall(r"[^\W_]+", term)
    written = r"[\W_]+".join(parts) + (r"[^\W_]*" if term.endswith("*") else "")
    return written if not term.isascii() else rf"(?<![^\W_]){written}(?![^\W_])"


_ALONE: Final = Lexicon(minors.ALONE)
_MINORS: Final = Lexicon(minors.MINORS)
_SEXUAL: Final = Lexicon(minors.SEXUAL)
_NO_CLOTHES: Final = Lexicon(minors.NO_CLOTHES)
_NO_ADULTS: Final = Lexicon(minors.NO_ADULTS)
_BACKWARDS: Final = _backwards()
_HARMLESS: Final = re.compile(
    "|".join(_harmless(normalize.folded(term)) for term in minors.HARMLESS)
)
_lexicon: Final = lru_cache(maxsize=64)(Lexicon)
