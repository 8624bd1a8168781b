"""Make guilds, channels, threads and roles while bots look on, and tell them of it."""

from bot.playground.errors import PlaygroundError
from bot.playground.model.guild import Channel, Guild, Role, User
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World
from bot.playground.rest.serializers.guilds import guild_create_json, role_json
from bot.playground.rest.serializers.messages import channel_json


def add_guild(world: World, name: str) -> Guild:
    """A guild that the bot is invited to."""
    guild = world.add_guild(name)
    world.emit("GUILD_CREATE", guild_create_json(world, guild))
    return guild


def add_channel(world: World, name: str, guild: Guild, *, nsfw: bool) -> Channel:
    """A text channel."""
    channel = world.add_channel(name, guild, nsfw=nsfw)
    world.emit("CHANNEL_CREATE", channel_json(channel), channel)
    return channel


def add_thread(world: World, parent: Channel, name: str, starter: User | None) -> Channel:
    """A public thread, or a PlaygroundError where there can be none."""
    if parent.guild is None or parent.parent is not None:
        raise PlaygroundError("A thread stands in a text channel of a server.")
    thread = world.add_thread(parent, name, starter)
    world.emit("THREAD_CREATE", channel_json(thread) | {"newly_created": True}, thread)
    return thread


def add_role(world: World, name: str, permissions: Permission, guild: Guild) -> Role:
    """A role, for people to be given."""
    role = world.add_role(name, permissions, guild)
    made = {"guild_id": str(guild.id), "role": role_json(role, guild)}
    world.emit("GUILD_ROLE_CREATE", made)
    return role
