"""Routes for the application, users, guilds, channels and the gateway URL."""

from bot.playground.errors import ApiError, unknown
from bot.playground.model.guild import User
from bot.playground.model.intents import Intent
from bot.playground.model.state import APPLICATION_ID, OWNER_ID, World
from bot.playground.rest.api import Route
from bot.playground.rest.http import MAX_SNOWFLAKE, Request, Result
from bot.playground.rest.lookup import find_channel, find_guild, find_user
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.guilds import guild_json, own_guild_json, role_json
from bot.playground.rest.serializers.users import user_json
from bot.playground.rest.validation.fields import Model, Required, Snowflake, read_form

RECIPIENT = Model({"recipient_id": Required(Snowflake())})

INTENT_FLAGS = {
    Intent.GUILD_PRESENCES: 1 << 13,
    Intent.GUILD_MEMBERS: 1 << 15,
    Intent.MESSAGE_CONTENT: 1 << 19,
}
"""Application flags of privileged intents, for an application in fewer than 100 guilds."""


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
        "approximate_user_install_count": sum(user.has_app for user in world.users.values()),
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
    """Fetch the gateway URL, the recommended number of shards and the session start limit."""
    return 200, {
        "url": gateway_url(world),
        "shards": world.session_starts.shards(world.guilds),
        "session_start_limit": world.session_starts.to_json(),
    }


def gateway_url(world: World) -> str:
    """Return the WebSocket URL of the gateway."""
    return str(world.cdn.base.with_scheme("ws").with_path("/gateway"))


def get_user(world: World, request: Request) -> Result:
    return 200, user_json(find_user(world, request))


def create_dm(world: World, request: Request) -> Result:
    """Create the DM channel with a user."""
    payload = read_form(RECIPIENT, request.body.payload)
    user = world.users.get(int(payload["recipient_id"]))
    if user is None:
        raise ApiError(400, 50033, "Invalid Recipient(s)")
    if user.bot:
        raise ApiError(400, 50007, "Cannot send messages to this user", violation=True)
    return 200, channel_json(world.dm_with(user))


def list_own_guilds(world: World, request: Request) -> Result:
    """List the guilds of the bot by their ids."""
    limit, after = request.integer("limit", 200, 1, 200), request.after()
    before = request.query_id("before", MAX_SNOWFLAKE)
    guilds = sorted(
        (guild for guild in world.guilds.values() if after < guild.id < before),
        key=lambda guild: guild.id,
    )
    page = guilds[-limit:] if "before" in request.query else guilds[:limit]
    with_counts = request.flag("with_counts")
    return 200, [own_guild_json(world, guild, with_counts=with_counts) for guild in page]


def get_emojis(world: World, request: Request) -> Result:
    """List the emojis of a guild: there are none."""
    find_guild(world, request)
    return 200, []


def get_application_emojis(world: World, request: Request) -> Result:
    """List the emojis of the application: there are none."""
    if request.snowflake("application_id") != APPLICATION_ID:
        raise unknown("Application", 10002)
    return 200, {"items": []}


def get_guild(world: World, request: Request) -> Result:
    return 200, guild_json(find_guild(world, request))


def get_channels(world: World, request: Request) -> Result:
    """List the channels of a guild, without threads."""
    return 200, [channel_json(c) for c in find_guild(world, request).channels if not c.parent]


def get_roles(world: World, request: Request) -> Result:
    guild = find_guild(world, request)
    return 200, [role_json(role, guild) for role in guild.roles]


def get_channel(world: World, request: Request) -> Result:
    """Fetch a channel or thread."""
    return 200, channel_json(find_channel(world, request))


ROUTES = [
    Route("GET", "/users/@me", get_current_user),
    Route("GET", "/oauth2/applications/@me", get_application),
    Route("GET", "/applications/@me", get_application),
    Route("GET", "/gateway", get_gateway, open=True),
    Route("GET", "/gateway/bot", get_gateway_bot),
    Route("POST", "/users/@me/channels", create_dm),
    Route("GET", "/users/@me/guilds", list_own_guilds),
    Route("GET", "/users/{user_id}", get_user),
    Route("GET", "/guilds/{guild_id}", get_guild),
    Route("GET", "/guilds/{guild_id}/channels", get_channels),
    Route("GET", "/guilds/{guild_id}/roles", get_roles),
    Route("GET", "/guilds/{guild_id}/emojis", get_emojis),
    Route("GET", "/channels/{channel_id}", get_channel),
    Route("GET", "/applications/{application_id}/emojis", get_application_emojis),
]
