"""Find the words and phrases of a list in a text, as whole words; pure."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from typing import Final

import msgspec

from bot.prompt_filter.normalize import (
    Readings,
    Text,
    Words,
    letters_and_digits,
    normalize,
    term_words,
)

_STEM: Final = "*"
_SHORT: Final = 3
"""In words of at most so many letters, a doubled letter makes another word: god and good."""
_REPEATED: Final = 3
_MIN_PART: Final = 3
_JOINED: Final = range(2 * _MIN_PART, 40)
_UNSPACED: Final = re.compile(r"[\u3040-\u30ff\u31f0-\u31ff\u3400-\u9fff]")
"""Kana and Han, which are written without spaces."""
_KATAKANA: Final = re.compile(r"[\u30a1-\u30fa\u30fc-\u30ff]+")


class Word(msgspec.Struct, frozen=True):
    """A word, run-length encoded: its letters without repetitions, and the length of each run."""

    letters: str
    runs: tuple[int, ...]
    is_stem: bool = False
    """Whether it matches words that go on after it."""

    def matches(self, word: "Word", *, as_prefix: bool = False) -> bool:
        """Whether `word` is this word, possibly with repeated letters, or begins with it."""
        size, is_short = len(self.letters), sum(self.runs) <= _SHORT
        may_go_on = self.is_stem or (as_prefix and not is_short)
        if word.letters[:size] != self.letters or (len(word.letters) > size and not may_go_on):
            return False
        return all(
            run == own_run or (char.isalpha() and run >= (_REPEATED if is_short else own_run))
            for char, run, own_run in zip(self.letters, word.runs, self.runs, strict=False)
        )


@lru_cache(maxsize=4096)
def _word(text: str) -> Word:
    """Encode a normalized word; a * at its end stands for any ending."""
    groups = [(char, len(list(run))) for char, run in groupby(text.rstrip(_STEM))]
    letters, runs = "".join(char for char, _ in groups), tuple(size for _, size in groups)
    return Word(letters, runs, text.endswith(_STEM))


class WordMatcher:
    """Finds terms in texts; a * at the end of a term stands for any ending."""

    def __init__(self, terms: Iterable[str]) -> None:
        self._phrases: dict[str, list[tuple[list[Word], str]]] = {}
        self._unspaced: list[tuple[str, str]] = []
        self._katakana: list[tuple[re.Pattern[str], str]] = []
        for term in dict.fromkeys(terms):
            normalized = normalize(term)
            if _KATAKANA.fullmatch(normalized):
                self._katakana.append((_katakana_word(normalized), term))
            elif _UNSPACED.search(normalized):
                self._unspaced.append((letters_and_digits(normalized), term))
            else:
                words = term_words(normalized)
                self._add(words, term)
                self._add(["".join(words)], term)
        self._sizes = sorted({len(letters) for letters in self._phrases})

    def _add(self, words: list[str], term: str) -> None:
        phrase = [_word(word) for word in words]
        self._phrases.setdefault(phrase[0].letters, []).append((phrase, term))

    def matches(self, text: Text) -> set[str]:
        """The terms that are in the text."""
        unspaced = {term for part, term in self._unspaced if part in text.unspaced}
        katakana = {term for pattern, term in self._katakana if pattern.search(text.plain)}
        words = (self._matches_in(words) for words in text.splits)
        return unspaced.union(katakana, self._spelled_out(text), *words)

    def _spelled_out(self, text: Text) -> Iterator[str]:
        for readings in text.spelled_out:
            for reading in readings:
                for phrase, term in self._beginning(reading, as_prefix=True):
                    if len(phrase) == 1:
                        yield term

    def _matches_in(self, words: Words) -> Iterator[str]:
        for i, readings in enumerate(words):
            for reading in readings:
                for (_, *rest), term in self._beginning(reading):
                    following = words[i + 1 : i + 1 + len(rest)]
                    if len(following) == len(rest) and all(map(_matches_any, rest, following)):
                        yield term

    def term_for(self, word: str) -> str | None:
        """The single-word term that matches this word, if any."""
        return next((term for words, term in self._beginning(word) if len(words) == 1), None)

    def _beginning(
        self, reading: str, *, as_prefix: bool = False
    ) -> Iterator[tuple[list[Word], str]]:
        """The phrases whose first word matches this one, or a prefix of it."""
        word = _word(reading)
        for size in self._sizes:
            if size > len(word.letters):
                return
            for phrase, term in self._phrases.get(word.letters[:size], ()):
                if phrase[0].matches(word, as_prefix=as_prefix):
                    yield phrase, term


def matches_joined(
    first: WordMatcher, second: WordMatcher, text: Text, *, affixes: tuple[str, ...] = ()
) -> set[str]:
    """Pairs of terms, one of each matcher, that are joined to one word, in either order.

    One of `affixes` may be joined before or after them.
    """
    words = {
        reading
        for split in text.splits
        for readings in split
        for reading in readings
        if len(reading) in _JOINED
    }
    candidates = words.union(
        *(
            (word.removeprefix(affix), word.removesuffix(affix))
            for word in words
            for affix in affixes
        )
    )
    return {
        term
        for left, right in ((first, second), (second, first))
        for word in candidates
        for i in range(_MIN_PART, len(word) - _MIN_PART + 1)
        if (start := left.term_for(word[:i])) and (end := right.term_for(word[i:]))
        for term in (start, end)
    }


def _matches_any(word: Word, readings: Readings) -> bool:
    return any(word.matches(_word(reading)) for reading in readings)


def _katakana_word(term: str) -> re.Pattern[str]:
    """Matches the term only as a whole word, because many katakana words end with another one."""
    return re.compile(rf"(?<![\u30a1-\u30ff]){term}(?![\u30a1-\u30ff])")
