"""Somebody's words as plain lower-case letters, with whichever characters they are written; pure.

Lists of words are folded in the same way, so it does not matter that a Russian word is half Latin
afterwards: both sides of each comparison are.
"""

import re
import unicodedata
from collections.abc import Iterable
from itertools import product
from math import prod
from typing import Final

import msgspec

_UNSEEN: Final = frozenset({"Mn", "Me", "Cc", "Cf", "Cs", "Co", "Cn"})
"""Unicode's marks that sit on letters, and what shows nothing."""
_BLANK_LETTERS: Final = dict.fromkeys(map(ord, "\u115f\u1160\u3164\uffa0"))
_LUNATE: Final = {0x3F2: "c", 0x3F9: "c"}
"""Sigmas like a c, which would become others."""
_READINGS_LIMIT: Final = 64
_SPELLED: Final = 3
"""So many single letters in a row may spell a word."""
_RUN_READINGS_LIMIT: Final = 8
_RUN_WORD: Final = 20
"""The longest word that is looked for inside a run of single letters."""


def _pairs(table: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1:] for pair in table.split()}


_LOOKALIKES: Final = _pairs(
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
"""Letters by whom they are taken for: of Cyrillic, Greek, Armenian and other scripts."""
_STROKED: Final = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH ")
_CAPITALS: Final = _pairs("Αa Βb Εe Ζz Ηh Ιi Κk Μm Νn Οo Ρp Τt Υy Χx")
"""Greek capitals, which look like others than their small letters do."""
_ENCLOSED: Final = {
    first + n: chr(ord("a") + n)
    for first in (0x1F110, 0x1F150, 0x1F170, 0x1F1E6, 0x249C)
    for n in range(26)
}
"""Between brackets, white on black, and the halves of flags."""

_MEANT: Final = {
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
"""What a character may stand for inside a word, the likeliest last; "" where it may be none."""
_SIGN_LETTERS: Final = {
    ord(sign): meant[-1] for sign, meant in _MEANT.items() if not sign.isalnum() and "" not in meant
}
_SIGNS: Final = "".join(sign for sign in _MEANT if not sign.isalnum())
_WORD: Final = re.compile(r"[^\W_]+")
_MARKS: Final = "!¡|"
"""Signs that at the end of a word are no letters."""
_CHUNK: Final = re.compile(rf"[{re.escape(_SIGNS)}]*[^\W_](?:[^\W_]|[{re.escape(_SIGNS)}])*")
_ITEM: Final = re.compile(r"[^\W_]+|[@$!|+€£¢]")
_WEIGHT: Final = re.compile(r"(?<=[^\d\s]):\d*\.?\d+(?=[\s\])},]|$)")
"""What other bots read as "more of this"."""
_INSIDE: Final = re.compile(
    rf"(?<=[^\W\d_])[^\w\s{re.escape(_SIGNS)}]+(?=[^\W_])"
    rf"|(?<=\d)[^\w\s{re.escape(_SIGNS)}]+(?=[^\W\d_])"
)
"""Brackets and the like between letters, or between a letter and a digit."""
_CONTRACTED: Final = re.compile(r"\b(i|you|he|she|it|we|they)['’](?=(?:ll|d|re|ve|m|s)\b)")
_DRAWN_OUT: Final = re.compile(r"([^\W\d_])\1{2,}")
_LATE_DIGIT: Final = re.compile(r"(?<=[^\W\d_])[0-9@$!]+|\b0(?=[^\W\d_])")
_AS_LETTERS: Final = str.maketrans("01345789@$!", "oieastbgasi")
_NUMBER_OR_WORD: Final = re.compile(r"\d+|[^\W\d_]+|,")
_CLAUSE_END: Final = re.compile(r"[,;!?()\[\]{}\"\n。、，]|\.(?=\s|$)")

Readings = frozenset[str]
Words = tuple[Readings, ...]


class Text(msgspec.Struct, frozen=True):
    """A text in all ways in which it may be meant to be read."""

    cuts: tuple[Words, ...]
    """The text cut into words in several ways; each word with all that it may stand for."""
    runs: Words
    """What is spelled letter by letter, from each of its letters on."""
    plain: str
    """Words and numbers with single blanks between, and "," where a clause ends: first as they
    stand, then with digits inside words as letters, then what is spelled letter by letter."""
    dense: str
    """Letters and digits alone, for languages that write no blanks."""


def folded(text: str) -> str:
    """Lower case, without marks and unseen characters, and lookalikes as the letters they ape.

    Only ñ keeps its mark: niña is a girl, and Nina is a name.
    """
    text = unicodedata.normalize("NFKC", text.translate(_BLANK_LETTERS | _ENCLOSED | _LUNATE))
    parts = (_bare(part) for part in text.replace("Ñ", "ñ").split("ñ"))
    text = "ñ".join(parts).translate(_CAPITALS).casefold().translate(_LOOKALIKES)
    return unicodedata.normalize("NFC", "".join(map(_latin, text)))


def _bare(text: str) -> str:
    apart = unicodedata.normalize("NFD", text)
    return "".join(c for c in apart if c.isspace() or unicodedata.category(c) not in _UNSEEN)


def _latin(c: str) -> str:
    """A letter without its strokes and hooks, or a digit of any script as one of ours."""
    if c.isascii() or c == "ñ":
        return c
    digit = unicodedata.digit(c, None)
    if digit is not None:
        return str(digit)
    stroked = _STROKED.match(unicodedata.name(c, ""))
    return stroked[1].lower() if stroked else c


def read(text: str) -> Text:
    """All that a text, which is folded already, may be meant to say."""
    spelled = list(
        dict.fromkeys(_spelled(_ITEM.findall(text)) + _spelled(_WORD.findall(text)))
    )  # a sign between letters may be one of them
    apart = _CONTRACTED.sub(r"\1 ", text)
    joined = _INSIDE.sub("", _WEIGHT.sub("", apart))
    return Text(
        cuts=(
            tuple(readings(word) for word in _WORD.findall(text)),
            tuple(_trimmed(chunk) for chunk in _CHUNK.findall(apart)),
            tuple(readings(word) for word in _WORD.findall(joined) if joined != text),
            tuple(readings(run) for run in spelled if len(run) <= _RUN_WORD),
        ),
        runs=tuple(
            readings(run[at : at + _RUN_WORD], _RUN_READINGS_LIMIT)
            for run in spelled
            for at in range(len(run))
        ),
        plain=" , ".join(dict.fromkeys(map(_plain, (text, _lettered(text), joined, *spelled)))),
        dense=dense(text),
    )


def _plain(text: str) -> str:
    return " ".join(_NUMBER_OR_WORD.findall(_CLAUSE_END.sub(" , ", text.replace("<", " under "))))


def _lettered(text: str) -> str:
    """With drawn out letters short, and digits as letters where they cannot be a number."""
    text = _DRAWN_OUT.sub(r"\1", text)
    return _LATE_DIGIT.sub(lambda found: found[0].translate(_AS_LETTERS), text)


def dense(text: str) -> str:
    """Its letters and digits alone."""
    return "".join(_WORD.findall(text))


def words(term: str) -> list[str]:
    """A folded term of a list as single words, with its star."""
    chunks = [chunk.strip(_MARKS) for chunk in _CHUNK.findall(term)]
    meant = [_with_sign_letters(chunk) for chunk in chunks]
    found = _WORD.findall(term) if meant == chunks else [dense(chunk) for chunk in meant]
    return [*found[:-1], found[-1] + "*"] if term.endswith("*") else found


def readings(word: str, limit: int = _READINGS_LIMIT) -> Readings:
    """All that digits and signs in it may stand for; a number is a number."""
    if not any(c.isalpha() for c in word):
        return frozenset({word})
    options = [_MEANT.get(c, (c,)) for c in word]
    if prod(map(len, options)) > limit:
        options = [each[:1] if "" in each else each[-1:] for each in options]
    return frozenset({dense(_with_sign_letters(word)), *map("".join, product(*options))})


def _with_sign_letters(word: str) -> str:
    """With the likeliest letter for each sign that must be one, unless it is a number."""
    return word.translate(_SIGN_LETTERS) if any(c.isalpha() for c in word) else word


def _trimmed(chunk: str) -> Readings:
    """Signs at its ends may belong to the word, or to the sentence."""
    left, right = chunk.lstrip(_SIGNS), chunk.rstrip(_SIGNS)
    trimmed = {chunk, left, right, chunk.strip(_SIGNS), chunk.strip(_MARKS)}
    return frozenset().union(*map(readings, trimmed))


def _spelled(items: Iterable[str]) -> list[str]:
    """Single letters in a row, as one word each."""
    runs = [""]
    for item in items:
        if len(item) == 1:
            runs[-1] += item
        elif runs[-1]:
            runs.append("")
    return [run for run in runs if len(run) >= _SPELLED]
