"""What exists in the local Discord: guilds, channels, people, messages and events."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from bot.playground.clock import Changes, Clock
from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment
from bot.playground.model.cdn import Cdn
from bot.playground.model.guild import Channel, Guild, Role, User, create_guild
from bot.playground.model.permissions import Permission
from bot.playground.model.snowflake import Snowflakes

# Fixed, so that a token once printed stays good and commands keep their home over a restart.
APPLICATION_ID = 1_100_000_000_000_000_001
GUILD_ID = 1_100_000_000_000_000_002
MODERATOR_ROLE_ID = 1_100_000_000_000_000_003
BOT_ROLE_ID = 1_100_000_000_000_000_004
OWNER_ID = 1_100_000_000_000_000_005
ADMIN_ROLE_ID = 1_100_000_000_000_000_006
HOME_IDS = (GUILD_ID, MODERATOR_ROLE_ID, ADMIN_ROLE_ID, BOT_ROLE_ID)
MESSAGES_KEPT = 2_000
BROUGHT_KEPT = 50  # files of commands


class MessageType(IntEnum):
    """The message types that the playground makes."""

    DEFAULT = 0
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23


class MessageFlags(IntFlag):
    """Message flags; https://docs.discord.com/developers/resources/message."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    COMPONENTS_V2 = 1 << 15


NO_FLAGS = MessageFlags(0)


@dataclass(frozen=True)
class Edit:
    """One state that a message went through."""

    at: float
    content: str
    filenames: tuple[str, ...]


@dataclass(frozen=True)
class InteractionMetadata:
    """The interaction that a message answers."""

    interaction_id: int
    kind: int
    user: User
    guild: Guild | None
    command: str | None
    clicked_message_id: int | None
    response_id: int | None
    trigger: "InteractionMetadata | None" = None


@dataclass(eq=False, repr=False)
class Message:
    """A message as it stands now, with its past states in `edits`."""

    id: int
    channel: Channel
    author: User
    created_at: float
    kind: MessageType = MessageType.DEFAULT
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: MessageFlags = NO_FLAGS
    reactions: dict[str, list[User]] = field(default_factory=dict)
    pings: frozenset[str] = frozenset()
    mentioned: list[User] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    edited_at: float | None = None
    deleted: bool = False
    nonce: str | int | None = None
    origin: InteractionMetadata | None = None
    visible_to: User | None = None
    reference: "Message | None" = None

    def __repr__(self) -> str:
        """Short, for the failures of tests."""
        files = [attachment.filename for attachment in self.attachments]
        state = "deleted " if self.deleted else "loading " if self.loading else ""
        return f"<{state}message by {self.author.name}: {self.content!r} {files} {self.buttons}>"

    @property
    def ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return self.visible_to is not None

    @property
    def loading(self) -> bool:
        """Whether it still says that the bot is thinking."""
        return bool(self.flags & MessageFlags.LOADING)

    @property
    def buttons(self) -> list[str]:
        """What stands on its buttons, in reading order."""
        return [
            button_label(part) for part in walk_components(self.components) if part["type"] == 2
        ]


@dataclass(frozen=True)
class Event:
    """A gateway event, and where it happened."""

    name: str
    data: Json
    channel: Channel | None = None


class World:
    """All the state of the local Discord. Whoever changes it tells the gateway and the waiters."""

    def __init__(self) -> None:
        self.changes = Changes()
        self.clock = Clock(self.changes)
        self.snowflakes = Snowflakes(self.clock)
        self.cdn = Cdn(self.clock)
        self.bot = User(APPLICATION_ID, "Imagine", bot=True)
        self.users: dict[int, User] = {self.bot.id: self.bot}
        self.default_guild = create_guild("Playground", iter(HOME_IDS))
        self.default_guild.join(self.bot, self.default_guild.applications)
        self.guilds: dict[int, Guild] = {self.default_guild.id: self.default_guild}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, Message] = {}
        self.event_listeners: list[Callable[[Event], None]] = []
        self.watchers: list[Callable[[Message], None]] = []
        self._brought: deque[Attachment] = deque()

    def add_guild(self, name: str) -> Guild:
        """A new guild, with the bot in it and one channel."""
        guild = create_guild(name, iter(self.snowflakes.new, None))
        guild.join(self.bot, guild.applications)
        self.guilds[guild.id] = guild
        self.add_channel("general", guild)
        return guild

    def add_channel(self, name: str, guild: Guild | None = None, *, nsfw: bool = False) -> Channel:
        """A new text channel, by default at home."""
        guild = guild or self.default_guild
        channel = Channel(self.snowflakes.new(), name, guild, nsfw=nsfw)
        guild.channels.append(channel)
        self.channels[channel.id] = channel
        return channel

    def add_thread(self, parent: Channel, name: str, starter: User | None) -> Channel:
        """A new public thread in a channel of a guild."""
        thread = Channel(self.snowflakes.new(), name, parent.guild, parent=parent, starter=starter)
        if parent.guild:
            parent.guild.channels.append(thread)
        self.channels[thread.id] = thread
        return thread

    def add_role(self, name: str, permissions: Permission, guild: Guild | None = None) -> Role:
        """A new role, below all others but @everyone."""
        role = Role(self.snowflakes.new(), name, permissions)
        (guild or self.default_guild).roles.insert(1, role)
        return role

    def add_user(self, name: str) -> User:
        """A new person, who is a member at home."""
        user = User(self.snowflakes.new(), name)
        self.users[user.id] = user
        self.default_guild.join(user)
        return user

    def dm_with(self, user: User) -> Channel:
        """The direct messages between a person and the bot."""
        for channel in self.channels.values():
            if channel.recipient is user:
                return channel
        channel = Channel(self.snowflakes.new(), user.name, recipient=user)
        self.channels[channel.id] = channel
        return channel

    def emit(self, name: str, data: Json, channel: Channel | None = None) -> None:
        """Send an event to the bots that want it."""
        for listener in self.event_listeners:
            listener(Event(name, data, channel))

    def notify_changed(self, message: Message) -> None:
        """Tell everyone who looks at the channel that this message is new or different."""
        for watcher in self.watchers:
            watcher(message)
        self.changes.notify()

    def add_message(self, message: Message) -> None:
        """Add a message; the oldest go when there are very many."""
        self.messages[message.id] = message
        while len(self.messages) > MESSAGES_KEPT:
            oldest = self.messages.pop(next(iter(self.messages)))
            self.delete_files(oldest.attachments)

    def add_command_attachment(self, attachment: Attachment) -> None:
        """A file that came with a command, so no message shows it; the newest are kept."""
        self._brought.append(attachment)
        if len(self._brought) > BROUGHT_KEPT:
            self.delete_files([self._brought.popleft()])

    def delete_files(self, attachments: list[Attachment]) -> None:
        """Free the bytes of files that no message shows any more."""
        for attachment in attachments:
            self.cdn.forget(attachment)


def walk_components(components: list[Json]) -> list[Json]:
    """All components, nested ones too, in reading order."""
    found: list[Json] = []
    for component in components:
        found.append(component)
        found += walk_components(component.get("components") or [])
        for key in ("accessory", "component"):
            if isinstance(component.get(key), dict):
                found += walk_components([component[key]])
    return found


def button_label(button: Json) -> str:
    """What a person reads on a button: its emoji and label."""
    emoji = (button.get("emoji") or {}).get("name") or ""
    return f"{emoji} {button.get('label') or ''}".strip()
