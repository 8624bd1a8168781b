"""Routes for the application, users, guilds, channels and the gateway URL."""

import math

from bot.playground.errors import ApiError, Json, unknown
from bot.playground.model.guild import Guild, User
from bot.playground.model.intents import Intent
from bot.playground.model.state import APPLICATION_ID, OWNER_ID, World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_channel
from bot.playground.rest.serializers.guilds import guild_json, member_json, role_json
from bot.playground.rest.serializers.messages import channel_json, user_json
from bot.playground.rest.validation.fields import Model, Required, Snowflake, read_form

RECIPIENT = Model({"recipient_id": Required(Snowflake())})

INTENT_FLAGS = {
    Intent.GUILD_PRESENCES: 1 << 13,
    Intent.GUILD_MEMBERS: 1 << 15,
    Intent.MESSAGE_CONTENT: 1 << 19,
}
"""Application flags of privileged intents, for an application in fewer than 100 guilds."""
GUILDS_PER_SHARD = 1_000  # as recommended


def get_current_user(world: World, request: Request) -> Result:
    private_fields = {"mfa_enabled": False, "locale": "en-US", "verified": True, "email": None}
    return 200, user_json(world.bot) | private_fields


def get_application(world: World, request: Request) -> Result:
    owner = User(OWNER_ID, "Owner")
    return 200, {
        "id": str(APPLICATION_ID),
        "name": world.bot.name,
        "icon": None,
        "description": "",
        "type": None,
        "bot": user_json(world.bot),
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": application_flags(world),
        "flags_new": str(application_flags(world)),
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "owner": user_json(owner),
        "approximate_guild_count": len(world.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "team": None,
        "eligible_oauth2_scopes": ["bot", "applications.commands"],
    }


def application_flags(world: World) -> int:
    """Return the flags of the application: its privileged intents."""
    return sum(flag for intent, flag in INTENT_FLAGS.items() if world.allowed_intents & intent)


def get_gateway(world: World, request: Request) -> Result:
    return 200, {"url": gateway_url(world)}


def get_gateway_bot(world: World, request: Request) -> Result:
    """Fetch the gateway URL and the session start limit."""
    session_start_limit: Json = {
        "total": 1000,
        "remaining": 1000,
        "reset_after": 0,
        "max_concurrency": 1,
    }
    return 200, {
        "url": gateway_url(world),
        "shards": math.ceil(len(world.guilds) / GUILDS_PER_SHARD),
        "session_start_limit": session_start_limit,
    }


def gateway_url(world: World) -> str:
    """Return the WebSocket URL of the gateway."""
    return str(world.cdn.base.with_scheme("ws").with_path("/gateway"))


def get_user(world: World, request: Request) -> Result:
    return 200, user_json(_user(world, request))


def create_dm(world: World, request: Request) -> Result:
    """Create the DM channel with a user."""
    payload = read_form(RECIPIENT, request.body.payload)
    user = world.users.get(int(payload["recipient_id"]))
    if user is None:
        raise unknown("User", 10013)
    if user.bot:
        raise ApiError(400, 50007, "Cannot send messages to this user", violation=True)
    return 200, channel_json(world.dm_with(user))


def get_guild(world: World, request: Request) -> Result:
    return 200, guild_json(_guild(world, request))


def get_channels(world: World, request: Request) -> Result:
    """List the channels of a guild, without threads."""
    return 200, [channel_json(c) for c in _guild(world, request).channels if not c.parent]


def get_roles(world: World, request: Request) -> Result:
    guild = _guild(world, request)
    return 200, [role_json(role, guild) for role in guild.roles]


def get_member(world: World, request: Request) -> Result:
    guild, user = _guild(world, request), _user(world, request)
    if user not in guild.members:
        raise unknown("Member", 10007)
    return 200, member_json(user, guild)


def get_channel(world: World, request: Request) -> Result:
    """Fetch a channel or thread."""
    return 200, channel_json(find_channel(world, request))


def _user(world: World, request: Request) -> User:
    user = world.users.get(request.snowflake("user_id"))
    if user is None:
        raise unknown("User", 10013)
    return user


def _guild(world: World, request: Request) -> Guild:
    guild = world.guilds.get(request.snowflake("guild_id"))
    if guild is None:
        raise unknown("Guild", 10004)
    return guild


ROUTES = [
    Route("GET", "/users/@me", get_current_user),
    Route("GET", "/oauth2/applications/@me", get_application),
    Route("GET", "/applications/@me", get_application),
    Route("GET", "/gateway", get_gateway, open=True),
    Route("GET", "/gateway/bot", get_gateway_bot),
    Route("POST", "/users/@me/channels", create_dm),
    Route("GET", "/users/{user_id}", get_user),
    Route("GET", "/guilds/{guild_id}", get_guild),
    Route("GET", "/guilds/{guild_id}/channels", get_channels),
    Route("GET", "/guilds/{guild_id}/roles", get_roles),
    Route("GET", "/guilds/{guild_id}/members/{user_id}", get_member),
    Route("GET", "/channels/{channel_id}", get_channel),
]
