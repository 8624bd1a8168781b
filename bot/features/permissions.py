"""Permissions of users in a guild."""

import discord

from bot.context import BotClient, Interaction
from bot.errors import Refused


def can_moderate(permissions: discord.Permissions) -> bool:
    """Whether these permissions allow deleting other users' messages."""
    return permissions.manage_messages or permissions.administrator


def is_moderator(interaction: Interaction) -> bool:
    """Whether the user may delete other users' messages here; nobody may in a DM."""
    return interaction.guild_id is not None and can_moderate(interaction.permissions)


def check_moderator(interaction: Interaction) -> None:
    """Raise Refused unless the user may delete other users' messages here."""
    if not is_moderator(interaction):
        raise Refused("Only moderators (with the permission Manage Messages) can do this.")


def moderated_guild(interaction: Interaction) -> int:
    """The guild of an /admin command. Raises Refused for users who neither manage nor moderate it.

    The guild's integration settings decide who sees /admin; this check applies regardless.
    """
    permissions = interaction.permissions
    if interaction.guild_id is None or not (permissions.manage_guild or can_moderate(permissions)):
        raise Refused("Only members who manage or moderate this server can do this.")
    return interaction.guild_id


def managed_guild(interaction: Interaction) -> int:
    """The guild of an /admin command. Raises Refused for users who do not manage it."""
    permissions = interaction.permissions
    may_manage = permissions.manage_guild or permissions.administrator
    if interaction.guild_id is None or not may_manage:
        raise Refused("Only members with the permission Manage Server can do this.")
    return interaction.guild_id


async def is_moderator_by_reaction(
    client: BotClient, reaction: discord.RawReactionActionEvent
) -> bool:
    """Whether the user may delete others' messages in the channel of the reaction.

    In a channel that the client does not know, the guild permissions of the user's roles decide.
    """
    guild = client.get_guild(reaction.guild_id or 0)
    if guild is None:
        return False
    member = reaction.member or await guild.fetch_member(reaction.user_id)
    channel = guild.get_channel_or_thread(reaction.channel_id)
    if channel is None:
        return can_moderate(member.guild_permissions)
    return can_moderate(channel.permissions_for(member))
