"""The types of the values of settings: how people read, choose and type them; pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from bot.domain.picture_size import parse_aspect
from bot.domain.preferences import command_label
from bot.errors import Refused
from bot.i18n import _
from engine.contract import ModelCard
from engine.contract.infotext import public_model_name

MAX_CHANNELS: Final = 25
"""Discord's limit for the values of a menu."""


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be chosen now."""

    models: tuple[ModelCard, ...]
    """The first is the default."""
    aspects: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """That a guild may forbid."""
    max_count: int = 1
    """Pictures of a request."""


class Choice(msgspec.Struct, frozen=True):
    """One of some values."""

    values: Callable[[Offer], Mapping[str, object]]
    """By their labels."""

    def labels(self, offer: Offer) -> Sequence[str]:
        """What can be chosen."""
        return tuple(self.values(offer))

    def label(self, value: object, offer: Offer) -> str:
        """What people call a value, also one that is not offered now."""
        labels = (label for label, item in self.values(offer).items() if item == value)
        return next(labels, public_model_name(str(value)))

    def is_offered(self, value: object, offer: Offer) -> bool:
        """Whether the value can be used now."""
        return value in self.values(offer).values()

    def allowed(self, offer: Offer) -> str:
        """What is allowed, in a few words."""
        return ", ".join(map(_, self.labels(offer)))

    def parse(self, text: str, offer: Offer) -> object:
        """The value of a label, in English or the current language, in any case. Raises
        ValueError."""
        values = self.values(offer).items()
        by_label = {label.casefold(): value for name, value in values for label in (_(name), name)}
        if text.casefold() not in by_label:
            raise ValueError(text)
        return by_label[text.casefold()]


class Aspect(Choice, frozen=True):
    """One of some aspects, or another one that people type."""

    def label(self, value: object, _: Offer) -> str:
        """The name or the ratio."""
        return str(value)

    def is_offered(self, value: object, _: Offer) -> bool:
        """Whether it is an aspect."""
        try:
            return parse_aspect(str(value)) > 0
        except Refused:
            return False

    def allowed(self, offer: Offer) -> str:
        """The names, and what can be typed."""
        return _("{names}, or width and height as in 3:2").format(names=super().allowed(offer))

    def parse(self, text: str, offer: Offer) -> object:
        """A name in any case, or a ratio. Raises ValueError."""
        aspect = "".join(text.split()).casefold()
        if not self.is_offered(aspect, offer):
            raise ValueError(text)
        return aspect


class Number(msgspec.Struct, frozen=True):
    """A number from 1 on, typed by people."""

    most: Callable[[Offer], int]

    def labels(self, _: Offer) -> Sequence[str]:
        """None: it is typed."""
        return ()

    def label(self, value: object, _: Offer) -> str:
        """The digits."""
        return str(value)

    def is_offered(self, value: object, offer: Offer) -> bool:
        """Whether it is not too large."""
        return isinstance(value, int) and value <= self.most(offer)

    def allowed(self, offer: Offer) -> str:
        """The range."""
        return _("1 to {most}").format(most=self.most(offer))

    def parse(self, text: str, offer: Offer) -> object:
        """Raises ValueError."""
        if not re.fullmatch("[0-9]{1,4}", text) or not 1 <= int(text) <= self.most(offer):
            raise ValueError(text)
        return int(text)


class Text(msgspec.Struct, frozen=True):
    """Words, typed by people."""

    most: int
    """Characters."""

    def labels(self, _: Offer) -> Sequence[str]:
        """None: it is typed."""
        return ()

    def label(self, value: object, _: Offer) -> str:
        """The words themselves, which are to be escaped."""
        return str(value)

    def is_offered(self, *_: object) -> bool:
        """What reads the words says what is wrong with them."""
        return True

    def allowed(self, offer: Offer) -> str:
        """The length."""
        return _("at most {most} characters").format(most=self.most)

    def parse(self, text: str, _: Offer) -> object:
        """Raises ValueError."""
        words = " ".join(text.split())
        if not words or len(words) > self.most:
            raise ValueError(text)
        return words


class Channels(msgspec.Struct, frozen=True):
    """One channel, whose id is the value, or several."""

    is_single: bool = False

    def labels(self, _: Offer) -> Sequence[str]:
        """None: Discord has menus of channels."""
        return ()

    def label(self, value: object, _: Offer) -> str:
        """Mentions."""
        return ", ".join(f"<#{channel}>" for channel in channel_ids(value))

    def is_offered(self, *_: object) -> bool:
        """Channels that are gone are shown as such by Discord."""
        return True

    def allowed(self, offer: Offer) -> str:
        """How many."""
        return (
            _("a channel")
            if self.is_single
            else _("up to {limit} channels").format(limit=MAX_CHANNELS)
        )

    def parse(self, text: str, _: Offer) -> object:
        """The ids of mentions, or ids. Raises ValueError."""
        ids = [int(digits) for digits in re.findall("[0-9]{1,20}", text)]
        is_list = re.fullmatch(r"(?:(?:<#)?[0-9]{1,20}>?[\s,]*)+", text)
        if not is_list or len(ids) > (1 if self.is_single else MAX_CHANNELS):
            raise ValueError(text)
        return ids[0] if self.is_single else tuple(dict.fromkeys(ids))


class Commands(msgspec.Struct, frozen=True):
    """Several commands."""

    def labels(self, offer: Offer) -> Sequence[str]:
        """What can be chosen."""
        return tuple(map(command_label, offer.commands))

    def label(self, value: object, _: Offer) -> str:
        """Their names."""
        return ", ".join(command_label(name) for name in command_names(value))

    def is_offered(self, value: object, offer: Offer) -> bool:
        """Whether one of them exists."""
        return bool(set(command_names(value)) & set(offer.commands))

    def allowed(self, offer: Offer) -> str:
        """The names."""
        return ", ".join(self.labels(offer))

    def parse(self, text: str, offer: Offer) -> object:
        """Names, with commas between them, in any case. Raises ValueError."""
        names = {name.casefold(): name for name in offer.commands}
        typed = [part.strip().removeprefix("/").casefold() for part in text.split(",")]
        if not all(part in names for part in typed):
            raise ValueError(text)
        return tuple(dict.fromkeys(names[part] for part in typed))


def channel_ids(value: object) -> tuple[int, ...]:
    """The channels of a value of Channels."""
    if value is None:
        return ()
    return (value,) if isinstance(value, int) else tuple(msgspec.convert(value, tuple[int, ...]))


def command_names(value: object) -> tuple[str, ...]:
    """The commands of a value of Commands."""
    return msgspec.convert(value, tuple[str, ...])
