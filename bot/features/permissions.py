"""Permissions in a guild: those of users, and those that the bot needs."""

from typing import Final

import discord

from bot.context import BotClient, Interaction
from bot.errors import Refused
from bot.i18n import N_, _
from bot.messages.channels import is_reached_by_token_only, is_token_only

_PERMISSION_NAMES: Final = {
    "view_channel": N_("View Channel"),
    "send_messages": N_("Send Messages"),
    "send_messages_in_threads": N_("Send Messages in Threads"),
    "attach_files": N_("Attach Files"),
    "read_message_history": N_("Read Message History"),
    "manage_threads": N_("Manage Threads"),
    "send_polls": N_("Create Polls"),
}


_IN_FORUMS: Final = {"Send Messages": N_("Create Posts")}
"""What permissions are called in forums."""


class CannotReply(Refused):
    """The bot may not post in the channel; the message is for a DM."""


def can_moderate(permissions: discord.Permissions) -> bool:
    """Whether these permissions allow deleting other users' messages."""
    return permissions.manage_messages or permissions.administrator


def is_moderator(interaction: Interaction) -> bool:
    """Whether the user may delete other users' messages here; nobody may in a DM."""
    return interaction.guild_id is not None and can_moderate(interaction.permissions)


def check_moderator(interaction: Interaction) -> None:
    """Raise Refused unless the user may delete other users' messages here."""
    if not is_moderator(interaction):
        raise Refused(_("Only moderators (with the permission Manage Messages) can do this."))


def moderated_guild(interaction: Interaction) -> int:
    """The guild of an /admin command. Raises Refused for users who neither manage nor moderate it.

    The guild's integration settings decide who sees /admin; this check applies regardless.
    """
    permissions = interaction.permissions
    if interaction.guild_id is None or not (permissions.manage_guild or can_moderate(permissions)):
        raise Refused(_("Only members who manage or moderate this server can do this."))
    return interaction.guild_id


def can_manage(permissions: discord.Permissions) -> bool:
    """Whether these permissions allow changing the settings of a guild."""
    return permissions.manage_guild or permissions.administrator


def managed_guild(interaction: Interaction) -> int:
    """The guild of a command. Raises Refused for users who do not manage it."""
    if interaction.guild_id is None or not can_manage(interaction.permissions):
        raise Refused(_("Only members with the permission Manage Server can do this."))
    return interaction.guild_id


def check_can_post(
    permissions: discord.Permissions,
    *,
    in_thread: bool,
    replies: bool = False,
    is_locked: bool = False,
    place: str = "",
) -> None:
    """Raise Refused, naming what is missing, unless the bot may post pictures with these.

    `place` is what the channel is called if it is another one than that of the response.
    """
    if permissions.administrator:
        return
    needed = ["view_channel", "send_messages_in_threads" if in_thread else "send_messages"]
    if all(getattr(permissions, name) for name in needed):  # the others depend on these
        needed = ["attach_files"]
        needed += ["read_message_history"] if replies else []
        needed += ["manage_threads"] if is_locked else []
    missing = [_PERMISSION_NAMES[name] for name in needed if not getattr(permissions, name)]
    if missing:
        sentence = _(
            "I need the permission {names} in {channel} to post pictures, so nothing was "
            "queued. An admin of this server can allow it."
        )
        names = _(" and ").join(_(name) for name in missing)
        raise Refused(sentence.format(names=names, channel=place or _("this channel")))


def check_can_show(permissions: discord.Permissions, channel: discord.abc.GuildChannel) -> None:
    """Raise Refused, naming what is missing, unless the bot may post pictures in this channel, or
    in this forum, with these."""
    is_forum = isinstance(channel, discord.ForumChannel)
    needed = ["view_channel", "send_messages"]
    if all(getattr(permissions, name) for name in needed):  # the others depend on these
        needed = ["attach_files", "read_message_history"] if is_forum else ["attach_files"]
    missing = [_PERMISSION_NAMES[name] for name in needed if not getattr(permissions, name)]
    if is_forum:
        missing = [_IN_FORUMS.get(name, name) for name in missing]
    if missing and not permissions.administrator:
        sentence = _(
            "I need the permission {names} in {channel} to post pictures there. An admin "
            "of this server can allow it."
        )
        names = _(" and ").join(_(name) for name in missing)
        raise Refused(sentence.format(names=names, channel=f"<#{channel.id}>"))


def check_gallery(channel: object) -> None:
    """Raise Refused unless this is a text channel or a forum that the bot may post pictures in."""
    if not isinstance(channel, discord.TextChannel | discord.ForumChannel):
        raise Refused(_("The gallery can be a text channel or a forum."))
    check_can_show(channel.permissions_for(channel.guild.me), channel)


def check_not_timed_out(me: discord.Member | None, place: str = "") -> None:
    """Raise Refused during a timeout of the bot; `me` is its member, as far as it is known."""
    if me is None or me.timed_out_until is None or me.guild_permissions.administrator:
        return
    if me.is_timed_out():
        until = discord.utils.format_dt(me.timed_out_until)
        raise Refused(
            _(
                "A moderator of this server has timed me out until {until}: I cannot "
                "post in {channel}, so nothing was queued."
            ).format(until=until, channel=place or _("this channel"))
        )


def check_can_respond(interaction: Interaction) -> None:
    """Raise Refused unless the bot may post pictures where the interaction comes from.

    Not checked in DMs and where the bot is no member.
    """
    if is_token_only(interaction.client, interaction.guild_id):
        return
    permissions = interaction.app_permissions or _cached_permissions(interaction)
    if interaction.guild_id is None or permissions is None:
        return
    check_not_timed_out(interaction.guild.me if interaction.guild else None)
    in_thread = isinstance(interaction.channel, discord.Thread)
    check_can_post(permissions, in_thread=in_thread)


def check_can_poll(interaction: Interaction) -> None:
    """Raise Refused, naming what is missing, unless the bot may send a poll and read its result."""
    if is_reached_by_token_only(interaction):
        raise Refused(
            _(
                "I am no member of this server, so I cannot read the result of a poll "
                "here. Leave out the option poll, or ask an admin to add my bot user to "
                "the server."
            )
        )
    permissions = interaction.app_permissions
    if interaction.guild_id is None or permissions.administrator:
        return
    needed = ("send_polls", "read_message_history")
    missing = [_PERMISSION_NAMES[name] for name in needed if not getattr(permissions, name)]
    if missing:
        sentence = _(
            "I need the permission {names} in this channel for a poll. An admin of this "
            "server can allow it."
        )
        raise Refused(sentence.format(names=_(" and ").join(_(name) for name in missing)))


def check_author_can_post(interaction: Interaction) -> None:
    """Raise Refused if the user may not write where the interaction comes from."""
    permissions = interaction.permissions
    if interaction.guild_id is None or permissions.administrator:
        return
    in_thread = isinstance(interaction.channel, discord.Thread)
    name = "send_messages_in_threads" if in_thread else "send_messages"
    if not getattr(permissions, name):
        raise Refused(_("You may not write in this channel, so nothing is shown here."))


def _cached_permissions(interaction: Interaction) -> discord.Permissions | None:
    """The bot's permissions as far as the client knows; an event without them looks like none."""
    guild = interaction.guild
    channel = guild.get_channel_or_thread(interaction.channel_id or 0) if guild else None
    if guild is None or channel is None or guild.me is None:
        return None
    return channel.permissions_for(guild.me)


def check_can_reply(client: BotClient, reaction: discord.RawReactionActionEvent) -> None:
    """Raise CannotReply unless the bot may post pictures as a reply to a reaction's message."""
    check_can_reply_in(client, reaction.guild_id, reaction.channel_id)


def check_can_reply_in(client: BotClient, guild_id: int | None, channel_id: int) -> None:
    """Raise CannotReply unless the bot may post pictures as replies in this channel."""
    guild = client.get_guild(guild_id or 0)
    channel = guild.get_channel_or_thread(channel_id) if guild else None
    if guild is None or channel is None or guild.me is None:
        return
    is_thread = isinstance(channel, discord.Thread)
    is_locked = isinstance(channel, discord.Thread) and channel.locked
    permissions = channel.permissions_for(guild.me)
    place = f"<#{channel.id}>"
    try:
        check_not_timed_out(guild.me, place)
        check_can_post(
            permissions, in_thread=is_thread, replies=True, is_locked=is_locked, place=place
        )
    except Refused as error:
        raise CannotReply(str(error)) from None


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
