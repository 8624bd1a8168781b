"""What guilds, channels and users prefer: values at four layers, of which the last counts; pure.

`preference_settings` describes each value for people.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from bot.errors import Refused
from bot.i18n import _, enumeration
from engine.contract import MAX_STEPS

MAX_STYLES: Final = 200
"""Characters in the names of styles."""
MAX_COUNT: Final = 100
"""Pictures of a request; operators allow fewer."""
_MAX_NAMED: Final = 10
"""Channels or commands in one sentence."""


class Layer(StrEnum):
    """Where a value was set. A later layer replaces the value of an earlier one."""

    BOT = "bot"
    """The defaults of the bot and the order of its models; nobody sets values here."""
    GUILD = "guild"
    CHANNEL = "channel"
    """Of a guild. A thread has the values of its channel."""
    USER = "user"


class Owner(NamedTuple):
    """Whose values: those of this guild, channel or user."""

    layer: Layer
    id: int


Values = Mapping[str, object]
"""By the names of fields of Preferences, those that one owner has set."""


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """The values that count for a user in a channel. The defaults are those of the layer BOT."""

    default_model: str | None = None
    """The whole name of a model, which may no longer be offered; None: the first model."""
    aspect: str | None = None
    steps: Annotated[int, msgspec.Meta(ge=1, le=MAX_STEPS)] | None = None
    """None: those of the model."""
    sampler: str | None = None
    """None: that of the model."""
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_COUNT)] | None = None
    styles: Annotated[str, msgspec.Meta(max_length=MAX_STYLES)] = ""
    """Names of styles, with commas between them."""
    expand: bool = False
    """Whether /imagine adds words to prompts, and shows them before it paints."""
    remix: bool = False
    """Whether V and 🔄 open a form before they paint."""
    direct: bool = False
    """Whether results are also sent as direct messages."""
    display_scale: Literal[1, 2, 4] | None = None
    """None: pictures of models with a small native size are enlarged."""
    gallery_channel_id: int | None = None
    channel_ids: tuple[int, ...] = ()
    """Where the bot may be used; everywhere if there are none."""
    commands: tuple[str, ...] = ()
    """Names of the commands that may be used; all if there are none."""
    language: Literal["en", "de", "fr", "es", "ja", "pt_BR"] | None = None
    """Of replies; None: as Discord says, for the user or the server."""
    layers: Mapping[str, Layer] = {}
    """Of each value that was set."""

    def layer(self, name: str) -> Layer:
        """Where the value of this field comes from."""
        return self.layers.get(name, Layer.BOT)


NO_PREFERENCES: Final = Preferences()
"""Those of a user who has set nothing, in a direct message."""
_TYPES: Final = {
    field.name: field.type
    for field in msgspec.structs.fields(Preferences)
    if field.name != "layers"
}


def resolve(values: Mapping[Layer, Values]) -> Preferences:
    """The values of all layers together; raises TypeError for names that are no fields."""
    merged: dict[str, object] = {}
    layers: dict[str, Layer] = {}
    for layer in Layer:
        own = values.get(layer, {})
        merged.update(own)
        layers.update(dict.fromkeys(own, layer))
    return msgspec.structs.replace(NO_PREFERENCES, **merged, layers=layers)


def decode(name: str, value: str | bytes) -> object:
    """The value of a field from JSON. Raises ValueError for one that this version of the bot does
    not have."""
    if name not in _TYPES:
        raise ValueError(f"There is no preference {name}.")
    return msgspec.json.decode(value, type=_TYPES[name])


def check_allowed(
    preferences: Preferences, channel_id: int | None, commands: Collection[str] | None
) -> None:
    """Raise Refused if the guild does not allow the bot in this channel, which is the parent of a
    thread, or none of these commands, if there are any; None for what is no command's."""
    channels = preferences.channel_ids
    if channels and channel_id not in channels:
        names = enumeration([f"<#{channel}>" for channel in channels[:_MAX_NAMED]])
        more = (
            _(" and {count} more").format(count=len(channels) - _MAX_NAMED)
            if len(channels) > _MAX_NAMED
            else ""
        )
        raise Refused(
            _("This server allows me only in {names}{more}.").format(names=names, more=more)
        )
    if not preferences.commands or not commands or set(commands) & set(preferences.commands):
        return
    allowed = ", ".join(map(command_label, preferences.commands[:_MAX_NAMED]))
    raise Refused(
        _("This server does not allow this. It allows: {allowed}.").format(allowed=allowed)
    )


def command_label(name: str) -> str:
    """How people call a command: `/imagine`, or the name in the Apps menu."""
    return f"/{name}" if re.fullmatch(r"[\w-]+", name) and name.islower() else name
