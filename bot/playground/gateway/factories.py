"""Create guilds, channels, threads and roles, and emit their gateway events."""

from bot.playground.errors import PlaygroundError
from bot.playground.model.guild import WITHOUT_THREADS, Channel, ChannelType, Guild, Role, User
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.guilds import guild_create_json, member_json, role_json


def add_guild(world: World, name: str) -> Guild:
    """Create a guild that the bot is a member of."""
    guild = world.add_guild(name)
    world.emit("GUILD_CREATE", guild_create_json(world, guild), guild)
    return guild


def add_user(world: World, name: str) -> User:
    """Create a user who is a member of the default guild."""
    user, guild = world.add_user(name), world.default_guild
    member = member_json(user, guild) | {"guild_id": str(guild.id)}
    world.emit("GUILD_MEMBER_ADD", member, guild)
    return user


def add_channel(world: World, name: str, guild: Guild, *, nsfw: bool, kind: ChannelType) -> Channel:
    """Create a channel."""
    channel = world.add_channel(name, guild, nsfw=nsfw, kind=kind)
    world.emit("CHANNEL_CREATE", channel_json(channel), channel)
    return channel


def add_thread(
    world: World, parent: Channel, name: str, owner: User | None, *, private: bool
) -> Channel:
    """Create a thread; raise PlaygroundError if `parent` cannot have such threads."""
    if parent.guild is None or parent.parent is not None or parent.kind in WITHOUT_THREADS:
        raise PlaygroundError("Threads can only be created in a text channel of a guild.")
    if private and parent.kind is not ChannelType.TEXT:
        raise PlaygroundError("Private threads can only be created in a text channel of a guild.")
    thread = world.add_thread(parent, name, owner, private=private)
    world.emit("THREAD_CREATE", channel_json(thread) | {"newly_created": True}, thread)
    return thread


def add_to_thread(world: World, thread: Channel, user: User) -> None:
    """Add a user or the bot to a private thread."""
    thread.thread_members.append(user)
    if user is world.bot:
        world.emit("THREAD_CREATE", channel_json(thread), thread)
    world.changes.notify()


def add_role(
    world: World, name: str, permissions: Permission, guild: Guild, *, mentionable: bool
) -> Role:
    """Create a role."""
    role = world.add_role(name, permissions, guild, mentionable=mentionable)
    event = {"guild_id": str(guild.id), "role": role_json(role, guild)}
    world.emit("GUILD_ROLE_CREATE", event, guild)
    return role
