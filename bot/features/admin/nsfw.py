"""/admin nsfw: what becomes of flagged pictures in age-restricted channels."""

import time
from typing import Any, Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.db.guild_settings import NsfwSetting
from bot.domain.nsfw import NsfwPolicy, NsfwSettings
from bot.errors import Refused
from bot.features.admin import group
from bot.features.responses import guarded, whisper

Channel = app_commands.AppCommandChannel

_MEANING: Final = {
    NsfwPolicy.BLOCK: "withheld",
    NsfwPolicy.SPOILER: "shown as spoilers",
    NsfwPolicy.ALLOW: "shown",
}
_SHOWN: Final = 40
"""Channels in one answer."""


class RoomOption(app_commands.Transformer):
    """A channel that can be age-restricted."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        """As Discord calls it."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """As Discord calls them."""
        kinds = discord.ChannelType
        return [kinds.text, kinds.news, kinds.voice, kinds.stage_voice, kinds.forum]

    async def transform(self, _: discord.Interaction[Any], value: Channel) -> Channel:
        """As it came."""
        return value


Room = app_commands.Transform[Channel, RoomOption]


@group.command(
    name="nsfw", description="What becomes of flagged pictures in age-restricted channels"
)
@app_commands.describe(
    level="Without it, you are told what is chosen now",
    channel="An age-restricted channel, with its threads; without it, all that are not named",
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
    interaction: Interaction, level: str | None = None, channel: Room | None = None
) -> None:
    """Choose, or ask what is chosen."""
    await guarded(interaction, nsfw(interaction, level, channel))


async def nsfw(interaction: Interaction, level: str | None, channel: Channel | None) -> None:
    """The answer is for the admin alone."""
    guild, may = interaction.guild_id, interaction.permissions
    if guild is None or not (may.manage_guild or may.administrator):
        raise Refused("Only those who may manage this server can do this.")
    levels = services(interaction).guild_settings
    if level is None:
        await whisper(interaction, _state(await levels.get(guild)))
        return
    chosen = NsfwPolicy(level)
    room = None if channel is None else channel.id
    actor = interaction.user.id
    await levels.set(
        NsfwSetting(
            guild_id=guild, channel_id=room, policy=chosen, actor_id=actor, created_at=time.time()
        )
    )
    await whisper(interaction, _chosen(chosen, channel))


def _chosen(level: NsfwPolicy, channel: Channel | None) -> str:
    if channel is None:
        return (
            f"Flagged pictures are now {_MEANING[level]} in age-restricted channels, but for those "
            "with a choice of their own. In all other places they are always withheld."
        )
    if channel.nsfw:
        return f"Flagged pictures are now {_MEANING[level]} in {channel.mention} and its threads."
    return (
        f"This will count once {channel.mention} is age-restricted. Until then flagged pictures "
        "are withheld there."
    )


def _state(choices: NsfwSettings) -> str:
    lines = [f"In age-restricted channels flagged pictures are {_MEANING[choices.guild]}."]
    shown = sorted(choices.channels.items())[:_SHOWN]
    lines += [f"In <#{room}> they are {_MEANING[level]}." for room, level in shown]
    if len(choices.channels) > len(shown):
        lines.append(
            f"And {len(choices.channels) - len(shown)} channels more have their own choice."
        )
    lines.append(
        "In channels that are not age-restricted, and in direct messages, they are withheld."
    )
    return "\n".join(lines)
