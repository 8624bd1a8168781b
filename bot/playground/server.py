"""The server: REST API, gateway, CDN and web page, and the facade that tests use."""

import base64
import errno
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web
from yarl import URL

from bot.playground.administration import Administration
from bot.playground.client.messenger import ClientState
from bot.playground.client.person import Person
from bot.playground.clock import Clock
from bot.playground.conditions.effects import Targets
from bot.playground.conditions.switches import Conditions
from bot.playground.errors import PlaygroundError, TimedOut
from bot.playground.faults import Faults
from bot.playground.gateway import changes, factories
from bot.playground.gateway.guild_members import MemberRequests
from bot.playground.gateway.sessions import Gateway
from bot.playground.gateway.websocket import WebSocketServer
from bot.playground.model.forum import ForumTag
from bot.playground.model.guild import Channel, ChannelType, Guild, Role
from bot.playground.model.interactions import Interactions
from bot.playground.model.messages import Message
from bot.playground.model.permissions import NOTHING, Permission
from bot.playground.model.session_starts import IDENTIFY_SECONDS
from bot.playground.model.state import APPLICATION_ID, GUILD_ID, World
from bot.playground.page.routes import Page
from bot.playground.rest.api import PREFIX, Api, Observer
from bot.playground.rest.attachments import ROUTES as ATTACHMENT_ROUTES
from bot.playground.rest.channel_edits import ROUTES as CHANNEL_ROUTES
from bot.playground.rest.command_permissions import CommandPermissionRoutes
from bot.playground.rest.commands import Commands
from bot.playground.rest.guilds import ROUTES as GUILD_ROUTES
from bot.playground.rest.http import Request
from bot.playground.rest.interaction_callbacks import InteractionCallbacks
from bot.playground.rest.link_previews import add_link_previews
from bot.playground.rest.members import ROUTES as MEMBER_ROUTES
from bot.playground.rest.message_lists import ROUTES as MESSAGE_LIST_ROUTES
from bot.playground.rest.messages import ROUTES as MESSAGE_ROUTES
from bot.playground.rest.new_threads import ROUTES as NEW_THREAD_ROUTES
from bot.playground.rest.overwrites import ROUTES as OVERWRITE_ROUTES
from bot.playground.rest.pins import ROUTES as PIN_ROUTES
from bot.playground.rest.polls import ROUTES as POLL_ROUTES
from bot.playground.rest.polls import PollTimer
from bot.playground.rest.thread_members import ROUTES as THREAD_MEMBER_ROUTES
from bot.playground.rest.threads import ROUTES as THREAD_ROUTES
from bot.playground.rest.threads import update_thread
from bot.playground.rest.upload_limits import UploadLimits
from bot.playground.rest.webhooks import ROUTES as WEBHOOK_ROUTES

TOKEN = f"{base64.b64encode(str(APPLICATION_ID).encode()).decode().rstrip('=')}.local.playground"


class Playground(Administration):
    """A local Discord: REST API, gateway, CDN and web page on one port.

    Used as an async context manager. Port 0 chooses a free port. `identify_interval` is the
    time in seconds between two gateway sessions that start in one bucket; 0 turns the limit off.
    """

    def __init__(
        self,
        port: int = 8765,
        host: str = "127.0.0.1",
        *,
        identify_interval: float = IDENTIFY_SECONDS,
    ) -> None:
        self.token = TOKEN
        self.guild_id = GUILD_ID
        self.world = World()
        self.session_starts = self.world.session_starts
        self.session_starts.interval = identify_interval
        self.channel = self.world.add_channel("general")
        self.restricted = self.world.add_channel("after-dark", nsfw=True)
        self.commands = Commands()
        self.interactions = Interactions(self.world)
        self.gateway = Gateway(self.world, self.token)
        self.sockets = WebSocketServer(self.gateway, MemberRequests(self.world))
        self.conditions = Conditions(Targets(self.world, self.gateway, self.sockets))
        routes = [
            *ATTACHMENT_ROUTES,
            *CHANNEL_ROUTES,
            *GUILD_ROUTES,
            *MEMBER_ROUTES,
            *MESSAGE_LIST_ROUTES,
            *PIN_ROUTES,
            *POLL_ROUTES,
            *MESSAGE_ROUTES,
            *THREAD_ROUTES,
            *OVERWRITE_ROUTES,
            *NEW_THREAD_ROUTES,
            *THREAD_MEMBER_ROUTES,
            *WEBHOOK_ROUTES,
            *CommandPermissionRoutes(self.commands.permissions).routes(),
            *self.commands.routes(),
        ]
        routes += InteractionCallbacks(self.interactions).routes()
        self.world.watchers.append(PollTimer(self.world).watch)
        upload_limits = UploadLimits(self.world, self.interactions)
        self._api = Api(self.world, self.token, routes, upload_limits)
        self._people: dict[str, Person] = {}
        self._host, self._port = host, port
        self._page = Page(self, local_only=host in ("127.0.0.1", "localhost", "::1"))
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Start the server; raise PlaygroundError if the port is in use."""
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise PlaygroundError(_bind_error(error, self._host, self._port)) from error
        self._port = self._runner.addresses[0][1]
        self.world.cdn.base = URL(self.url)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close all connections and stop the server."""
        self._page.close()
        self.sockets.drop()
        if self._runner:
            await self._runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application()
        self._api.add_routes(app)
        self.world.cdn.add_routes(app)
        app.router.add_get("/gateway", self.sockets.serve)
        app.router.add_get("/gateway/", self.sockets.serve)
        app.router.add_get("/gateway/resume", self.sockets.serve_resume)
        app.router.add_get("/gateway/resume/", self.sockets.serve_resume)
        self._page.add_routes(app)
        return app

    @property
    def url(self) -> str:
        """The URL of the web page."""
        host = "127.0.0.1" if self._host == "0.0.0.0" else self._host  # noqa: S104 - compared only
        return f"http://{host}:{self._port}"

    @property
    def api(self) -> str:
        """The base URL of the REST API."""
        return self.url + PREFIX

    @property
    def requests(self) -> list[Request]:
        """The log of REST requests, with their responses."""
        return self._api.requests

    @property
    def violations(self) -> list[str]:
        """Requests that broke a rule of Discord's API, one line each."""
        return self.world.violations

    @property
    def observers(self) -> list[Observer]:
        """Functions that are called with each request and its response."""
        return self._api.observers

    @property
    def faults(self) -> Faults:
        """Faults to inject into REST and CDN requests; those of the gateway are in `sockets`."""
        return self.world.cdn.faults

    @property
    def clock(self) -> Clock:
        """The clock, which tests may advance."""
        return self.world.clock

    @property
    def online(self) -> bool:
        """Whether a bot is connected."""
        return self.gateway.online

    @property
    def presences(self) -> dict[int, str]:
        """What the bot shows of itself, by shard."""
        return self.gateway.presences

    @property
    def people(self) -> list[Person]:
        """All users, in order of creation."""
        return list(self._people.values())

    def person(self, name: str, *, moderator: bool = False, admin: bool = False) -> Person:
        """Return the user with this name, created if necessary.

        `moderator` and `admin` add the Moderators and Admins roles of the default guild.
        """
        if name not in self._people:
            state = ClientState(self.world, self.interactions, self.commands, self.channel)
            self._people[name] = Person(factories.add_user(self.world, name), state)
        person = self._people[name]
        if moderator:
            person.give(self.world.default_guild.moderators)
        if admin:
            person.give(self.world.default_guild.admins)
        return person

    def add_guild(self, name: str) -> Guild:
        """Create a guild that the bot is a member of; users are not, until they `join`."""
        return factories.add_guild(self.world, name)

    def add_channel(
        self,
        name: str,
        guild: Guild | None = None,
        *,
        nsfw: bool = False,
        kind: ChannelType = ChannelType.TEXT,
    ) -> Channel:
        """Create a channel, by default a text channel in the default guild."""
        guild = guild or self.world.default_guild
        return factories.add_channel(self.world, name, guild, nsfw=nsfw, kind=kind)

    def add_thread(
        self, parent: Channel, name: str, owner: Person | None = None, *, private: bool = False
    ) -> Channel:
        """Create a thread or a post, by default owned by the guild's owner."""
        user = owner.user if owner else None
        return factories.add_thread(self.world, parent, name, user, private=private)

    def add_to_thread(self, thread: Channel, person: Person | None = None) -> None:
        """Add a user to a private thread, by default the bot."""
        factories.add_to_thread(self.world, thread, person.user if person else self.world.bot)

    def archive(self, thread: Channel, *, locked: bool = False) -> None:
        """Archive a thread, and lock it if asked to."""
        update_thread(self.world, thread, archived=True, locked=locked)

    def set_bot_permissions(self, channel: Channel, permissions: Permission) -> None:
        """Set what the bot may do in a channel and in its threads."""
        changes.set_bot_permissions(self.world, channel, permissions)

    def remove_bot(self, guild: Guild) -> None:
        """Remove the bot from a guild, as a kick does."""
        changes.remove_bot(self.world, guild)

    def set_available(self, guild: Guild, *, available: bool) -> None:
        """Begin or end an outage of a guild."""
        changes.set_available(self.world, guild, available=available)

    def boost(self, guild: Guild, tier: int) -> None:
        """Set the boost tier of a guild, from 0 to 3; larger files may be uploaded in some."""
        changes.set_premium_tier(self.world, guild, tier)

    def set_tags(self, forum: Channel, *names: str, required: bool = False) -> list[ForumTag]:
        """Set the tags of a forum or media channel, and whether each post needs one."""
        return changes.set_tags(self.world, forum, names, required=required)

    def edit_channel(
        self, channel: Channel, *, name: str | None = None, nsfw: bool | None = None
    ) -> None:
        """Change the name or the age restriction of a channel, or the name of a thread."""
        changes.edit_channel(self.world, channel, name=name, nsfw=nsfw)

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel or thread of a guild with its messages."""
        changes.delete_channel(self.world, channel)

    def add_role(
        self,
        name: str,
        permissions: Permission = NOTHING,
        guild: Guild | None = None,
        *,
        mentionable: bool = False,
    ) -> Role:
        """Create a role, by default in the default guild; `Person.give` adds it to a user."""
        guild = guild or self.world.default_guild
        return factories.add_role(self.world, name, permissions, guild, mentionable=mentionable)

    def edit_role(self, role: Role, permissions: Permission, guild: Guild | None = None) -> None:
        """Change the permissions of a role, by default of the default guild."""
        guild = guild or self.world.default_guild
        changes.edit_role(self.world, role, guild, permissions=permissions)

    def delete_role(self, role: Role, guild: Guild | None = None) -> None:
        """Delete a role, by default of the default guild."""
        changes.delete_role(self.world, role, guild or self.world.default_guild)

    def set_bot_roles(self, *roles: Role, guild: Guild | None = None) -> None:
        """Set the roles of the bot beside its own, by default in the default guild."""
        changes.set_bot_roles(self.world, guild or self.world.default_guild, *roles)

    def add_link_previews(self, message: Message) -> None:
        """Add the previews of the links in a message, as Discord does some time after it."""
        add_link_previews(self.world, message)

    def messages(
        self, channel: Channel | None = None, *, to: Person | None = None
    ) -> list[Message]:
        """Return the messages of a channel in order; `to` adds the ephemeral ones of that user."""
        channel = channel or self.channel
        return [
            message
            for message in self.world.messages.values()
            if message.channel is channel
            and (message.visible_to is None or (to and message.visible_to is to.user))
        ]

    def dms(self, person: Person) -> list[Message]:
        """Return the messages in a user's DM channel with the bot."""
        return self.messages(person.dm)

    async def until(
        self,
        condition: Callable[[], object],
        *,
        timeout: float = 30.0,  # noqa: ASYNC109 - the message of TimedOut needs it
        why: str = "",
    ) -> None:
        """Wait until a condition is true; raise TimedOut, which shows the last messages."""
        if not await self.world.changes.until(condition, seconds=timeout):
            messages = [f"{m.author.name}: {m.content!r} {m.buttons}" for m in self.messages()[-3:]]
            raise TimedOut(f"Not within {timeout:g} s: {why or 'the condition'}; {messages}")

    async def ready(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - as in `until`
        """Wait until a bot is connected and has registered a command."""
        why = "a bot is online and has registered its commands"
        await self.until(lambda: self.online and self.commands.all(), timeout=timeout, why=why)


def _bind_error(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken. Free it, or choose another port."
    return f"The playground cannot listen on {host}:{port}: {error.strerror or error}."
