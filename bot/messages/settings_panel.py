"""The panel of /settings: texts, buttons, menus and the form; pure.

A panel is about the settings at one layer. Custom ids have all of its state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import discord

from bot.domain.preference_settings import SETTINGS, Setting, offered_at
from bot.domain.preferences import Layer, Preferences, command_label
from bot.domain.setting_values import (
    MAX_CHANNELS,
    Aspect,
    Channels,
    Commands,
    Number,
    Offer,
    Text,
    channel_ids,
    command_names,
)
from bot.i18n import N_, NP_, _, pgettext
from bot.messages.captions import escape
from bot.messages.components import VERSION, button, stateless_view

NAME: Final = "settings"
_LAYERS: Final = "user|channel|guild"
_ACTIONS: Final = "panel|pick|choose|type|reset"
PATTERN: Final = (
    rf"{VERSION}:{NAME}:(?P<layer>{_LAYERS}):(?P<action>{_ACTIONS})"
    r"(?::(?P<name>[a-z_]{1,30}))?(?::(?P<page>[0-9]))?"
)
"""Matches the custom ids of buttons and menus."""
MODAL_PATTERN: Final = rf"{VERSION}:{NAME}form:(?P<layer>{_LAYERS}):(?P<name>[a-z_]{{1,30}})"
VALUE: Final = "value"
"""The custom id of the form's only field."""
MAX_OPTIONS: Final = 25
"""Discord's limit for the options of a menu."""
_MAX_OPTION: Final = 100
_MAX_LABEL: Final = 120
"""Of a value in the panel; the whole value is shown with its setting."""
_MAX_CONTENT: Final = 2000
_ORIGINS: Final[Mapping[Layer, str]] = {
    Layer.BOT: N_("bot"),
    Layer.GUILD: N_("this server"),
    Layer.CHANNEL: N_("this channel"),
    Layer.USER: N_("you"),
}
_SCOPES: Final[Mapping[Layer, str]] = {
    Layer.USER: N_("for you"),
    Layer.CHANNEL: N_("for this channel"),
    Layer.GUILD: N_("for this server"),
}
_BUTTONS: Final[Mapping[Layer, str]] = {
    Layer.USER: NP_("button", "For me"),
    Layer.CHANNEL: NP_("button", "This channel"),
    Layer.GUILD: NP_("button", "This server"),
}
_ROLES: Final = N_("Limits by role: `/admin limits`.")
_CHANNEL_TYPES: Final = (
    *(discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.forum),
    *(discord.ChannelType.voice, discord.ChannelType.stage_voice, discord.ChannelType.media),
)
_GALLERY_TYPES: Final = _CHANNEL_TYPES[:3]


class Panel(NamedTuple):
    """The content of an ephemeral message."""

    content: str
    view: discord.ui.View


def custom_id(layer: Layer, action: str, *state: str | int) -> str:
    """The custom id of a button or menu."""
    return ":".join([VERSION, NAME, layer.value, action, *map(str, state)])


def title(setting: Setting) -> str:
    """What a setting is called at the beginning of a line."""
    text = _(setting.title)
    return text[:1].upper() + text[1:]


def value_label(setting: Setting, value: object, offer: Offer) -> str:
    """A value in a message."""
    label = _(setting.label(value, offer))
    return label if isinstance(setting.values, Channels) else escape(label, _MAX_CONTENT // 4)


def origin(layer: Layer) -> str:
    """Where a value comes from."""
    return _(_ORIGINS[layer])


def scope(layer: Layer) -> str:
    """For whom a value is set."""
    return _(_SCOPES[layer])


def overview(
    layer: Layer,
    layers: Sequence[Layer],
    preferences: Preferences,
    offer: Offer,
    *,
    news: str = "",
    is_in_guild: bool,
) -> Panel:
    """All settings with where they come from, and a menu of those that can be set at the layer.

    `layers` are those at which the user may change settings; `news` is what has just changed.
    """
    lines = [
        *([news] if news else []),
        _("**Settings {scope}**: the last one counts of bot, server, channel and you.").format(
            scope=scope(layer)
        ),
        *(
            _line(setting, preferences, offer)
            for setting in SETTINGS.values()
            if is_in_guild or Layer.USER in setting.layers
        ),
        *([_(_ROLES)] if layer is Layer.GUILD else []),
    ]
    options = [
        discord.SelectOption(
            label=title(setting),
            value=setting.name,
            description=_(setting.description)[:_MAX_OPTION],
        )
        for setting in offered_at(layer)
    ]
    items: list[discord.ui.Item[Any]] = [
        discord.ui.Select(
            custom_id=custom_id(layer, "pick"),
            placeholder=pgettext("placeholder", "Change a setting…"),
            options=options,
            row=0,
        )
    ]
    if len(layers) > 1:
        items += [
            _layer_button(button_layer, is_current=button_layer is layer) for button_layer in layers
        ]
    return Panel("\n".join(lines)[:_MAX_CONTENT], stateless_view(items))


def _layer_button(layer: Layer, *, is_current: bool) -> discord.ui.Button[discord.ui.View]:
    item = button(pgettext("button", _BUTTONS[layer]), custom_id(layer, "panel"), row=1)
    if is_current:
        item.style, item.disabled = discord.ButtonStyle.primary, True
    return item


def _line(setting: Setting, preferences: Preferences, offer: Offer) -> str:
    value = getattr(preferences, setting.name)
    warning = setting.warning(value, offer)
    label = _cut(value_label(setting, value, offer))
    text = _("{title}: **{value}** · {origin}").format(
        title=title(setting), value=label, origin=origin(preferences.layer(setting.name))
    )
    return f"{text}. {warning[:_MAX_LABEL]}" if warning else text


def _cut(label: str) -> str:
    """The first parts of a list that fit into a line, and the number of the others."""
    parts = label.split(", ")
    count = len(parts)
    while count > 1 and len(", ".join(parts[:count])) > _MAX_LABEL:
        count -= 1
    text = ", ".join(parts[:count])
    return (
        text
        if count == len(parts)
        else text + _(" and {count} more").format(count=len(parts) - count)
    )


def editor(
    setting: Setting,
    layer: Layer,
    values: Mapping[Layer, object],
    offer: Offer,
) -> Panel:
    """One setting: its value at each layer that has one, and what changes it at this layer."""
    current = values.get(layer, setting.default)
    last = max(values, key=list(Layer).index, default=Layer.BOT)
    lines = [f"**{title(setting)} {scope(layer)}**: {_(setting.description)}."]
    for value_layer in (Layer.BOT, *(item for item in Layer if item in values)):
        label = value_label(setting, values.get(value_layer, setting.default), offer)
        mark = _(" ← counts") if value_layer is last else ""
        line = _("{origin}: **{value}**").format(origin=origin(value_layer), value=label)
        lines.append(f"{line}{mark}")
    if warning := setting.warning(values.get(last, setting.default), offer):
        lines.append(warning)
    reset = button(pgettext("button", "↩ Reset"), custom_id(layer, "reset", setting.name), row=4)
    reset.disabled = layer not in values
    items = [
        *_inputs(setting, layer, current, offer),
        reset,
        button(pgettext("button", "‹ All settings"), custom_id(layer, "panel"), row=4),
    ]
    return Panel("\n".join(lines)[:_MAX_CONTENT], stateless_view(items))


def _inputs(
    setting: Setting, layer: Layer, current: object, offer: Offer
) -> list[discord.ui.Item[Any]]:
    match setting.values:
        case Channels(is_single=is_single):
            return [_channel_menu(setting, layer, current, is_single=is_single)]
        case Commands():
            return _command_menus(setting, layer, command_names(current), offer.commands)
        case Number() | Text():
            return [_type_button(setting, layer)]
    options = [
        discord.SelectOption(
            label=_(label)[:_MAX_OPTION],
            value=label[:_MAX_OPTION],
            default=label == setting.label(current, offer),
        )
        for label in setting.labels(offer)[:MAX_OPTIONS]
    ]
    menu = discord.ui.Select[discord.ui.View](
        custom_id=custom_id(layer, "choose", setting.name),
        placeholder=title(setting),
        options=options,
        row=0,
    )
    return [menu, _type_button(setting, layer)] if isinstance(setting.values, Aspect) else [menu]


def _type_button(setting: Setting, layer: Layer) -> discord.ui.Button[discord.ui.View]:
    return button(pgettext("button", "✏️ Change…"), custom_id(layer, "type", setting.name), row=1)


def _channel_menu(
    setting: Setting, layer: Layer, current: object, *, is_single: bool
) -> discord.ui.Item[Any]:
    return discord.ui.ChannelSelect[discord.ui.View](
        custom_id=custom_id(layer, "choose", setting.name),
        channel_types=list(_GALLERY_TYPES if is_single else _CHANNEL_TYPES),
        placeholder=_("{title}: none chosen is {value}").format(
            title=title(setting), value=_(setting.default_label)
        ),
        min_values=0,
        max_values=1 if is_single else MAX_CHANNELS,
        default_values=[
            discord.SelectDefaultValue(id=channel, type=discord.SelectDefaultValueType.channel)
            for channel in channel_ids(current)
        ],
    )


def _command_menus(
    setting: Setting, layer: Layer, current: Sequence[str], commands: Sequence[str]
) -> list[discord.ui.Item[Any]]:
    """A menu for each 25 commands."""
    menus: list[discord.ui.Item[Any]] = []
    for page, start in enumerate(range(0, len(commands), MAX_OPTIONS)):
        names = commands[start : start + MAX_OPTIONS]
        options = [
            discord.SelectOption(
                label=command_label(name)[:_MAX_OPTION], value=name, default=name in current
            )
            for name in names
        ]
        menus.append(
            discord.ui.Select(
                custom_id=custom_id(layer, "choose", setting.name, page),
                placeholder=_("{title}: none chosen is {value}").format(
                    title=title(setting), value=_(setting.default_label)
                ),
                min_values=0,
                max_values=len(options),
                options=options,
                row=page,
            )
        )
    return menus


def modal(setting: Setting, layer: Layer, current: str, offer: Offer) -> discord.ui.Modal:
    """Asks for a value. Its custom id is its only state, so it also works after a restart."""
    form = discord.ui.Modal(
        title=f"{title(setting)} {scope(layer)}",
        custom_id=f"{VERSION}:{NAME}form:{layer.value}:{setting.name}",
    )
    is_text = isinstance(setting.values, Text)
    value = discord.ui.TextInput[discord.ui.Modal](
        custom_id=VALUE,
        default=current or None,
        max_length=setting.values.most if isinstance(setting.values, Text) else _MAX_OPTION,
        style=discord.TextStyle.paragraph if is_text else discord.TextStyle.short,
    )
    label = discord.ui.Label(
        text=title(setting),
        description=setting.allowed(offer)[:_MAX_OPTION],
        component=value,
    )
    form.add_item(label)
    form.stop()
    return form
