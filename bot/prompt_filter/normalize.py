"""Normalize text written with lookalike characters and split it into words; pure.

Like a skeleton of Unicode confusables (UTS #39), a normalized text is for comparison only: a
Russian word is partly Latin afterwards, and so it is in the word lists, which are normalized too.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import product
from math import prod
from typing import Final

import msgspec

_INVISIBLE_CATEGORIES: Final = frozenset({"Mn", "Me", "Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode categories of combining marks and invisible characters."""
_BLANK_LETTERS: Final = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"))
_LUNATE_SIGMAS: Final = {0x3F2: "c", 0x3F9: "c"}
"""Lunate sigmas look like a c, but NFKC makes them other sigmas."""
_MAX_READINGS: Final = 64
_MIN_RUN: Final = 3
"""So many single letters in a row are read as a word."""
_MAX_RUN_READINGS: Final = 8
_MAX_RUN_WORD: Final = 20
"""Length of the longest word that is searched in a run of single letters."""


def _pairs(table: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1:] for pair in table.split()}


_CONFUSABLES: Final = _pairs(
    "аa бb вb гr еe зe иn іi јj кk мm нh оo пn рp сc ԁd тt уy ѵv хx һh цu шw щw ьb яr ѕs ԛq ԝw ӏl "
    "ԃd ҽe ԋh ӄk ӿx ҳx єe αa βb γy δd εe ζz ηn ιi κk μm νv οo ρp ςc σo τt υu χx ωw ϳj ϝf ϙq "
    "աu հh յj ոn սu ցg օo քp ղn ռn զq ֆs ⴆb ცb ყy "
    "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz "
    "ɑa ɐa ðd ɛe əe ǝe ʄf ɡg ɧh ıi ɩi ʅl ʍm ŋn ɵo ʉu ʊu ʋu ɯw æae œoe "
    "₳a ฿b ₿b ₵c ₣f ₲g ₭k ₥m ₦n ₱p ₴s ₮t ₩w ∂d ℘p "
    "ᗩa ᗷb ᑕc ᗪd ᗞd ᗴe ᖴf ᘜg ᕼh ᒍj ᒪl ᗰm ᑎn ᗝo ᑭp ᑫq ᖇr ᔕs ᑌu ᐯv ᗯw ᘔz "
    "Ꮧa Ꭺa Ᏸb Ᏼb Ꮯc ፈc Ꮄd Ꭰd Ꮛe Ꭼe Ꭶf Ꮆg Ꮐg Ꮒh Ꮋh Ꭵi Ꮰj Ꭻj Ꮶk Ꮭl Ꮮl Ꮇm Ꮑn Ꭷo "
    "Ꮎo Ꭾp Ꮲp Ꮢr Ꭱr Ꮥs Ꮪs Ꮦt Ꭲt Ꮼu Ꮙv Ꮩv Ꮗw Ꮃw Ꭹy Ꮓz "
    "ꓮa ꓐb ꓚc ꓓd ꓰe ꓝf ꓖg ꓧh ꓲi ꓙj ꓗk ꓡl ꓟm ꓠn ꓳo ꓑp ꓣr ꓢs ꓔt ꓴu ꓦv ꓪw ꓫx ꓬy ꓜz"
)
"""Letters of Cyrillic, Greek, Armenian and other scripts, by the Latin letter they look like."""
_STROKE_NAME: Final = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH ")
_GREEK_CAPITALS: Final = _pairs("Αa Βb Εe Ζz Ηh Ιi Κk Μm Νn Οo Ρp Τt Υy Χx")
"""Greek capitals, which look like other Latin letters than their lower case does."""
_ENCLOSED_LETTERS: Final = {
    first + n: chr(ord("a") + n)
    for first in (0x1F110, 0x1F150, 0x1F170, 0x1F1E6, 0x249C)
    for n in range(26)
}
"""Letters in brackets, in circles and squares, and regional indicators (halves of flags)."""

_SUBSTITUTIONS: Final = {
    "0": ("0", "o"),
    "1": ("1", "l", "i"),
    "2": ("2", "z"),
    "3": ("3", "e"),
    "4": ("4", "a"),
    "5": ("5", "s"),
    "6": ("6", "b", "g"),
    "7": ("7", "t"),
    "8": ("8", "b"),
    "9": ("9", "g"),
    "@": ("a",),
    "$": ("s",),
    "!": ("l", "i"),
    "¡": ("i",),
    "|": ("l", "i"),
    "+": ("t",),
    "€": ("e",),
    "£": ("l",),
    "¢": ("c",),
    "ñ": ("n", "ñ"),
    "*": ("", "a", "e", "i", "o", "u"),
    "#": ("", "a", "e", "i", "o", "u"),
    "%": ("", "a", "e", "i", "o", "u"),
    **dict.fromkeys("-_.'’·•~^`=", ("",)),
}
"""The readings of a character inside a word, the likeliest last; "" if it may be a separator."""
_SIGN_LETTERS: Final = {
    ord(sign): letters[-1]
    for sign, letters in _SUBSTITUTIONS.items()
    if not sign.isalnum() and "" not in letters
}
_SIGNS: Final = "".join(sign for sign in _SUBSTITUTIONS if not sign.isalnum())
_WORD: Final = re.compile(r"[^\W_]+")
_FINAL_SIGNS: Final = "!¡|"
"""Signs that are punctuation at the end of a word."""
_CHUNK: Final = re.compile(rf"[{re.escape(_SIGNS)}]*[^\W_](?:[^\W_]|[{re.escape(_SIGNS)}])*")
_ITEM: Final = re.compile(r"[^\W_]+|[@$!|+€£¢]")
_PROMPT_WEIGHT: Final = re.compile(r"(?<=[^\d\s]):\d*\.?\d+(?=[\s\])},]|$)")
"""Weights in the prompt syntax of other bots: (word:1.3)."""
_INNER_PUNCTUATION: Final = re.compile(
    rf"(?<=[^\W\d_])[^\w\s{re.escape(_SIGNS)}]+(?=[^\W_])"
    rf"|(?<=\d)[^\w\s{re.escape(_SIGNS)}]+(?=[^\W\d_])"
)
"""Punctuation between letters, or between a letter and a digit."""
_CONTRACTION: Final = re.compile(r"\b(i|you|he|she|it|we|they)['’](?=(?:ll|d|re|ve|m|s)\b)")
_REPETITION: Final = re.compile(r"([^\W\d_])\1{2,}")
_INNER_DIGITS: Final = re.compile(r"(?<=[^\W\d_])[0-9@$!]+|\b0(?=[^\W\d_])")
_DIGIT_LETTERS: Final = str.maketrans("01345789@$!", "oieastbgasi")
_NUMBER_OR_WORD: Final = re.compile(r"\d+|[^\W\d_]+|,")
_CLAUSE_END: Final = re.compile(r"[,;!?()\[\]{}\"\n。、，]|\.(?=\s|$)")

Readings = frozenset[str]
Words = tuple[Readings, ...]


class Text(msgspec.Struct, frozen=True):
    """A text, split into words in several ways."""

    splits: tuple[Words, ...]
    """The words by several rules, each word with all its readings."""
    spelled_out: Words
    """The suffixes of each run of single letters ("n u d e"), with their readings."""
    plain: str
    """Words and numbers with single spaces between, and "," where a clause ends: first as written,
    then with digits inside words as letters, then the runs of single letters."""
    unspaced: str
    """Letters and digits alone, for languages that are written without spaces."""


def normalize(text: str) -> str:
    """Lower case, without marks and invisible characters, with lookalikes as Latin letters.

    Only ñ keeps its mark, because niña and the name Nina differ by it alone. Idempotent.
    """
    text = unicodedata.normalize(
        "NFKC", text.translate(_BLANK_LETTERS | _ENCLOSED_LETTERS | _LUNATE_SIGMAS)
    )
    parts = (_strip_marks(part) for part in text.replace("Ñ", "ñ").split("ñ"))
    text = "ñ".join(parts).translate(_GREEK_CAPITALS).casefold().translate(_CONFUSABLES)
    return unicodedata.normalize("NFC", "".join(map(_to_latin, text)))


def _strip_marks(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(
        c for c in decomposed if c.isspace() or unicodedata.category(c) not in _INVISIBLE_CATEGORIES
    )


def _to_latin(c: str) -> str:
    """A letter without its strokes and hooks, or a digit of any script as an ASCII digit."""
    if c.isascii() or c == "ñ":
        return c
    digit = unicodedata.digit(c, None)
    if digit is not None:
        return str(digit)
    match = _STROKE_NAME.match(unicodedata.name(c, ""))
    return match[1].lower() if match else c


def tokenize(text: str) -> Text:
    """Split a normalized text into words."""
    # A sign between single letters may be a letter or a separator.
    runs = list(
        dict.fromkeys(_single_letters(_ITEM.findall(text)) + _single_letters(_WORD.findall(text)))
    )
    expanded = _CONTRACTION.sub(r"\1 ", text)
    joined = _INNER_PUNCTUATION.sub("", _PROMPT_WEIGHT.sub("", expanded))
    return Text(
        splits=(
            tuple(readings(word) for word in _WORD.findall(text)),
            tuple(_trimmed_readings(chunk) for chunk in _CHUNK.findall(expanded)),
            tuple(readings(word) for word in _WORD.findall(joined) if joined != text),
            tuple(readings(run) for run in runs if len(run) <= _MAX_RUN_WORD),
        ),
        spelled_out=tuple(
            readings(run[i : i + _MAX_RUN_WORD], _MAX_RUN_READINGS)
            for run in runs
            for i in range(len(run))
        ),
        plain=" , ".join(
            dict.fromkeys(map(_to_plain, (text, _digits_to_letters(text), joined, *runs)))
        ),
        unspaced=letters_and_digits(text),
    )


def _to_plain(text: str) -> str:
    return " ".join(_NUMBER_OR_WORD.findall(_CLAUSE_END.sub(" , ", text.replace("<", " under "))))


def _digits_to_letters(text: str) -> str:
    """With repeated letters shortened, and digits as letters where they cannot be a number."""
    text = _REPETITION.sub(r"\1", text)
    return _INNER_DIGITS.sub(lambda match: match[0].translate(_DIGIT_LETTERS), text)


def letters_and_digits(text: str) -> str:
    """The text without spaces and signs."""
    return "".join(_WORD.findall(text))


def term_words(term: str) -> list[str]:
    """Split a normalized term of a word list; a * at its end stays at the last word."""
    chunks = [chunk.strip(_FINAL_SIGNS) for chunk in _CHUNK.findall(term)]
    replaced = [_replace_signs(chunk) for chunk in chunks]
    has_signs = replaced != chunks
    words = [letters_and_digits(chunk) for chunk in replaced] if has_signs else _WORD.findall(term)
    return [*words[:-1], words[-1] + "*"] if term.endswith("*") else words


def readings(word: str, limit: int = _MAX_READINGS) -> Readings:
    """The word with its digits and signs replaced by letters in all ways; numbers stay as they are.

    If there are more than `limit` ways, only the likeliest one.
    """
    if not any(c.isalpha() for c in word):
        return frozenset({word})
    options = [_SUBSTITUTIONS.get(c, (c,)) for c in word]
    if prod(map(len, options)) > limit:
        options = [chars[:1] if "" in chars else chars[-1:] for chars in options]
    return frozenset({letters_and_digits(_replace_signs(word)), *map("".join, product(*options))})


def _replace_signs(word: str) -> str:
    """With the likeliest letter for each sign that stands for one, unless it is a number."""
    return word.translate(_SIGN_LETTERS) if any(c.isalpha() for c in word) else word


def _trimmed_readings(chunk: str) -> Readings:
    """The readings with and without the signs at its ends, which may be punctuation."""
    left, right = chunk.lstrip(_SIGNS), chunk.rstrip(_SIGNS)
    variants = {chunk, left, right, chunk.strip(_SIGNS), chunk.strip(_FINAL_SIGNS)}
    return frozenset().union(*map(readings, variants))


def _single_letters(items: Iterable[str]) -> list[str]:
    """Each run of single letters, joined to one word."""
    runs = [""]
    for item in items:
        if len(item) == 1:
            runs[-1] += item
        elif runs[-1]:
            runs.append("")
    return [run for run in runs if len(run) >= _MIN_RUN]
