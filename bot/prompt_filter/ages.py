"""Regular expressions for ages below 18, in digits and in words; pure.

They match `Text.plain`: normalized words and numbers, separated by single spaces, with "," where a
clause ends.
"""

import re
from typing import Final

from bot.prompt_filter.normalize import normalize


def _any_of(table: str) -> str:
    """A regular expression that matches any term of a comma-separated table."""
    return "|".join(" ".join(term.split()) for term in table.split(","))


_ONES: Final = """
    one, two, three, four, five, six, seven, eight, nine, un, dos, tres, cuatro, cinco, seis, siete,
    ocho, nueve, deux, trois, quatre, cinq, sept, huit, neuf, dix, onze, douze, treize, quatorze,
    quinze, seize, dois, quatro, sete, oito, nove
"""
_NUMBERS: Final = """
    ten, eleven, twelve, thirteen, fourteen, fifteen, sixteen, seventeen, diez, once, doce, trece,
    catorce, quince, dieciseis, diecisiete, ein, zwei, drei, vier, funf, sechs, sieben, acht, neun,
    zehn, elf, zwolf, dreizehn, vierzehn, funfzehn, sechzehn, siebzehn, dez, doze, treze, dezesseis,
    dezassete, due, tre, quattro, cinque, sette, otto, dieci, undici, dodici, tredici, quattordici,
    quindici, sedici, diciassette, zes, zeven, negen, tien, twaalf, dertien, veertien, vijftien,
    zestien, zeventien, sekiz, dokuz, on bir, on iki, on uc, on dort, on bes, on alti, on yedi, on,
    yedi, alti, ii, iii, iv, vi, vii, viii, ix, xi, xii, xiii, xiv, xv, xvi, xvii
"""
_TENS: Final = """
    twenty, thirty, forty, fifty, sixty, seventy, eighty, ninety, treinta y, cuarenta y, cincuenta
    y, sesenta y, setenta y, ochenta y, noventa y, vingt, trente, quarante, cinquante, soixante,
    soixante dix, vingt dix, vingt et, trente et, quarante et, cinquante et, soixante et, vinte e,
    trinta e, quarenta e, cinquenta e, sessenta e, setenta e, oitenta e, noventa e
"""
_OLDER: Final = "".join(f"(?<!\\b{' '.join(tens.split())} )" for tens in _TENS.split(","))
_DIGITS: Final = "(?:1[0-7]|0?[0-9]|[il] ?[0-7]|1 ?[oz])"
_AGE: Final = (
    rf"(?:{_DIGITS}|{_OLDER}(?:{_any_of(_ONES)})|{_any_of(_NUMBERS)}"
    rf"|{_OLDER}(?:dix|dez|dieci) (?:sept|sete))"
)
_UNAMBIGUOUS_AGE: Final = rf"(?:{_DIGITS}|nine|ten|\w+teen|eleven|twelve)(?<!eighteen)(?<!nineteen)"
"""Only numbers that are not words of another meaning in some language."""
_YEARS: Final = (
    r"(?:y|year|years|yr|yrs) ?(?:o|old\w*|young|of age|girls?|boys?|females?|males?)|yo|yos"
    r"|years?old\w*|yr|yrs|yrold\w*|ans|anni|anos|años|jahre(?: (?:alt|jung)\w*|(?= ,|$))"
    r"|jahrig\w*|jaar|jarig\w*|lat|latk\w+|letni\w*|yas\w*|ar gam\w+|arig\w*|vuotia\w*|eves"
    rf"|{normalize('лет')}|{normalize('года')}|{normalize('летн')}\w*"
)
_NO_AGE: Final = "".join(
    f"(?<!{era} )" for era in ("stone", "ice", "iron", "bronze", "space", "golden", "dragon")
)
_SHORT_OF: Final = (
    "(?:under|below|before|younger than|less than|short of|shy of|not yet|not)"
    " (?:the age of |her |his |their )?"
)
_WHO: Final = r"(?:girls?|boys?|daughter|son|sister|brother|lass|lad|student|model|female|male)"
_BEING: Final = (
    "(?:is|was|s|am|are|looks|seems|appears|turned|turning|turns|is turning|just turned|looks only)"
)
_BORN: Final = (
    r"(?:born|dob|date of birth|birth ?date|birth ?year|year of birth|birthday|geboren|geburtsjahr"
    rf"|nee?|nacid[ao]|nascid[ao]|nat[ao] nel|{normalize('родил')}\w+)"
)
_NTH: Final = "(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth)"
_TEENTH: Final = r"(?:eleventh|twelfth|(?!eigh|nine)\w+teenth)"
_YEAR: Final = r"20(?:0[89]|[1-9]\d)"
"""Years of birth of people who may still be minors."""
_HAN_YEARS: Final = "[岁歳才歲]"
AGES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b{_AGE} (?:{_YEARS})\b",
        rf"\b{_NO_AGE}(?:age|aged|ages|edad|idade|eta) (?:of |is |de |di )?{_AGE}\b",
        rf"\b(?:she|he|they|girl|boy|who|i) (?:, )?{_BEING} "
        rf"(?:like |about |to be |around )?{_UNAMBIGUOUS_AGE}(?: ,| and\b| today\b|$)",
        rf"\bbarely {_UNAMBIGUOUS_AGE}(?: ,| and|$)",
        rf"\b{_WHO} (?:of |, ){_UNAMBIGUOUS_AGE}(?: ,| summers\b|$)",
        r"\b(?:girl|boy) (?:1[0-7]|[89])(?: ,|$)",
        rf"\b{_WHO} (?:\w+ |, ){{0,3}}{_UNAMBIGUOUS_AGE} years?\b",
        rf"\b{_WHO} (?:aged |ages )?between (?:the ages of )?{_UNAMBIGUOUS_AGE} ",
        rf"\b(?:meisje|jongen) van {_DIGITS}\b",
        rf"\b(?:{_AGE}|[1-9]\d) (?:months?|weeks?) old\b(?! (?:kitten|pupp|cat|dog|beard))",
        r"\b(?:1[0-7]|[1-9]) (?:st|nd|rd|th) (?:birthday|b day|bday)\b",
        rf"(?<!ty )\b(?:{_NTH}|{_TEENTH}) birthday\b",
        rf"\b{_SHORT_OF}(?:18|eighteen|eighteenth)\b",
        rf"\b(?:in|during) (?:her|his|their) "
        rf"(?:(?:1[0-7]|[1-9]) (?:st|nd|rd|th)|{_NTH}|{_TEENTH}) year\b(?! of (?!life|age))",
        r"(?<!at )\b1[0-7] ?f\b",
        rf"\byounger than {_AGE}\b",
        r"\bu 1[0-8]\b",
        r"(?<![a-z])j[ksc](?= ?[\u3040-\u30ff\u4e00-\u9fff])"
        rf"(?! ?{normalize('ローリング')})",
        rf"\b{_BORN} (?:(?!1[89]\d\d )\w+ |, ){{0,3}}{_YEAR}\b",
        rf"\b{_YEAR} (?:年(?:生|出生)|{normalize('года рожд')})",
        r"\b(?:little|lil|tiny|wee|young|younger|youngest|small) "
        r"(?:(?!(?:wo)?m[ae]n|adults?|lad|and)\w+ ){0,2}(?:girls?|boys?|daughters?)\b",
        r"\b(?:daughter|son|sister|brother|niece|nephew)s? (?:, )?(?:so |very )?"
        r"(?:little|tiny|young)(?: ,|$)",
        r"\bkleine[sn]? (?:\w+ ){0,2}(?:madchen|madel\w*|jungen?|meisjes?)\b",
        r"\bpetite?s? (?:\w+ ){1,2}(?:filles?|garcons?)\b",
        r"\b(?:very|extremely) young\b"
        r"(?! (?:looking )?(?:wom[ae]n|m[ae]n|adults?|lady|couple))",
        r"\b(?:1[0-2]|[1-9]) (?:st|nd|rd|th) grade\w*",
        rf"\b(?:in|from|a) {_NTH} grade\b",
        rf"\b{_NTH} grade (?:girls?|boys?|students?|pupils?|kids?|class\w*)\b",
        r"\b(?:students?|pupils?|girls?|boys?) (?:in|from|of) (?:year|grade) (?:1[0-3]|[1-9])\b",
        r"\b(?:year|grade) (?:1[0-3]|[1-9]) (?:students?|pupils?|girls?|boys?)\b",
        rf"\b{_NTH} grader\w*",
        r"\b(?:elementary|primary|secondary) (?:students?|pupils?)\b",
        r"(?<!\b[b-g] )(?<!\bin a )(?<!\bsharp )(?<!\bflat )"
        r"(?<!\basia )(?<!\bursa )(?<!\bcanis )\bminor(?: ,|$)",
        rf"(?<!\d)(?:1[0-7]|[0-9]) (?:{_HAN_YEARS}|살|세(?![기대]))",
        rf"(?<![一二三四五六七八九十百])(?:十[一二三四五六七]?|[一二三四五六七八九]){_HAN_YEARS}",
    )
)
