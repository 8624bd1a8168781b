"""The options that people type in flags of a prompt or in a form, and their values; pure."""

import re
from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final, NamedTuple

from bot.domain import sketches
from bot.domain.numbers import read_integer, read_number
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import RANDOM_SEED
from engine.contract.sampler_names import find_sampler

_QUOTED: Final = re.compile(r"[\"“”„«'‘](.*)[\"“”»'’]", re.DOTALL)
_MAX_QUOTE: Final = 40
"""Characters of what was typed, in sentences."""
_ANY_SEED: Final = ("any", "random")


class ValueType(Enum):
    """What an option takes, as sentences say it."""

    TEXT = N_("a value")
    JOINED = N_("a text")
    """Like a text; several are joined."""
    SAMPLER = N_("the name of a sampler")
    INTEGER = N_("a whole number")
    SEED = N_("a whole number, or any")
    NUMBER = N_("a number")
    STRENGTH = N_("a number, or keep, balanced or free")
    SWITCH = N_("no value")


NUMBERS: Final = (ValueType.INTEGER, ValueType.SEED, ValueType.NUMBER, ValueType.STRENGTH)


class TypedOption(NamedTuple):
    """An option, and how people name it."""

    option: str
    type: ValueType
    example: str = ""
    names: tuple[str, ...] = ()
    """Those beside the name of the option; the first one is that of sentences."""

    @property
    def name(self) -> str:
        """As sentences name it."""
        return (*self.names, self.option)[0].replace("_", "-")


OPTIONS: Final = (
    TypedOption("aspect", ValueType.TEXT, "3:2", ("ar",)),
    TypedOption("negative", ValueType.JOINED, "cars, trees", ("no",)),
    TypedOption("seed", ValueType.SEED, "7"),
    TypedOption("steps", ValueType.INTEGER, "30"),
    TypedOption("guidance", ValueType.NUMBER, "7.5", ("cfg", "cfg_scale", "guidance_scale")),
    TypedOption("sampler", ValueType.SAMPLER, "euler_a"),
    TypedOption("count", ValueType.INTEGER, "2"),
    TypedOption("width", ValueType.INTEGER, "512"),
    TypedOption("height", ValueType.INTEGER, "768"),
    TypedOption("model", ValueType.TEXT, "NAME"),
    TypedOption("styles", ValueType.JOINED, "neon", ("style",)),
    TypedOption("loras", ValueType.JOINED, "neon:0.8", ("lora",)),
    TypedOption("strength", ValueType.STRENGTH, "0.6"),
    TypedOption("keep", ValueType.NUMBER, "1.5"),
    TypedOption("fit", ValueType.TEXT, "contain"),
    TypedOption("reference_strength", ValueType.NUMBER, "0.8"),
    TypedOption("mode", ValueType.TEXT, "follow the lines"),
    TypedOption("clip_skip", ValueType.INTEGER, "2"),
    TypedOption("draft", ValueType.SWITCH),
    TypedOption("raw", ValueType.SWITCH),
    TypedOption("private", ValueType.SWITCH),
    TypedOption("expand", ValueType.SWITCH),
)
BY_NAME: Final[Mapping[str, TypedOption]] = {
    name: option for option in OPTIONS for name in (option.option, *option.names)
}


class Notation(NamedTuple):
    """How people write options, for sentences."""

    noun: str
    mark: str
    """Precedes a name."""
    colon: str
    """Between a name and its value."""
    advice: str = ""

    def example(self, option: TypedOption) -> str:
        """An option with a value."""
        return f"{self.mark}{option.name}{self.colon} {option.example}"


def option_named(name: str, options: Collection[str]) -> TypedOption | None:
    """The one of these options that has this name, in any case; None if none has."""
    option = BY_NAME.get(key(name))
    return option if option is not None and option.option in options else None


def key(name: str) -> str:
    """A name as BY_NAME has it."""
    return re.sub(r"[\s_-]+", "_", name.strip().lower())


def read_value(
    option: TypedOption, typed: str, notation: Notation, *, is_text: bool = False
) -> object:
    """The value that was typed; `is_text` says that a number stays a text.

    Raises Refused, with a sentence for the user, if the option does not take it.
    """
    subject = _("The {kind} {name}").format(
        kind=_(notation.noun), name=f"{notation.mark}{option.name}"
    )
    if option.type is ValueType.SWITCH:
        if typed:
            raise Refused(
                _("{subject} takes no value, but “{text}” follows it. {advice}").format(
                    subject=subject, text=shortened(typed), advice=_(notation.advice)
                )
            )
        return True
    if not typed:
        raise Refused(
            _("{subject} has no value; it takes {value}, such as {example}.").format(
                subject=subject, value=_(option.type.value), example=notation.example(option)
            )
        )
    value = _value(option.type, typed, is_text=is_text)
    if value is None:
        raise Refused(
            _("{subject} has the value “{text}”; it takes {value}, such as {example}. {advice}")
            .format(
                subject=subject,
                text=shortened(typed),
                value=_(option.type.value),
                example=notation.example(option),
                advice=_(notation.advice),
            )
            .rstrip()
        )
    return value


def joined(texts: Collection[object]) -> str:
    """Several values of an option whose texts are joined."""
    return ", ".join(str(text) for text in texts if text)


def sampler_name(text: str) -> str:
    """The name of a sampler here for one of this bot, of the web UI or of ComfyUI, in any case."""
    for name in (text, re.sub(r"[\s-]+", "_", text)):
        sampler = find_sampler(name, "").sampler
        if sampler is not None:
            return sampler.value
    return text


def shortened(text: str) -> str:
    """What was typed, short enough for a sentence."""
    return text if len(text) <= _MAX_QUOTE else f"{text[: _MAX_QUOTE - 1]}…"


def _value(type: ValueType, typed: str, *, is_text: bool) -> object:
    """None if the text is no value of this type."""
    if type is ValueType.STRENGTH and typed.lower() in sketches.STRENGTHS:
        return typed.lower()
    if type is ValueType.SEED and typed.lower() in _ANY_SEED:
        return RANDOM_SEED
    if type in NUMBERS and not is_text:
        is_whole = type in (ValueType.INTEGER, ValueType.SEED)
        return read_integer(typed) if is_whole else read_number(typed)
    quoted = _QUOTED.fullmatch(typed)
    text = typed if quoted is None or not quoted[1].strip() else quoted[1].strip()
    return sampler_name(text) if type is ValueType.SAMPLER else text
