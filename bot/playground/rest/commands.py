"""REST: the commands that the application has registered, everywhere and in the guild."""

from collections.abc import Callable

from bot.playground.errors import ApiError, Json, unknown
from bot.playground.model.enums import ApplicationCommandOptionType
from bot.playground.model.guild import Channel, Guild
from bot.playground.model.permissions import Permission, may_use
from bot.playground.model.state import APPLICATION_ID, World
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Answer, Request
from bot.playground.rest.validation.commands import check_command, check_commands

CREATES_PER_DAY = 200
GLOBAL = "/applications/{application_id}/commands"
IN_GUILD = "/applications/{application_id}/guilds/{guild_id}/commands"
Scope = str  # the guild's id, or "" for everywhere
Result = tuple[int, Answer]


class Commands:
    """The registered commands of the bot's application."""

    def __init__(self) -> None:
        self._scopes: dict[Scope, dict[int, Json]] = {"": {}}
        self._creates: dict[Scope, list[float]] = {}

    def routes(self) -> list[Route]:
        """The addresses served here, for both scopes."""
        verbs: list[tuple[str, str, Handler]] = [
            ("GET", "", self.list_all),
            ("PUT", "", self.overwrite),
            ("POST", "", self.create),
            ("GET", "/{command_id}", self.get),
            ("PATCH", "/{command_id}", self.edit),
            ("DELETE", "/{command_id}", self.delete),
        ]
        return [
            Route(method, base + rest, handler)
            for base in (GLOBAL, IN_GUILD)
            for method, rest, handler in verbs
        ]

    def all(self) -> list[Json]:
        """Every command, wherever it can be used."""
        return [command for scope in self._scopes.values() for command in scope.values()]

    def available_in(self, guild: Guild | None) -> list[Json]:
        """A guild's own commands, then the global ones."""
        scopes = [str(guild.id), ""] if guild else [""]
        return [command for scope in scopes for command in self._scopes.get(scope, {}).values()]

    def list_all(self, world: World, request: Request) -> Result:
        """All commands of one scope."""
        return 200, list(self._scope(world, request).values())

    def overwrite(self, world: World, request: Request) -> Result:
        """Replace all commands of one scope; what keeps its name keeps its id."""
        check_commands(request.body.items)
        scope = self._scope(world, request)
        before = {(c["type"], c["name"]): c for c in scope.values()}
        made = [self._made(world, request, item, before) for item in request.body.items]
        scope.clear()
        scope.update({int(command["id"]): command for command in made})
        world.changes.notify()
        return 200, list(scope.values())

    def create(self, world: World, request: Request) -> Result:
        """Add one command, or replace the one of that name."""
        check_command(request.body.payload)
        scope = self._scope(world, request)
        before = {(c["type"], c["name"]): c for c in scope.values()}
        command = self._made(world, request, request.body.payload, before)
        fresh = int(command["id"]) not in scope
        scope[int(command["id"])] = command
        world.changes.notify()
        return (201 if fresh else 200), command

    def get(self, world: World, request: Request) -> Result:
        """One command."""
        return 200, self._found(world, request)

    def edit(self, world: World, request: Request) -> Result:
        """Change one command."""
        found = self._found(world, request)
        changed = found | request.body.payload
        check_command(changed)
        found.update(changed, version=str(world.snowflakes.new()))
        world.changes.notify()
        return 200, found

    def delete(self, world: World, request: Request) -> Result:
        """Remove one command."""
        del self._scope(world, request)[int(self._found(world, request)["id"])]
        world.changes.notify()
        return 204, None

    def _found(self, world: World, request: Request) -> Json:
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

    def _made(
        self, world: World, request: Request, given: Json, before: dict[tuple[int, str], Json]
    ) -> Json:
        kind = given.get("type") or 1
        old = before.get((kind, given["name"]))
        if old is None:
            self._count_create(world, request.params.get("guild_id", ""))
        made = command_json(given, kind)
        made["id"] = old["id"] if old else str(world.snowflakes.new())
        made["version"] = str(world.snowflakes.new())
        if guild := request.params.get("guild_id"):
            made["guild_id"] = guild
        return made

    def _count_create(self, world: World, scope: Scope) -> None:
        since = world.clock.now() - 24 * 3600
        recent = [at for at in self._creates.get(scope, []) if at > since]
        if len(recent) >= CREATES_PER_DAY:
            message = "Max number of daily application command creates has been reached (200)"
            raise ApiError(400, 30034, message, violation=True)
        self._creates[scope] = [*recent, world.clock.now()]


def is_available(command: Json, channel: Channel, permissions: Permission) -> bool:
    """Whether a client shows a command there to somebody with these permissions."""
    if command["nsfw"] and not channel.root.nsfw:
        return False
    contexts = command["contexts"]
    if channel.guild:
        here = contexts is None or 0 in contexts
        return here and may_use(permissions, command["default_member_permissions"])
    return "guild_id" not in command and (
        command["dm_permission"] if contexts is None else 1 in contexts
    )


def command_json(given: Json, kind: int) -> Json:
    """A command as Discord gives it back: absent and null fields filled in."""
    permissions = given.get("default_member_permissions")
    made: Json = {
        "application_id": str(APPLICATION_ID),
        "default_member_permissions": None if permissions is None else str(permissions),
        "type": kind,
        "name": given["name"],
        "name_localizations": given.get("name_localizations"),
        "description": given.get("description") or "",
        "description_localizations": given.get("description_localizations"),
        "contexts": given.get("contexts"),
        "integration_types": given.get("integration_types") or [0],
        "nsfw": bool(given.get("nsfw")),
        "dm_permission": given.get("dm_permission", True) is not False,
    }
    if given.get("options"):
        made["options"] = [option_json(option) for option in given["options"]]
    return made


def option_json(given: Json) -> Json:
    """An option as Discord gives it back: without what is null or empty."""
    keep: Callable[[object], bool] = lambda value: value not in (None, [], {})  # noqa: E731
    made = {key: value for key, value in given.items() if keep(value)}
    if "options" in made:
        made["options"] = [option_json(option) for option in made["options"]]
    if given["type"] not in (
        ApplicationCommandOptionType.STRING,
        ApplicationCommandOptionType.INTEGER,
        ApplicationCommandOptionType.NUMBER,
    ):
        made.pop("autocomplete", None)
    return made
