"""A list of words and phrases, and which of them a text holds as whole words; pure."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Final

import msgspec

from bot.prompt_filter import normalize
from bot.prompt_filter.normalize import Text

_STEM: Final = "*"
_SHORT: Final = 3
"""Of words of so many letters, a doubled letter makes another word: god and good."""
_DRAWN_OUT: Final = 3
_HALF: Final = 3
_GLUED: Final = range(2 * _HALF, 40)
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff]")
"""Kana and Han, which are written without blanks."""
_KATAKANA: Final = re.compile(r"[\u30a1-\u30fa\u30fc-\u30ff]+")


class Word(msgspec.Struct, frozen=True):
    """A word without repetitions of letters, and how often each letter stood there."""

    letters: str
    runs: tuple[int, ...]
    stem: bool = False
    """May it go on?"""

    def fits(self, other: "Word", *, part: bool = False) -> bool:
        """Is the other one this word, perhaps with letters drawn out; or does it begin with it?"""
        size, short = len(self.letters), sum(self.runs) <= _SHORT
        may_go_on = self.stem or (part and not short)
        if other.letters[:size] != self.letters or (len(other.letters) > size and not may_go_on):
            return False
        return all(
            had == wanted or (letter.isalpha() and had >= (_DRAWN_OUT if short else wanted))
            for letter, had, wanted in zip(self.letters, other.runs, self.runs, strict=False)
        )


@lru_cache(maxsize=4096)
def _word(text: str) -> Word:
    """Of a folded word; a star at its end stands for any ending."""
    groups = [(letter, len(list(same))) for letter, same in groupby(text.rstrip(_STEM))]
    letters, runs = "".join(one for one, _ in groups), tuple(count for _, count in groups)
    return Word(letters, runs, text.endswith(_STEM))


class Lexicon:
    """Made once, asked often."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._phrases: dict[str, list[tuple[list[Word], str]]] = {}
        self._dense: list[tuple[str, str]] = []
        self._katakana: list[tuple[re.Pattern[str], str]] = []
        for term in dict.fromkeys(terms):
            folded = normalize.folded(term)
            if _KATAKANA.fullmatch(folded):
                self._katakana.append((_alone(folded), term))
            elif _UNSPACED.search(folded):
                self._dense.append((normalize.dense(folded), term))
            else:
                words = normalize.words(folded)
                self._keep(words, term)
                self._keep(["".join(words)], term)
        self._sizes = sorted({len(letters) for letters in self._phrases})

    def _keep(self, words: list[str], term: str) -> None:
        phrase = [_word(word) for word in words]
        self._phrases.setdefault(phrase[0].letters, []).append((phrase, term))

    def found(self, text: Text) -> set[str]:
        """The terms that stand in the text."""
        dense = {term for part, term in self._dense if part in text.dense}
        alone = {term for pattern, term in self._katakana if pattern.search(text.plain)}
        return dense.union(alone, self._spelled(text), *(self._found_in(cut) for cut in text.cuts))

    def _spelled(self, text: Text) -> Iterator[str]:
        for readings in text.runs:
            for reading in readings:
                for phrase, term in self._beginning(reading, part=True):
                    if len(phrase) == 1:
                        yield term

    def _found_in(self, cut: normalize.Words) -> Iterator[str]:
        for at, readings in enumerate(cut):
            for reading in readings:
                for (_, *rest), term in self._beginning(reading):
                    following = cut[at + 1 : at + 1 + len(rest)]
                    if len(following) == len(rest) and all(map(_is_among, rest, following)):
                        yield term

    def named(self, reading: str) -> str | None:
        """The one word of the list that this is."""
        return next((term for words, term in self._beginning(reading) if len(words) == 1), None)

    def _beginning(self, reading: str, *, part: bool = False) -> Iterator[tuple[list[Word], str]]:
        """The phrases that may begin with this word, or with a part of it."""
        word = _word(reading)
        for size in self._sizes:
            if size > len(word.letters):
                return
            for phrase, term in self._phrases.get(word.letters[:size], ()):
                if phrase[0].fits(word, part=part):
                    yield phrase, term


def glued(first: Lexicon, second: Lexicon, text: Text, *, beside: tuple[str, ...] = ()) -> set[str]:
    """Terms of both lists that are written as one word, in either order, perhaps with a word of
    `beside` before or after them."""
    found = {each for cut in text.cuts for word in cut for each in word if len(each) in _GLUED}
    whole = found.union(
        *((each.removeprefix(word), each.removesuffix(word)) for each in found for word in beside)
    )
    return {
        term
        for one, other in ((first, second), (second, first))
        for reading in whole
        for at in range(_HALF, len(reading) - _HALF + 1)
        if (left := one.named(reading[:at])) and (right := other.named(reading[at:]))
        for term in (left, right)
    }


def _is_among(word: Word, readings: normalize.Readings) -> bool:
    return any(word.fits(_word(reading)) for reading in readings)


def _alone(term: str) -> re.Pattern[str]:
    """Katakana must stand alone: one word is often the end of another."""
    return re.compile(rf"(?<![\u30a1-\u30ff]){term}(?![\u30a1-\u30ff])")
