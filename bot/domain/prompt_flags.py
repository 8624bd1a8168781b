"""Flags at the end of a prompt, as `a cat --ar 3:2 --no cars --seed 7`; pure.

A flag is `--` and a letter at the beginning of a word, and its value is what follows up to the next
flag. Phones make one longer dash of `--`. Sentences have such dashes too, so they begin a flag only
before a name that this bot or Midjourney knows. A flag sets an option of the command or form. If
the user has set the option too, the option counts, and a note says so; texts of both are joined.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from bot.domain import sketches
from bot.domain.typed_values import (
    BY_NAME,
    OPTIONS,
    Notation,
    TypedOption,
    ValueType,
    joined,
    key,
    option_named,
    read_value,
    shortened,
)
from bot.errors import Refused
from bot.i18n import N_, _

_FLAG: Final = re.compile(r"(?<!\S)(?P<dash>--|[—–]{1,2})(?P<name>[^\W\d_][^\s=:]*)[=:]?")
_NOTATION: Final = Notation(N_("flag"), "--", "", N_("Flags come after all words of the prompt."))
_ELSEWHERE: Final[Mapping[str, str]] = {
    **dict.fromkeys(("s", "stylize"), N_("How closely to follow the prompt is --cfg.")),
    **dict.fromkeys(("v", "version", "niji"), N_("A model is chosen with --model.")),
    **dict.fromkeys(("q", "quality", "stop"), N_("The number of steps is --steps.")),
    **dict.fromkeys(("r", "repeat"), N_("The number of pictures is --count.")),
    **dict.fromkeys(("sref", "sw"), N_("A picture for the style is the option style.")),
    **dict.fromkeys(("cref", "cw", "oref", "ow"), N_("A picture to be like is the option like.")),
    **dict.fromkeys(("iw",), N_("How much of a sketch is changed is --strength.")),
    **dict.fromkeys(("w",), N_("The width is --width.")),
    **dict.fromkeys(("h",), N_("The height is --height.")),
    **dict.fromkeys(("size",), N_("The size is --width and --height, or --ar.")),
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
    """The words of a prompt and its flags, which set these options of its command or form.

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
        value = read_value(flag, typed, _NOTATION, is_text=flag.option in texts)
        if flag.option not in values:
            values[flag.option] = value
        elif flag.type is ValueType.JOINED:
            values[flag.option] = joined((values[flag.option], value))
        elif values[flag.option] != value:
            raise Refused(
                _("The flag --{name} has two values. Give it once.").format(name=flag.name)
            )
        sources[flag.option] = f"--{flag.name} {shortened(typed)}".strip()
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
        elif BY_NAME[option].type is ValueType.JOINED:
            values[option] = joined((current, value))
        elif current != value:
            source = flagged.sources[option]
            notes.append(
                N_("The option {option} counts, so {source} has no effect.").format(
                    option=option, source=source
                )
            )
    named = sketches.values_in(values.get("mode"))
    strength = values.get("strength")
    if isinstance(strength, str) and strength in named:
        values["strength"] = named[strength]
    return values, tuple(notes)


def _is_flag(mark: "re.Match[str]") -> bool:
    """Whether it is none of the dashes in a sentence."""
    return mark["dash"] == "--" or key(mark["name"]) in BY_NAME.keys() | _ELSEWHERE.keys()


def _find(name: str, options: Collection[str]) -> TypedOption:
    flag = option_named(name, options)
    if flag is not None:
        return flag
    names = [flag.name for flag in OPTIONS if flag.option in options]
    hint = _hint(key(name), [name for name, flag in BY_NAME.items() if flag.option in options])
    listed = ", ".join(f"--{name}" for name in names)
    sentences = (
        _("There is no flag --{name} here.").format(name=shortened(name)),
        hint,
        _("These are: {names}.").format(names=listed),
    )
    raise Refused(" ".join(filter(None, sentences)))


def _hint(name: str, names: Collection[str]) -> str:
    if name in _ELSEWHERE:
        return _(_ELSEWHERE[name])
    near = difflib.get_close_matches(name, names, n=1)
    return _("Did you mean --{name}?").format(name=near[0].replace("_", "-")) if near else ""
