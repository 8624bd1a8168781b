"""Routes for the permissions of application commands. A bot may read, but not change them."""

from bot.playground.errors import ApiError, Json, unknown
from bot.playground.model.command_permissions import CommandPermission, CommandPermissions
from bot.playground.model.guild import Guild
from bot.playground.model.state import APPLICATION_ID, World
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.lookup import find_guild

BASE = "/applications/{application_id}/guilds/{guild_id}/commands"


class CommandPermissionRoutes:
    """Handlers for the permissions of a guild."""

    def __init__(self, permissions: CommandPermissions) -> None:
        self._permissions = permissions

    def routes(self) -> list[Route]:
        """Return the routes; they precede those of single commands."""
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "/permissions", self.list_all),
            ("PUT", "/permissions", self.refuse),
            ("GET", "/{command_id}/permissions", self.get),
            ("PUT", "/{command_id}/permissions", self.refuse),
        ]
        return [Route(method, BASE + suffix, handler) for method, suffix, handler in handlers]

    def list_all(self, world: World, request: Request) -> Result:
        """List the permissions of all commands that have some."""
        guild = _guild(world, request)
        ids = self._permissions.ids(guild)
        return 200, [permissions_json(guild, i, self._permissions.of(guild, i)) for i in ids]

    def get(self, world: World, request: Request) -> Result:
        """Fetch the permissions of a command, or of all with the application's id."""
        guild, command_id = _guild(world, request), request.snowflake("command_id")
        if command_id not in self._permissions.ids(guild):
            raise unknown("application command permissions", 10066)
        return 200, permissions_json(guild, command_id, self._permissions.of(guild, command_id))

    def refuse(self, world: World, request: Request) -> Result:
        """Refuse a change, which takes the access token of a member who manages the guild."""
        _guild(world, request)
        raise ApiError(403, 20001, "Bots cannot use this endpoint", violation=True)


def _guild(world: World, request: Request) -> Guild:
    if request.snowflake("application_id") != APPLICATION_ID:
        raise unknown("Application", 10002)
    return find_guild(world, request)


def permissions_json(guild: Guild, command_id: int, entries: list[CommandPermission]) -> Json:
    """Return the permissions of a command as routes and events have them."""
    return {
        "id": str(command_id),
        "application_id": str(APPLICATION_ID),
        "guild_id": str(guild.id),
        "permissions": [
            {"id": str(entry.id), "type": int(entry.type), "permission": entry.allowed}
            for entry in entries
        ],
    }
