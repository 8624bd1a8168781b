"""Guilds, members and roles as JSON of API version 10."""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.model.guild import Guild, Role, User
from bot.playground.model.snowflake import snowflake_time
from bot.playground.model.state import World
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.users import user_json

BOOSTS = (0, 2, 7, 14)
"""The number of boosts that each tier needs."""


def member_json(user: User, guild: Guild) -> Json:
    timeout_end = guild.timed_out_until(user)
    return {
        "user": user_json(user),
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": [str(role.id) for role in guild.roles_of(user)],
        "joined_at": iso(snowflake_time(user.id)),
        "premium_since": None,
        "communication_disabled_until": None if timeout_end is None else iso(timeout_end),
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def role_json(role: Role, guild: Guild) -> Json:
    return {
        "id": str(role.id),
        "name": role.name,
        "permissions": str(int(role.permissions)),
        "position": guild.roles.index(role),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": role.managed,
        "mentionable": role.mentionable,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def guild_json(guild: Guild) -> Json:
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "description": None,
        "home_header": None,
        "splash": None,
        "discovery_splash": None,
        "features": [],
        "banner": None,
        "owner_id": str(guild.owner_id),
        "application_id": None,
        "region": "local",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "roles": [role_json(role, guild) for role in guild.roles],
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": None,
        "max_members": 500000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "premium_tier": guild.premium_tier,
        "premium_subscription_count": BOOSTS[guild.premium_tier],
        "preferred_locale": guild.preferred_locale,
        "rules_channel_id": None,
        "safety_alerts_channel_id": None,
        "public_updates_channel_id": None,
        "premium_progress_bar_enabled": False,
        "premium_progress_bar_enabled_user_updated_at": None,
        "nsfw": False,
        "nsfw_level": 0,
        "emojis": [],
        "stickers": [],
        "incidents_data": None,
    }


def own_guild_json(world: World, guild: Guild, *, with_counts: bool) -> Json:
    """Return a guild as the list of the bot's guilds has it."""
    data: Json = {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "banner": None,
        "owner": guild.owner_id == world.bot.id,
        "permissions": str(int(guild.permissions(world.bot))),
        "features": [],
    }
    if with_counts:  # all users are offline
        data |= {"approximate_member_count": len(guild.members), "approximate_presence_count": 0}
    return data


def guild_create_json(world: World, guild: Guild) -> Json:
    """Return the data of a GUILD_CREATE event."""
    return guild_json(guild) | {
        "joined_at": iso(snowflake_time(world.bot.id)),
        "large": False,
        "unavailable": False,
        "member_count": len(guild.members),
        "members": [member_json(world.bot, guild)],
        "channels": [channel_json(channel) for channel in guild.channels if not channel.parent],
        "threads": [
            channel_json(channel)
            for channel in guild.channels
            if channel.parent and channel.is_open_to(world.bot)
        ],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
