"""Flags at the end of a prompt, as `a cat --ar 3:2 --no cars --seed 7`; pure.

A flag is `--` and a letter at the beginning of a word, and its value is what follows up to the next
flag. Phones make one longer dash of `--`. Sentences have such dashes too, so they begin a flag only
before a name that this bot or Midjourney knows. A flag sets an option of the command. If the user
has set the option too, the option counts, and a note says so; texts of both are joined.
"""

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final, NamedTuple

from bot.domain import sketches
from bot.errors import Refused
from engine.contract.sampler_names import find_sampler

_FLAG: Final = re.compile(r"(?<!\S)(?P<dash>--|[—–]{1,2})(?P<name>[^\W\d_][^\s=:]*)[=:]?")
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,15}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,6}(?:[.,][0-9]{0,6})?|[.,][0-9]{1,6})")
_QUOTED: Final = re.compile(r"[\"“”„«'‘](.*)[\"“”»'’]", re.DOTALL)
_MAX_QUOTE: Final = 40
"""Characters of what was typed, in sentences."""
_LAST: Final = "Flags come after all words of the prompt."


class _Type(Enum):
    """What a flag takes, as sentences say it."""

    TEXT = "a value"
    JOINED = "a text"
    """Like a text; several are joined."""
    SAMPLER = "the name of a sampler"
    INTEGER = "a whole number"
    NUMBER = "a number"
    STRENGTH = "a number, or keep, balanced or free"
    SWITCH = "no value"


_NUMBERS: Final = (_Type.INTEGER, _Type.NUMBER, _Type.STRENGTH)


class _Flag(NamedTuple):
    """A flag and the option that it sets."""

    option: str
    type: _Type
    example: str = ""
    names: tuple[str, ...] = ()
    """Those beside the name of the option; the first one is that of sentences."""

    @property
    def name(self) -> str:
        """As sentences name it."""
        return (*self.names, self.option)[0].replace("_", "-")


_FLAGS: Final = (
    _Flag("aspect", _Type.TEXT, "3:2", ("ar",)),
    _Flag("negative", _Type.JOINED, "cars, trees", ("no",)),
    _Flag("seed", _Type.INTEGER, "7"),
    _Flag("steps", _Type.INTEGER, "30"),
    _Flag("guidance", _Type.NUMBER, "7.5", ("cfg", "cfg_scale")),
    _Flag("sampler", _Type.SAMPLER, "euler_a"),
    _Flag("count", _Type.INTEGER, "2"),
    _Flag("width", _Type.INTEGER, "512"),
    _Flag("height", _Type.INTEGER, "768"),
    _Flag("model", _Type.TEXT, "NAME"),
    _Flag("styles", _Type.JOINED, "neon", ("style",)),
    _Flag("loras", _Type.JOINED, "neon:0.8", ("lora",)),
    _Flag("strength", _Type.STRENGTH, "0.6"),
    _Flag("fit", _Type.TEXT, "contain"),
    _Flag("reference_strength", _Type.NUMBER, "0.8"),
    _Flag("mode", _Type.TEXT, "follow the lines"),
    _Flag("clip_skip", _Type.INTEGER, "2"),
    _Flag("draft", _Type.SWITCH),
    _Flag("raw", _Type.SWITCH),
    _Flag("private", _Type.SWITCH),
)
_BY_NAME: Final = {name: flag for flag in _FLAGS for name in (flag.option, *flag.names)}
_ELSEWHERE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("s", "stylize"), "How closely to follow the prompt is --cfg."),
    **dict.fromkeys(("v", "version", "niji"), "A model is chosen with --model."),
    **dict.fromkeys(("q", "quality", "stop"), "The number of steps is --steps."),
    **dict.fromkeys(("r", "repeat"), "The number of pictures is --count."),
    **dict.fromkeys(("sref", "sw"), "A picture for the style is the option style."),
    **dict.fromkeys(("cref", "cw", "oref", "ow"), "A picture to be like is the option like."),
    **dict.fromkeys(("iw",), "How much of a sketch is changed is --strength."),
    **dict.fromkeys(("w",), "The width is --width."),
    **dict.fromkeys(("h",), "The height is --height."),
    **dict.fromkeys(("c", "chaos", "weird", "tile", "p", "profile", "video", "exp"), ""),
    **dict.fromkeys(("fast", "relax", "turbo", "stealth", "public"), ""),
}
"""Flags of Midjourney that mean nothing here, and what does; short forms are flags here only where
they mean the same."""


class FlaggedPrompt(NamedTuple):
    """A prompt without its flags."""

    prompt: str
    values: Mapping[str, object]
    """By option."""
    sources: Mapping[str, str]
    """By option, the flag as it was typed, for sentences."""


def has_flags(text: str) -> bool:
    """Whether `read` finds flags, or what looks like some, in this text."""
    return any(_is_flag(mark) for mark in _FLAG.finditer(text))


def read(text: str, options: Collection[str], texts: Collection[str] = ()) -> FlaggedPrompt:
    """The words of a prompt and its flags, which set these options of its command.

    The values of `texts` stay as they were typed, also of flags that else take a number. A text
    without flags is returned as it is. Raises Refused, with a sentence for the user, for an unknown
    flag, and for one without a value that it takes.
    """
    marks = [mark for mark in _FLAG.finditer(text) if _is_flag(mark)]
    if not marks:
        return FlaggedPrompt(text, {}, {})
    values: dict[str, object] = {}
    sources: dict[str, str] = {}
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        flag = _find(mark["name"], options)
        typed = text[mark.end() : end].strip().strip(",;").rstrip(",;. ").strip()
        value = _value(flag, typed, is_text=flag.option in texts)
        if flag.option not in values:
            values[flag.option] = value
        elif flag.type is _Type.JOINED:
            values[flag.option] = f"{values[flag.option]}, {value}"
        elif values[flag.option] != value:
            raise Refused(f"The flag --{flag.name} has two values. Give it once.")
        sources[flag.option] = f"--{flag.name} {_shortened(typed)}".strip()
    return FlaggedPrompt(text[: marks[0].start()].rstrip(), values, sources)


def merged(
    options: Mapping[str, object], flagged: FlaggedPrompt
) -> tuple[Mapping[str, object], tuple[str, ...]]:
    """The options that were given together with those of the flags, and notes for the user.

    An option that was given counts, and not its flag; texts that can be joined are.
    """
    values, notes = dict(options), list[str]()
    for option, value in flagged.values.items():
        current = values.get(option)
        if current is None or current == "":
            values[option] = value
        elif _BY_NAME[option].type is _Type.JOINED:
            values[option] = f"{current}, {value}"
        elif current != value:
            source = flagged.sources[option]
            notes.append(f"The option {option} counts, so {source} has no effect.")
    named = sketches.values_in(values.get("mode"))
    strength = values.get("strength")
    if isinstance(strength, str) and strength in named:
        values["strength"] = named[strength]
    return values, tuple(notes)


def _is_flag(mark: "re.Match[str]") -> bool:
    """Whether it is none of the dashes in a sentence."""
    return mark["dash"] == "--" or _key(mark["name"]) in _BY_NAME.keys() | _ELSEWHERE.keys()


def _key(name: str) -> str:
    return name.lower().replace("-", "_")


def _find(name: str, options: Collection[str]) -> _Flag:
    key = _key(name)
    flag = _BY_NAME.get(key)
    if flag is not None and flag.option in options:
        return flag
    names = [flag.name for flag in _FLAGS if flag.option in options]
    hint = _hint(key, [name for name, flag in _BY_NAME.items() if flag.option in options])
    listed = ", ".join(f"--{name}" for name in names)
    sentences = f"There is no flag --{_shortened(name)} here.", hint, f"These are: {listed}."
    raise Refused(" ".join(filter(None, sentences)))


def _hint(key: str, names: Collection[str]) -> str:
    if key in _ELSEWHERE:
        return _ELSEWHERE[key]
    near = difflib.get_close_matches(key, names, n=1)
    return f"Did you mean --{near[0].replace('_', '-')}?" if near else ""


def _value(flag: _Flag, typed: str, *, is_text: bool) -> object:
    """The value of a flag. Raises Refused, with a sentence for the user."""
    if flag.type is _Type.SWITCH:
        if typed:
            raise Refused(
                f"The flag --{flag.name} takes no value, but “{_shortened(typed)}” follows it. "
                f"{_LAST}"
            )
        return True
    if not typed:
        raise Refused(
            f"The flag --{flag.name} has no value; it takes {flag.type.value}, such as "
            f"--{flag.name} {flag.example}."
        )
    if flag.type is _Type.STRENGTH and typed.lower() in sketches.STRENGTHS:
        return typed.lower()
    if flag.type in _NUMBERS and not is_text:
        return _number(flag, typed)
    quoted = _QUOTED.fullmatch(typed)
    text = typed if quoted is None or not quoted[1].strip() else quoted[1].strip()
    return _sampler(text) if flag.type is _Type.SAMPLER else text


def _number(flag: _Flag, typed: str) -> int | float:
    plain = unicodedata.normalize("NFKC", typed).strip()
    if flag.type is _Type.INTEGER and _INTEGER.fullmatch(plain):
        return int(plain)
    if flag.type is not _Type.INTEGER and _NUMBER.fullmatch(plain):
        return float(plain.replace(",", "."))
    raise Refused(
        f"The flag --{flag.name} has the value “{_shortened(typed)}”; it takes {flag.type.value}, "
        f"such as --{flag.name} {flag.example}. {_LAST}"
    )


def _sampler(text: str) -> str:
    """The name of a sampler here for one of this bot, of the web UI or of ComfyUI, in any case."""
    for name in (text, re.sub(r"[\s-]+", "_", text)):
        sampler = find_sampler(name, "").sampler
        if sampler is not None:
            return sampler.value
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_QUOTE else f"{text[: _MAX_QUOTE - 1]}…"
