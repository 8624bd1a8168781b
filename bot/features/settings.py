"""/settings: a private panel of what counts for a user, a channel and a server."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from discord import app_commands

from bot.context import Interaction, services
from bot.domain import styles
from bot.domain.model_names import MAX_CHOICES
from bot.domain.picture_size import SUGGESTED
from bot.domain.preference_settings import SETTINGS, Setting
from bot.domain.preferences import Layer, Owner, Preferences
from bot.domain.rules import strip_invisible
from bot.domain.setting_values import Channels, Commands, Offer, channel_ids, command_names
from bot.errors import Refused
from bot.features.exports import Component, Exports
from bot.features.permissions import can_manage, check_gallery, managed_guild
from bot.features.places import everywhere
from bot.features.preferences import settings_channel_id, settings_guild_id
from bot.i18n import N_, _, pgettext
from bot.messages import channels, components, settings_panel
from bot.messages.settings_panel import Panel

_MAX_TEXT: Final = 1000
_RESET: Final = N_("reset")
_PLACES: Final = {Layer.USER: "me", Layer.CHANNEL: "this channel", Layer.GUILD: "this server"}


class _Place(NamedTuple):
    """Where an interaction comes from."""

    guild_id: int | None
    channel_id: int | None
    user_id: int

    def owner(self, layer: Layer) -> Owner:
        """Whose values those of the layer are here."""
        ids = {
            Layer.GUILD: self.guild_id,
            Layer.CHANNEL: self.channel_id,
            Layer.USER: self.user_id,
        }
        return Owner(layer, ids[layer] or 0)


@app_commands.command(
    name="settings", description="Show or change settings: yours, or the server's"
)
@app_commands.rename(layer="for")
@app_commands.describe(
    setting="Leave it out to see all of them",
    value="Leave it out to see the setting; reset lets the earlier value count again",
    layer="For whom; channels and servers need the permission Manage Server",
)
@app_commands.choices(
    setting=[
        app_commands.Choice(name=setting.title, value=name) for name, setting in SETTINGS.items()
    ],
    layer=[app_commands.Choice(name=name, value=layer.value) for layer, name in _PLACES.items()],
)
@everywhere
async def command(
    interaction: Interaction,
    setting: str | None = None,
    value: app_commands.Range[str, 1, _MAX_TEXT] | None = None,
    layer: str | None = None,
) -> None:
    """Change what is given, then show the panel."""
    if setting is None and value is not None:
        raise Refused(_("Choose a setting."))
    chosen = None if setting is None else _setting(setting)
    at = _layer(layer, chosen)
    _check_may_see(interaction, at)
    if chosen is None:
        panel = _overview(interaction, at)
    elif value is None:
        _check_layer(chosen, at)
        panel = _editor(interaction, chosen, at)
    elif value.strip().casefold() in (_RESET, _(_RESET).casefold()):
        panel = await _reset(interaction, chosen, at)
    else:
        panel = await _parse_and_set(interaction, chosen, at, value)
    await interaction.response.send_message(panel.content, view=panel.view, ephemeral=True)


@command.autocomplete("value")
async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The values of the chosen setting that contain what was typed."""
    setting = SETTINGS.get(str(interaction.namespace.setting))
    labels = () if setting is None else setting.labels(_offer(interaction))
    text = typed.strip().casefold()
    names = [label for label in labels if text in _(label).casefold()]
    return [app_commands.Choice(name=_(name), value=name) for name in names][:MAX_CHOICES]


def _setting(name: str) -> Setting:
    if name not in SETTINGS:
        sentence = _("There is no setting “{name}”. Choose one of: {names}.")
        raise Refused(sentence.format(name=name[:50], names=", ".join(SETTINGS)))
    return SETTINGS[name]


def _layer(name: str | None, setting: Setting | None) -> Layer:
    """The layer of this name; without one, that of the user if the setting has it."""
    if name is None:
        return Layer.USER if setting is None else setting.layers[-1]
    if name not in list(_PLACES):
        names = ", ".join(pgettext("choice", place) for place in _PLACES.values())
        raise Refused(_("Settings are for one of: {names}.").format(names=names))
    return Layer(name)


def _check_layer(setting: Setting, layer: Layer) -> None:
    if layer not in setting.layers:
        places = _(" or ").join(
            pgettext("choice", _PLACES[setting_layer]) for setting_layer in reversed(setting.layers)
        )
        raise Refused(
            _("The setting {title} can only be set for {places}.").format(
                title=_(setting.title), places=places
            )
        )


def _check_may_see(interaction: Interaction, layer: Layer) -> None:
    """Raise Refused unless the user may change settings at this layer here."""
    if layer is Layer.USER:
        return
    managed_guild(interaction)
    if channels.is_guest(interaction):
        raise Refused(_("This server has not added me, so only your own settings count here."))


def _offer(interaction: Interaction) -> Offer:
    bot = services(interaction)
    return Offer(
        models=bot.planner.models,
        aspects=SUGGESTED,
        commands=interaction.client.restrictable_commands,
        max_count=bot.moderation.default_limits.max_pictures,
    )


def _place(interaction: Interaction) -> _Place:
    channel_id = settings_channel_id(interaction.channel, interaction.channel_id)
    return _Place(settings_guild_id(interaction), channel_id, interaction.user.id)


def _preferences(interaction: Interaction, layer: Layer) -> Preferences:
    """What counts at this layer, without the later ones."""
    guild_id, channel_id, user_id = _place(interaction)
    return services(interaction).preferences.of(
        guild_id,
        None if layer is Layer.GUILD else channel_id,
        user_id if layer is Layer.USER else None,
    )


def _overview(interaction: Interaction, layer: Layer, news: str = "") -> Panel:
    is_in_guild = settings_guild_id(interaction) is not None
    may_manage = is_in_guild and can_manage(interaction.permissions)
    return settings_panel.overview(
        layer,
        list(_PLACES) if may_manage else [Layer.USER],
        _preferences(interaction, layer),
        _offer(interaction),
        news=news,
        is_in_guild=is_in_guild,
    )


def _editor(interaction: Interaction, setting: Setting, layer: Layer) -> Panel:
    values = _values(interaction, setting, layer)
    return settings_panel.editor(setting, layer, values, _offer(interaction))


def _values(interaction: Interaction, setting: Setting, layer: Layer) -> Mapping[Layer, object]:
    """The value of the setting at each layer up to this one that has one."""
    place, preferences = _place(interaction), services(interaction).preferences
    order = list(Layer)
    layers = order[1 : order.index(layer) + 1]
    if place.guild_id is None:
        layers = [value_layer for value_layer in layers if value_layer is Layer.USER]
    stored = {value_layer: preferences.values(place.owner(value_layer)) for value_layer in layers}
    return {
        value_layer: values[setting.name]
        for value_layer, values in stored.items()
        if setting.name in values
    }


async def _parse_and_set(
    interaction: Interaction, setting: Setting, layer: Layer, text: str
) -> Panel:
    value = setting.parse(strip_invisible(text), _offer(interaction))
    return await _set(interaction, setting, layer, value)


async def _set(interaction: Interaction, setting: Setting, layer: Layer, value: object) -> Panel:
    """Set a value; the panel that says so. Raises Refused."""
    _check_layer(setting, layer)
    _check_may_see(interaction, layer)
    if isinstance(setting.values, Channels):
        _check_channels(interaction, setting, channel_ids(value))
    if setting.name == "styles":
        presets = await services(interaction).presets.of(interaction.guild_id)
        value = ", ".join(styles.parse(str(value), presets.styles))
    place, offer = _place(interaction), _offer(interaction)
    await services(interaction).preferences.set(
        place.owner(layer),
        setting,
        value,
        offer,
        guild_id=place.guild_id,
        actor_id=place.user_id,
    )
    label = settings_panel.value_label(setting, value, offer)
    scope = settings_panel.scope(layer)
    news = _("{title}: now **{value}** {scope}.").format(
        title=settings_panel.title(setting), value=label, scope=scope
    )
    return _overview(interaction, layer, news)


async def _reset(interaction: Interaction, setting: Setting, layer: Layer) -> Panel:
    _check_layer(setting, layer)
    _check_may_see(interaction, layer)
    place = _place(interaction)
    await services(interaction).preferences.reset(
        place.owner(layer), setting, guild_id=place.guild_id, actor_id=place.user_id
    )
    scope = settings_panel.scope(layer)
    news = _("{title}: reset {scope}.").format(title=settings_panel.title(setting), scope=scope)
    return _overview(interaction, layer, news)


def _check_channels(interaction: Interaction, setting: Setting, ids: Sequence[int]) -> None:
    guild = interaction.guild
    for channel_id in ids:
        channel = None if guild is None else guild.get_channel(channel_id)
        if channel is None:
            sentence = _("This server has no channel with the ID {id} that I can see.")
            raise Refused(sentence.format(id=channel_id))
        if setting.name == "gallery_channel_id":
            check_gallery(channel)


# The panel


async def on_use(interaction: Interaction, match: re.Match[str]) -> None:
    """A button or menu of the panel; also one from before a restart."""
    layer, action = Layer(match["layer"]), match["action"]
    _check_may_see(interaction, layer)
    if action == "panel":
        await _show(interaction, _overview(interaction, layer))
        return
    if action == "pick":
        setting = _setting(next(iter(_chosen(interaction)), ""))
        _check_layer(setting, layer)
        await _show(interaction, _editor(interaction, setting, layer))
        return
    setting = _setting(match["name"] or "")
    if action == "type":
        await _ask(interaction, setting, layer)
    elif action == "reset":
        await _show(interaction, await _reset(interaction, setting, layer))
    else:
        value = _chosen_value(interaction, setting, layer, int(match["page"] or 0))
        await _show(interaction, await _set(interaction, setting, layer, value))


async def on_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Set what was typed."""
    setting, text = (
        _setting(match["name"]),
        components.submitted_text(interaction, settings_panel.VALUE),
    )
    panel = await _parse_and_set(interaction, setting, Layer(match["layer"]), text)
    await _show(interaction, panel)


async def _ask(interaction: Interaction, setting: Setting, layer: Layer) -> None:
    _check_layer(setting, layer)
    offer = _offer(interaction)
    current = _values(interaction, setting, layer).get(layer, setting.default)
    form = settings_panel.modal(setting, layer, _(setting.label(current, offer)), offer)
    await interaction.response.send_modal(form)


async def _show(interaction: Interaction, panel: Panel) -> None:
    await interaction.response.edit_message(content=panel.content, view=panel.view)


def _chosen(interaction: Interaction) -> list[str]:
    data: dict[str, Any] = dict(interaction.data or {})
    return [str(value) for value in data.get("values") or ()]


def _chosen_value(interaction: Interaction, setting: Setting, layer: Layer, page: int) -> object:
    """The value that the menus of a setting stand for now. Raises Refused."""
    offer, chosen = _offer(interaction), _chosen(interaction)
    if isinstance(setting.values, Commands):
        start = page * settings_panel.MAX_OPTIONS
        listed = offer.commands[start : start + settings_panel.MAX_OPTIONS]
        current = command_names(_values(interaction, setting, layer).get(layer, setting.default))
        other_names = [name for name in current if name not in listed]
        chosen = [*other_names, *chosen]
    return setting.parse(",".join(chosen), offer) if chosen else setting.default


exports: Final = Exports(
    commands=(command,),
    components=(Component(settings_panel.PATTERN, on_use),),
    modals=(Component(settings_panel.MODAL_PATTERN, on_modal_submit),),
    is_always_allowed=True,
)
