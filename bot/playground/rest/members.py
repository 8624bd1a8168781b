"""Routes for the members of guilds."""

from bot.playground.errors import missing_access, unknown
from bot.playground.model.guild import User
from bot.playground.model.intents import Intent
from bot.playground.model.state import World
from bot.playground.rest.api import Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_guild, find_user
from bot.playground.rest.serializers.guilds import member_json
from bot.playground.rest.serializers.users import user_json
from bot.playground.rest.validation.fields import Model, Required, Text, read_form

LIMIT = 1_000  # members in a response
SEARCH = Model({"query": Required(Text(100, 1))})
MEMBERS = "/guilds/{guild_id}/members"


def get_member(world: World, request: Request) -> Result:
    guild, user = find_guild(world, request), find_user(world, request)
    if user not in guild.members:
        raise unknown("Member", 10007)
    return 200, member_json(user, guild)


def list_members(world: World, request: Request) -> Result:
    """List the members by their ids. The application needs the GUILD_MEMBERS intent."""
    guild = find_guild(world, request)
    if not world.allowed_intents & Intent.GUILD_MEMBERS:
        raise missing_access()
    limit, after = request.integer("limit", 1, 1, LIMIT), request.after()
    members = sorted(
        (member for member in guild.members if member.id > after), key=lambda member: member.id
    )
    return 200, [member_json(member, guild) for member in members[:limit]]


def search_members(world: World, request: Request) -> Result:
    """List the members whose names start with the query."""
    guild, query = find_guild(world, request), read_form(SEARCH, request.query)["query"]
    limit = request.integer("limit", 1, 1, LIMIT)
    members = [member for member in guild.members if has_prefix(member, query)]
    return 200, [member_json(member, guild) for member in members[:limit]]


def has_prefix(user: User, prefix: str) -> bool:
    """Return whether the name or the username starts with the prefix, in any case."""
    names = (user.name.lower(), user_json(user)["username"])
    return any(name.startswith(prefix.lower()) for name in names)


ROUTES = [
    Route("GET", MEMBERS, list_members),
    Route("GET", MEMBERS + "/search", search_members),  # before the route of one member
    Route("GET", MEMBERS + "/{user_id}", get_member),
]
