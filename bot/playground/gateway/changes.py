"""Change and remove guilds, channels, roles and the bot's member, and emit their gateway events."""

from collections.abc import Iterable

from bot.playground.errors import Json, PlaygroundError
from bot.playground.model.command_permissions import CommandPermission, CommandPermissions
from bot.playground.model.forum import NO_CHANNEL_FLAGS, ChannelFlags, ForumTag
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.permissions import Overwrite, Permission
from bot.playground.model.state import World
from bot.playground.rest import channel_edits, overwrites
from bot.playground.rest.command_permissions import permissions_json
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.guilds import (
    guild_create_json,
    guild_json,
    member_json,
    role_json,
)
from bot.playground.rest.threads import remove_channel

COMMAND_PERMISSIONS_LIMIT = 100
TIMEOUT_LIMIT = 28 * 24 * 3600  # seconds


def set_command_permissions(
    world: World,
    permissions: CommandPermissions,
    guild: Guild,
    command_id: int,
    entries: list[CommandPermission],
) -> None:
    """Set who may use a command, or all commands if it is the application's id."""
    if len(entries) > COMMAND_PERMISSIONS_LIMIT:
        raise PlaygroundError(f"A command takes {COMMAND_PERMISSIONS_LIMIT} permissions.")
    permissions.set(guild, command_id, entries)
    data = permissions_json(guild, command_id, entries)
    world.emit("APPLICATION_COMMAND_PERMISSIONS_UPDATE", data, guild)
    world.changes.notify()


def remove_bot(world: World, guild: Guild) -> None:
    """Remove the bot from a guild, as a kick does. Its messages stay."""
    world.emit("GUILD_DELETE", {"id": str(guild.id)}, guild)
    guild.leave(world.bot)
    del world.guilds[guild.id]
    world.changes.notify()


def set_available(world: World, guild: Guild, *, available: bool) -> None:
    """Begin or end an outage of a guild; during it, the bot receives none of its events."""
    if available:
        guild.unavailable = False
        world.emit("GUILD_CREATE", guild_create_json(world, guild), guild)
    else:
        world.emit("GUILD_DELETE", {"id": str(guild.id), "unavailable": True}, guild)
        guild.unavailable = True
    world.changes.notify()


def set_premium_tier(world: World, guild: Guild, tier: int) -> None:
    """Set the boost tier of a guild."""
    guild.premium_tier = tier
    world.emit("GUILD_UPDATE", guild_json(guild), guild)


def set_locale(world: World, guild: Guild, locale: str) -> None:
    """Set the preferred locale of a guild."""
    guild.preferred_locale = locale
    world.emit("GUILD_UPDATE", guild_json(guild), guild)


def set_tags(
    world: World, forum: Channel, names: Iterable[str], *, required: bool
) -> list[ForumTag]:
    """Set the tags of a forum or media channel, and return them."""
    ids = {tag.name: str(tag.id) for tag in forum.available_tags}
    tags = [{"name": name, "id": ids.get(name, "0")} for name in names]
    flags = ChannelFlags.REQUIRE_TAG if required else NO_CHANNEL_FLAGS
    channel_edits.edit_channel(world, forum, {"available_tags": tags, "flags": int(flags)})
    return forum.available_tags


def set_bot_permissions(world: World, channel: Channel, permissions: Permission) -> None:
    """Set what the bot may do in a channel of a guild and in its threads."""
    channel.bot_permissions = permissions
    world.emit("CHANNEL_UPDATE", channel_json(channel.root), channel.root)


def set_overwrite(
    world: World, channel: Channel, target: Role | User, overwrite: Overwrite
) -> None:
    """Set what a channel of a guild and its threads allow and deny a role or a member."""
    if channel.guild is None or channel.parent:
        raise PlaygroundError("Only channels of a guild have permission overwrites.")
    if overwrite == Overwrite():
        overwrites.delete_overwrite(world, channel, target)
    else:
        overwrites.set_overwrite(world, channel, target, overwrite)


def set_owner(world: World, guild: Guild, owner: User) -> None:
    """Transfer the ownership of a guild to a member."""
    if owner not in guild.members:
        raise PlaygroundError(f"{owner.name} is no member of {guild.name}.")
    guild.owner_id = owner.id
    world.emit("GUILD_UPDATE", guild_json(guild), guild)
    world.changes.notify()


def time_out(world: World, guild: Guild, user: User, seconds: float) -> None:
    """Begin a timeout of a member, or remove it with 0 seconds."""
    if not 0 <= seconds <= TIMEOUT_LIMIT:
        raise PlaygroundError("A timeout takes up to 28 days.")
    if Permission.ADMINISTRATOR in guild.permissions(user):
        raise PlaygroundError("The owner and administrators cannot be timed out.")
    guild.set_timeout(user, world.clock.now() + seconds if seconds else 0.0)
    _emit_member(world, "GUILD_MEMBER_UPDATE", user, guild)
    world.changes.notify()


def edit_channel(world: World, channel: Channel, *, name: str | None, nsfw: bool | None) -> None:
    """Change a channel or thread; raise PlaygroundError for the age restriction of a thread."""
    if nsfw is not None and channel.parent:
        raise PlaygroundError("A thread has the age restriction of its channel.")
    channel.name = channel.name if name is None else name
    channel.nsfw = channel.nsfw if nsfw is None else nsfw
    event = "THREAD_UPDATE" if channel.parent else "CHANNEL_UPDATE"
    world.emit(event, channel_json(channel), channel)
    world.changes.notify()


def delete_channel(world: World, channel: Channel) -> None:
    """Delete a channel or thread of a guild with its messages."""
    if channel.guild is None:
        raise PlaygroundError("DM channels cannot be deleted.")
    remove_channel(world, channel)


def edit_role(world: World, role: Role, guild: Guild, *, permissions: Permission) -> None:
    """Change the permissions of a role."""
    role.permissions = permissions
    event: Json = {"guild_id": str(guild.id), "role": role_json(role, guild)}
    world.emit("GUILD_ROLE_UPDATE", event, guild)


def delete_role(world: World, role: Role, guild: Guild) -> None:
    """Delete a role; raise PlaygroundError for those that Discord manages."""
    if role is guild.everyone or role.managed:
        raise PlaygroundError(f"The role {role.name} cannot be deleted.")
    guild.delete_role(role)
    world.emit("GUILD_ROLE_DELETE", {"guild_id": str(guild.id), "role_id": str(role.id)}, guild)


def set_bot_roles(world: World, guild: Guild, *roles: Role) -> None:
    """Set the roles of the bot beside its own, which it keeps."""
    guild.set_roles(world.bot, guild.applications, *roles)
    _emit_member(world, "GUILD_MEMBER_UPDATE", world.bot, guild)


def join(world: World, guild: Guild, user: User, *roles: Role) -> None:
    """Add a member to a guild if necessary, and add roles; raise PlaygroundError after a ban."""
    if user in guild.bans:
        raise PlaygroundError(f"{user.name} is banned from {guild.name}.")
    is_member, old_roles = user in guild.members, guild.roles_of(user)
    guild.join(user, *roles)
    if not is_member:
        _emit_member(world, "GUILD_MEMBER_ADD", user, guild)
    elif guild.roles_of(user) != old_roles:
        _emit_member(world, "GUILD_MEMBER_UPDATE", user, guild)


def take_role(world: World, guild: Guild, user: User, role: Role) -> None:
    """Remove a role from a member."""
    guild.take(user, role)
    _emit_member(world, "GUILD_MEMBER_UPDATE", user, guild)


def _emit_member(world: World, event: str, user: User, guild: Guild) -> None:
    world.emit(event, member_json(user, guild) | {"guild_id": str(guild.id)}, guild)
