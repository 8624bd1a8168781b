"""Replies that ask for no change of a picture, such as thanks, praise and laughter; pure.

The languages are those of the bot: English, German, French, Spanish, Portuguese and Japanese.
"""

import re
import unicodedata
from typing import Final

_ENGLISH: Final = (
    "a absolutely again all am amazing and are awesome beautiful bot bravo brilliant came cheers "
    "congrats cool cute damn done dude epic everyone excellent fantastic for funny good gorgeous "
    "great guys hilarious how i im impressive incredible insane is it its job just like lol looks "
    "lot love loved lovely man me much my neat nice no nope oh ok okay omg one out perfect "
    "perfection pretty quite really so stunning such super superb sweet thank thanks that thats "
    "the this thx to too totally turned ty tysm u very was well what wonderful work wow yay yeah "
    "yep yes you"
)
_GERMAN: Final = (
    "aus dank danke das dir echt es euch ganz gefallt geil gemacht genau genial gut herrlich "
    "hubsch ich ist ja klasse lieb liebe mega mir nein perfekt prima richtig schon sehr sieht so "
    "spitze super toll viele vielen wie wirklich wunderbar wunderschon"
)
_FRENCH: Final = (
    "adore ai aime beau beaucoup belle bien boulot c ca cest est excellent genial j jadore joli "
    "jolie l le magnifique merci non oui parfait parfaite que sublime super top travail tres trop "
    "vraiment"
)
_SPANISH_AND_PORTUGUESE: Final = (
    "adorei amei bella bello bom bonita bonito buena bueno demais e encanta encanto esta "
    "excelente ficou genial gostei gracias gusta gusto hermosa hermoso increible incrivel legal "
    "linda lindo maravilhoso maravilla maravillosa maravilloso muchas mucho muitas muito muy nao "
    "obrigada obrigado perfecta perfecto perfeita perfeito que quedo si sim tan trabajo trabalho "
    "um vale valeu"
)
_WORDS: Final = frozenset(f"{_ENGLISH} {_GERMAN} {_FRENCH} {_SPANISH_AND_PORTUGUESE}".split())
"""Without accents. A sentence of these alone says nothing that could be painted."""
_LAUGHTER: Final = re.compile(
    r"(?:a?h?(?:ha|he|hi|ja|je)+[hj]?|k{2,}|w{2,}|(?:rs)+|x+d+|mdr+|ptdr+|lo+l|lmf?ao+|rofl)"
)
_JAPANESE: Final = re.compile(
    "(?:ありがと|ございま(?:す|した)|どうも|感謝|すご(?:い|く|すぎ)?|凄い|きれい|綺麗|かわいい|可愛い|"
    "かっこいい|カッコいい|素敵|すてき|最高|さいこう|完璧|素晴らしい|すばらしい|美しい|いい|良い|ナイス|"
    "上手|うまい|とても|本当に|ほんとに?|まじで?|マジで?|めっちゃ|超|です|はい|いいえ|了解|大好き|好き|"
    "笑|草|おお|わあ|[うだなねよわー])+"
)
_RATING: Final = re.compile(r"\b\d+\s*/\s*10\b|\b100\s*%")
_PICTURE_NUMBER: Final = re.compile(r"^\s*#\d{1,3}\b")
_CUSTOM_EMOJI: Final = re.compile(r"<a?:\w+:\d+>")
_LONG_RUN: Final = re.compile(r"(\w)\1{2,}")
"""Of a letter, as in "soooo"."""


def asks_for_nothing(text: str) -> bool:
    """Whether a text is only thanks, praise, laughter or emoji; also if it is empty."""
    for pattern in (_CUSTOM_EMOJI, _PICTURE_NUMBER, _RATING):
        text = pattern.sub(" ", text)
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold().replace("'", ""))
    return all(_is_remark(word) for word in words)


def _is_remark(word: str) -> bool:
    if _JAPANESE.fullmatch(word):
        return True
    decomposed = unicodedata.normalize("NFKD", word)
    plain = "".join(char for char in decomposed if not unicodedata.combining(char))
    spellings = {plain, _LONG_RUN.sub(r"\1", plain), _LONG_RUN.sub(r"\1\1", plain)}
    return any(item in _WORDS or _LAUGHTER.fullmatch(item) for item in spellings)
