"""The state of the local Discord: guilds, channels, users, messages and gateway events."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bot.playground.clock import Changes, Clock
from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment
from bot.playground.model.cdn import Cdn
from bot.playground.model.guild import (
    Channel,
    ChannelType,
    Guild,
    Role,
    User,
    Webhook,
    create_guild,
)
from bot.playground.model.intents import ALL_INTENTS, PRIVILEGED
from bot.playground.model.messages import Message
from bot.playground.model.permissions import Permission
from bot.playground.model.session_starts import SessionStarts
from bot.playground.model.snowflake import Snowflakes

# Constant, so that the token and the guild stay valid after a restart.
APPLICATION_ID = 1_100_000_000_000_000_001
GUILD_ID = 1_100_000_000_000_000_002
MODERATOR_ROLE_ID = 1_100_000_000_000_000_003
BOT_ROLE_ID = 1_100_000_000_000_000_004
OWNER_ID = 1_100_000_000_000_000_005
ADMIN_ROLE_ID = 1_100_000_000_000_000_006
DEFAULT_GUILD_IDS = (GUILD_ID, MODERATOR_ROLE_ID, ADMIN_ROLE_ID, BOT_ROLE_ID)
MESSAGES_LIMIT = 2_000
FILE_LIMIT = 10 * 1024 * 1024  # bytes per file in a guild without boosts
COMMAND_ATTACHMENTS_LIMIT = 50


@dataclass(frozen=True)
class Event:
    """A gateway event, and the channel or guild it belongs to."""

    name: str
    data: Json
    place: Channel | Guild

    @property
    def channel(self) -> Channel | None:
        """The channel, if it is an event of one."""
        return self.place if isinstance(self.place, Channel) else None

    @property
    def guild(self) -> Guild | None:
        """The guild; None for events of DM channels."""
        return self.place if isinstance(self.place, Guild) else self.place.guild


class World:
    """All state of the local Discord. Code that changes it must emit the event and notify."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.clock = Clock(self.changes)
        self.snowflakes = Snowflakes(self.clock)
        self.cdn = Cdn(self.clock)
        self.session_starts = SessionStarts(self.clock)
        self.bot = User(APPLICATION_ID, "Imagine", bot=True)
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.default_guild = self._create_guild("Playground", iter(DEFAULT_GUILD_IDS))
        self.default_guild.join(self.bot, self.default_guild.applications)
        self.guilds: dict[int, Guild] = {self.default_guild.id: self.default_guild}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.webhooks: dict[int, Webhook] = {}
        self.violations: list[str] = []
        self.file_limit = FILE_LIMIT
        self.blocked_word = ""
        """A word in lower case whose messages AutoMod blocks; empty if there is none."""
        self.dm_refusals: list[int] = []
        """Error codes with which direct messages of the bot are refused."""
        self.preview_seconds: float | None = None
        """After how long links get previews; None if they get none."""
        self.archive_seconds: float | None = None
        """How long after its last message a thread is archived; None if it is not."""
        self.allowed_intents: int = ALL_INTENTS & ~PRIVILEGED
        self.event_listeners: list[Callable[[Event], None]] = []
        self.watchers: list[Callable[[Message], None]] = []
        self._command_attachments: deque[Attachment] = deque()

    def add_guild(self, name: str) -> Guild:
        """Create a guild with one channel; the bot is a member."""
        guild = self._create_guild(name, iter(self.snowflakes.new, None))
        guild.join(self.bot, guild.applications)
        self.guilds[guild.id] = guild
        self.add_channel("general", guild)
        return guild

    def add_foreign_guild(self, name: str, *, has_commands: bool) -> Guild:
        """Create a guild with one channel that the bot is no member of."""
        guild = self._create_guild(name, iter(self.snowflakes.new, None))
        guild.has_commands = has_commands
        self.add_channel("general", guild)
        return guild

    def add_private_channel(self, *people: User) -> Channel:
        """Create a DM of two users, or a group DM of more."""
        name = ", ".join(user.name for user in people)
        channel = Channel(self.snowflakes.new(), name, people=people)
        self.channels[channel.id] = channel
        return channel

    def _create_guild(self, name: str, ids: Iterator[int]) -> Guild:
        return create_guild(name, ids, self.clock, OWNER_ID)

    def add_channel(
        self,
        name: str,
        guild: Guild | None = None,
        *,
        nsfw: bool = False,
        kind: ChannelType = ChannelType.TEXT,
    ) -> Channel:
        """Create a channel, by default in the default guild."""
        guild = guild or self.default_guild
        channel = Channel(self.snowflakes.new(), name, guild, nsfw=nsfw, kind=kind)
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        return channel

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel of a guild, its threads and their messages."""
        threads = [thread for thread in self.channels.values() if thread.parent is channel]
        obsolete = [channel, *threads]
        for place in obsolete:
            del self.channels[place.id]
            if place.guild:
                place.guild.channels.remove(place)
        for message in [m for m in self.messages.values() if m.channel in obsolete]:
            message.deleted = True
            del self.messages[message.id]
        self.changes.notify()

    def add_thread(
        self,
        parent: Channel,
        name: str,
        owner: User | None,
        *,
        private: bool = False,
        message: Message | None = None,
    ) -> Channel:
        """Create a thread in a guild channel; one that starts from a message has its id."""
        thread = self.new_thread(parent, name, owner, message.id if message else None)
        thread.private = private
        self.register_thread(thread)
        return thread

    def new_thread(
        self, parent: Channel, name: str, owner: User | None, thread_id: int | None = None
    ) -> Channel:
        """Return a thread that does not exist yet; by default with a new id."""
        new_id = self.snowflakes.new() if thread_id is None else thread_id
        return Channel(new_id, name, parent.guild, parent=parent, owner=owner)

    def register_thread(self, thread: Channel) -> None:
        """Add a new thread to its guild."""
        if thread.guild:
            thread.guild.channels.append(thread)
        self.channels[thread.id] = thread

    def add_role(
        self,
        name: str,
        permissions: Permission,
        guild: Guild | None = None,
        *,
        mentionable: bool = False,
    ) -> Role:
        """Create a role, placed directly above @everyone."""
        role = Role(self.snowflakes.new(), name, permissions, mentionable=mentionable)
        (guild or self.default_guild).roles.insert(1, role)
        return role

    def add_user(self, name: str) -> User:
        """Create a user who is a member of the default guild."""
        user = User(self.snowflakes.new(), name)
        self.users[user.id] = user
        self.default_guild.join(user)
        return user

    def dm_with(self, user: User) -> Channel:
        """Return the DM channel of a user and the bot, created if necessary."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.snowflakes.new(), user.name, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def emit(self, name: str, data: Json, place: Channel | Guild) -> None:
        """Pass a gateway event of a channel or guild to all listeners."""
        for listener in self.event_listeners:
            listener(Event(name, data, place))

    def notify_changed(self, message: Message) -> None:
        """Report a created, edited or deleted message to watchers and waiters."""
        for watcher in self.watchers:
            watcher(message)
        self.changes.notify()

    def add_message(self, message: Message) -> None:
        """Add a message, and remove the oldest above `MESSAGES_LIMIT`."""
        self.messages[message.id] = message
        while len(self.messages) > MESSAGES_LIMIT:
            oldest = self.messages.pop(next(iter(self.messages)))
            self.delete_files(oldest.files)

    def add_command_attachment(self, attachment: Attachment) -> None:
        """Add the file of a command option, and delete the oldest above the limit."""
        self._command_attachments.append(attachment)
        if len(self._command_attachments) > COMMAND_ATTACHMENTS_LIMIT:
            self.delete_files([self._command_attachments.popleft()])

    def delete_files(self, attachments: list[Attachment]) -> None:
        for attachment in attachments:
            self.cdn.delete(attachment)
