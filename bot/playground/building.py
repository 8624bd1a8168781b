"""Make guilds, channels and roles while bots look on, and tell them of it."""

from bot.playground.guild import Channel, Guild, Role
from bot.playground.guild_json import guild_create_json, role_json
from bot.playground.payloads import channel_json
from bot.playground.permissions import Permission
from bot.playground.world import World


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


def add_role(world: World, name: str, permissions: Permission, guild: Guild) -> Role:
    """A role, for people to be given."""
    role = world.add_role(name, permissions, guild)
    made = {"guild_id": str(guild.id), "role": role_json(role, guild)}
    world.emit("GUILD_ROLE_CREATE", made)
    return role
