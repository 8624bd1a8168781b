"""Routes for application commands, global and per guild."""

from bot.playground.errors import ApiError, Json, invalid, unknown
from bot.playground.model.command_permissions import CommandPermissions
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.guild import Channel, Guild, User
from bot.playground.model.installations import command_owners, is_only_for_user
from bot.playground.model.permissions import Permission
from bot.playground.model.state import APPLICATION_ID, World
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.serializers.commands import localized_json
from bot.playground.rest.validation.commands import (
    check_counts,
    read_command,
    read_commands,
)

CREATES_PER_DAY = 200
GLOBAL_COMMANDS = "/applications/{application_id}/commands"
GUILD_COMMANDS = "/applications/{application_id}/guilds/{guild_id}/commands"
AUTOCOMPLETE_TYPES = (
    ApplicationCommandOptionType.STRING,
    ApplicationCommandOptionType.INTEGER,
    ApplicationCommandOptionType.NUMBER,
)
Scope = str
"""The guild's id, or "" for global commands."""


class Commands:
    """The registered commands of the application."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, dict[int, Json]] = {"": {}}
        self._created_at: dict[Scope, list[float]] = {}
        self.permissions = CommandPermissions(APPLICATION_ID)

    def routes(self) -> list[Route]:
        """Return the routes for both scopes."""
        handlers: list[tuple[str, str, Handler]] = [
            ("GET", "", self.list_all),
            ("PUT", "", self.overwrite),
            ("POST", "", self.create),
            ("GET", "/{command_id}", self.get),
            ("PATCH", "/{command_id}", self.edit),
            ("DELETE", "/{command_id}", self.delete),
        ]
        return [
            Route(method, base + suffix, handler)
            for base in (GLOBAL_COMMANDS, GUILD_COMMANDS)
            for method, suffix, handler in handlers
        ]

    def all(self) -> list[Json]:
        """Return the commands of all scopes."""
        return [command for scope in self._scopes.values() for command in scope.values()]

    def available_in(self, guild: Guild | None) -> list[Json]:
        """Return the commands of a guild, then the global ones."""
        scopes = [str(guild.id), ""] if guild else [""]
        return [command for scope in scopes for command in self._scopes.get(scope, {}).values()]

    def is_available(self, command: Json, channel: Channel, user: User) -> bool:
        """Return whether a client shows the command to the user in the channel.

        Settings of a guild apply where the application is installed in it.
        """
        owners, guild = command_owners(command, channel, user), channel.guild
        if not owners or (command["nsfw"] and not channel.root.nsfw):
            return False
        if guild is None:
            return True
        if is_only_for_user(owners):
            return channel.allows(user, Permission.USE_APPLICATION_COMMANDS)
        return self.permissions.allow(command, channel, guild, user)

    def list_all(self, world: World, request: Request) -> Result:
        """List the commands of a scope, on request with all their localizations."""
        commands = list(self._scope(world, request).values())
        if request.flag("with_localizations"):
            return 200, commands
        return 200, [localized_json(command, request.locale) for command in commands]

    def overwrite(self, world: World, request: Request) -> Result:
        """Replace the commands of a scope. A command with an existing name keeps its id."""
        if request.body.payload:
            raise invalid((), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType.")
        items = read_commands(request.body.items)
        scope = self._scope(world, request)
        existing = {(c["type"], c["name"]): c for c in scope.values()}
        commands = [self._build(world, request, item, existing) for item in items]
        scope.clear()
        scope.update({int(command["id"]): command for command in commands})
        world.changes.notify()
        return 200, list(scope.values())

    def create(self, world: World, request: Request) -> Result:
        """Create a command, or replace the one with the same name."""
        payload = read_command(request.body.payload)
        scope = self._scope(world, request)
        existing = {(c["type"], c["name"]): c for c in scope.values()}
        command = self._build(world, request, payload, existing)
        is_new = int(command["id"]) not in scope
        if is_new:
            check_counts([*scope.values(), command])
        scope[int(command["id"])] = command
        world.changes.notify()
        return (201 if is_new else 200), command

    def get(self, world: World, request: Request) -> Result:
        return 200, self._find(world, request)

    def edit(self, world: World, request: Request) -> Result:
        command = self._find(world, request)
        payload = read_command(command | request.body.payload | {"type": command["type"]})
        others = [c for c in self._scope(world, request).values() if c is not command]
        if any((c["type"], c["name"]) == (command["type"], payload["name"]) for c in others):
            sentence = "An application command with that name already exists"
            raise ApiError(400, 40041, sentence, violation=True)
        new_command = command_json(payload, command["type"])
        command.pop("options", None)
        command.update(new_command, version=str(world.snowflakes.new()))
        world.changes.notify()
        return 200, command

    def delete(self, world: World, request: Request) -> Result:
        del self._scope(world, request)[int(self._find(world, request)["id"])]
        world.changes.notify()
        return 204, None

    def _find(self, world: World, request: Request) -> Json:
        command = self._scope(world, request).get(request.snowflake("command_id"))
        if command is None:
            raise unknown("application command", 10063)
        return command

    def _scope(self, world: World, request: Request) -> dict[int, Json]:
        if request.snowflake("application_id") != APPLICATION_ID:
            raise unknown("Application", 10002)
        if "guild_id" in request.params and request.snowflake("guild_id") not in world.guilds:
            raise unknown("Guild", 10004)
        return self._scopes.setdefault(request.params.get("guild_id", ""), {})

    def _build(
        self, world: World, request: Request, payload: Json, existing: dict[tuple[int, str], Json]
    ) -> Json:
        command_type = payload.get("type") or 1
        existing_command = existing.get((command_type, payload["name"]))
        if existing_command is None:
            self._count_create(world, request.params.get("guild_id", ""))
        command = command_json(payload, command_type)
        command["id"] = existing_command["id"] if existing_command else str(world.snowflakes.new())
        command["version"] = str(world.snowflakes.new())
        if guild_id := request.params.get("guild_id"):
            command["guild_id"] = guild_id
        return command

    def _count_create(self, world: World, scope: Scope) -> None:
        cutoff = world.clock.now() - 24 * 3600
        recent = [time for time in self._created_at.get(scope, []) if time > cutoff]
        if len(recent) >= CREATES_PER_DAY:
            message = "Max number of daily application command creates has been reached (200)"
            raise ApiError(400, 30034, message, violation=True)
        self._created_at[scope] = [*recent, world.clock.now()]


def command_json(payload: Json, type: int) -> Json:
    """Return a command as Discord returns it: with defaults for absent and null fields."""
    permissions = payload.get("default_member_permissions")
    command: Json = {
        "application_id": str(APPLICATION_ID),
        "default_member_permissions": None if permissions is None else str(permissions),
        "type": type,
        "name": payload["name"],
        "name_localizations": payload.get("name_localizations"),
        "description": payload.get("description") or "",
        "description_localizations": payload.get("description_localizations"),
        "contexts": payload.get("contexts"),
        "integration_types": payload.get("integration_types") or [0],
        "nsfw": bool(payload.get("nsfw")),
        "dm_permission": payload.get("dm_permission", True) is not False,
    }
    if payload.get("options"):
        command["options"] = [option_json(option) for option in payload["options"]]
    return command


def option_json(payload: Json) -> Json:
    """Return an option as Discord returns it: without null and empty fields."""
    option = {key: value for key, value in payload.items() if value not in (None, [], {})}
    if "options" in option:
        option["options"] = [option_json(child) for child in option["options"]]
    if payload["type"] not in AUTOCOMPLETE_TYPES:
        option.pop("autocomplete", None)
    return option
