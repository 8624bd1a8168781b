"""People who leave a guild, are kicked or are banned, and the gateway events of it."""

from bot.playground.errors import PlaygroundError
from bot.playground.model.guild import Guild, User
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.serializers.users import user_json


def remove_member(world: World, guild: Guild, user: User) -> None:
    """Remove a member, who has left or was kicked: both look the same to a bot."""
    if user.id == guild.owner_id:
        raise PlaygroundError("The owner cannot leave the server.")
    if user not in guild.members:
        raise PlaygroundError(f"{user.name} is no member of {guild.name}.")
    guild.leave(user)
    for channel in guild.channels:
        if user in channel.thread_members:
            channel.thread_members.remove(user)
    world.emit("GUILD_MEMBER_REMOVE", _user_event(guild, user), guild)
    world.changes.notify()


def ban(world: World, guild: Guild, user: User, *, delete_messages: bool) -> None:
    """Ban a user, who need not be a member; `delete_messages` deletes what the user has sent."""
    if user.id == guild.owner_id:
        raise PlaygroundError("The owner cannot be banned.")
    if user in guild.bans:
        raise PlaygroundError(f"{user.name} is already banned from {guild.name}.")
    guild.bans.append(user)
    world.emit("GUILD_BAN_ADD", _user_event(guild, user), guild)
    if user in guild.members:
        remove_member(world, guild, user)
    for channel in guild.channels if delete_messages else ():
        messages = [m for m in world.messages.values() if m.author is user and m.channel is channel]
        message_writer.delete_all(world, channel, messages)


def unban(world: World, guild: Guild, user: User) -> None:
    """Let a banned user join again."""
    if user not in guild.bans:
        raise PlaygroundError(f"{user.name} is not banned from {guild.name}.")
    guild.bans.remove(user)
    world.emit("GUILD_BAN_REMOVE", _user_event(guild, user), guild)


def _user_event(guild: Guild, user: User) -> dict[str, object]:
    return {"guild_id": str(guild.id), "user": user_json(user)}
