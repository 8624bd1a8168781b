"""The one guild of the playground as JSON: members, roles, the guild itself."""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.payloads import channel_json, user_json
from bot.playground.permissions import EVERYONE, MODERATOR
from bot.playground.snowflake import moment
from bot.playground.world import BOT_ROLE_ID, GUILD_ID, MODERATOR_ROLE_ID, OWNER_ID, User, World

GUILD_NAME = "Playground"


def member_json(user: User) -> Json:
    """A guild member, with their user."""
    roles = [MODERATOR_ROLE_ID] if user.moderator else []
    if user.bot:
        roles.append(BOT_ROLE_ID)
    return {
        "user": user_json(user),
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": [str(role) for role in roles],
        "joined_at": iso(moment(user.id)),
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def role_json(id: int, name: str, permissions: int, position: int, *, managed: bool) -> Json:
    """A role of the guild."""
    return {
        "id": str(id),
        "name": name,
        "permissions": str(permissions),
        "position": position,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": managed,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "flags": 0,
    }


def roles_json() -> list[Json]:
    """The guild's roles: everyone, moderators, and the bot's own."""
    return [
        role_json(GUILD_ID, "@everyone", EVERYONE, 0, managed=False),
        role_json(MODERATOR_ROLE_ID, "Moderators", MODERATOR, 1, managed=False),
        role_json(BOT_ROLE_ID, "Imagine", EVERYONE, 2, managed=True),
    ]


def guild_json() -> Json:
    """The guild as the REST API shows it."""
    return {
        "id": str(GUILD_ID),
        "name": GUILD_NAME,
        "icon": None,
        "description": None,
        "home_header": None,
        "splash": None,
        "discovery_splash": None,
        "features": [],
        "banner": None,
        "owner_id": str(OWNER_ID),
        "application_id": None,
        "region": "local",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "widget_enabled": False,
        "widget_channel_id": None,
        "verification_level": 0,
        "roles": roles_json(),
        "default_message_notifications": 1,
        "mfa_level": 0,
        "explicit_content_filter": 0,
        "max_presences": None,
        "max_members": 500000,
        "max_stage_video_channel_users": 50,
        "max_video_channel_users": 25,
        "vanity_url_code": None,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "preferred_locale": "en-US",
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


def guild_create_json(world: World) -> Json:
    """The guild as the gateway introduces it."""
    channels = [c for c in world.channels.values() if c.in_guild]
    return guild_json() | {
        "joined_at": iso(moment(world.bot.id)),
        "large": False,
        "unavailable": False,
        "member_count": len(world.users),
        "members": [member_json(world.bot)],
        "channels": [channel_json(channel) for channel in channels],
        "threads": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }
