"""/admin nsfw: how flagged pictures are shown in age-restricted channels."""

from typing import Any, Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain.nsfw import NsfwPolicy, NsfwSettings
from bot.errors import Refused
from bot.features.exports import GroupCommand
from bot.features.permissions import managed_guild
from bot.features.responses import respond_ephemeral
from bot.i18n import N_, _

Channel = app_commands.AppCommandChannel

_DESCRIPTIONS: Final = {
    NsfwPolicy.BLOCK: N_("withheld"),
    NsfwPolicy.SPOILER: N_("shown as spoilers"),
    NsfwPolicy.ALLOW: N_("shown"),
}
_MAX_CHANNELS: Final = 40
"""In one response."""


class ChannelTransformer(app_commands.Transformer):
    """A channel that can be age-restricted."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        """The option's type."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """The types of channels that have the setting."""
        types = discord.ChannelType
        return [types.text, types.news, types.voice, types.stage_voice, types.forum]

    async def transform(self, _: discord.Interaction[Any], value: Channel) -> Channel:
        """The value itself."""
        return value


ChannelOption = app_commands.Transform[Channel, ChannelTransformer]


@app_commands.command(
    name="nsfw", description="Choose how flagged pictures are shown in age-restricted channels"
)
@app_commands.describe(
    level="Leave it out to see the current settings",
    channel="An age-restricted channel and its threads; leave it out for the server's default",
)
@app_commands.choices(
    level=[
        app_commands.Choice(name="block: withhold them", value=NsfwPolicy.BLOCK.value),
        app_commands.Choice(
            name="spoiler: show them after a click", value=NsfwPolicy.SPOILER.value
        ),
        app_commands.Choice(name="allow: show them", value=NsfwPolicy.ALLOW.value),
    ]
)
async def command(
    interaction: Interaction, level: str | None = None, channel: ChannelOption | None = None
) -> None:
    """Change or show the settings."""
    guild_id = managed_guild(interaction)
    moderation = services(interaction).moderation
    if level is None:
        settings = await moderation.settings(guild_id)
        await respond_ephemeral(interaction, _format_settings(settings.nsfw))
        return
    policy, channel_id = _policy(level), None if channel is None else channel.id
    await moderation.set_nsfw_policy(guild_id, channel_id, policy, actor_id=interaction.user.id)
    await respond_ephemeral(interaction, _confirmation(policy, channel))


def _policy(level: str) -> NsfwPolicy:
    if level not in list(NsfwPolicy):
        sentence = _("There is no level “{level}”. Choose one of: {levels}.")
        raise Refused(sentence.format(level=level[:30], levels=", ".join(NsfwPolicy)))
    return NsfwPolicy(level)


def _confirmation(level: NsfwPolicy, channel: Channel | None) -> str:
    if channel is None:
        return _(
            "Flagged pictures are now {policy} in age-restricted channels that "
            "have no setting of their own. They are always withheld in all other "
            "channels."
        ).format(policy=_(_DESCRIPTIONS[level]))
    if channel.nsfw:
        place = _("{mention} and its threads").format(mention=channel.mention)
        return _("Flagged pictures are now {policy} in {place}.").format(
            policy=_(_DESCRIPTIONS[level]), place=place
        )
    return _(
        "This will apply once {mention} is age-restricted. Until then, flagged "
        "pictures are withheld there."
    ).format(mention=channel.mention)


def _format_settings(settings: NsfwSettings) -> str:
    default = _DESCRIPTIONS[settings.guild]
    lines = [
        _("In age-restricted channels, flagged pictures are {default}.").format(default=default)
    ]
    channels = sorted(settings.channels.items())
    lines += [
        _("In <#{channel_id}> they are {policy}.").format(
            channel_id=channel_id, policy=_(_DESCRIPTIONS[level])
        )
        for channel_id, level in channels[:_MAX_CHANNELS]
    ]
    if len(channels) > _MAX_CHANNELS:
        lines.append(
            _("{count} more channels have their own setting.").format(
                count=len(channels) - _MAX_CHANNELS
            )
        )
    lines.append(_("In channels that are not age-restricted and in DMs, they are withheld."))
    return "\n".join(lines)


commands: Final[tuple[GroupCommand, ...]] = (command,)
