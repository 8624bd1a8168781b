"""Messages and what they consist of."""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment
from bot.playground.model.enums import ComponentType
from bot.playground.model.guild import (
    Channel,
    User,
)
from bot.playground.model.installations import Owners
from bot.playground.model.mentions import Mentions
from bot.playground.model.polls import Poll


class MessageType(IntEnum):
    """https://docs.discord.com/developers/resources/message"""

    DEFAULT = 0
    CHANNEL_PINNED_MESSAGE = 6
    REPLY = 19
    CHAT_INPUT_COMMAND = 20
    CONTEXT_MENU_COMMAND = 23
    POLL_RESULT = 46


SYSTEM_TYPES = frozenset({MessageType.CHANNEL_PINNED_MESSAGE, MessageType.POLL_RESULT})


class MessageFlags(IntFlag):
    """https://docs.discord.com/developers/resources/message"""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    VOICE_MESSAGE = 1 << 13
    HAS_SNAPSHOT = 1 << 14
    COMPONENTS_V2 = 1 << 15


NO_FLAGS = MessageFlags(0)


@dataclass(frozen=True)
class Edit:
    """The content of a message after it was created or edited."""

    at: float
    content: str
    filenames: tuple[str, ...]


@dataclass(frozen=True)
class InteractionMetadata:
    """The interaction that a message responds to."""

    interaction_id: int
    type: int
    user: User
    owners: Owners
    command: str | None
    component_message_id: int | None
    response_id: int | None
    trigger: "InteractionMetadata | None" = None
    target_user: User | None = None
    """The user whom a user command was used on."""
    target_message_id: int | None = None
    """The message that a message command was used on."""


@dataclass(eq=False, repr=False)
class Message:
    """The current state of a message; `edits` has the earlier ones."""

    id: int
    channel: Channel
    author: User
    created_at: float
    type: MessageType = MessageType.DEFAULT
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    previews: list[Json] = field(default_factory=list)
    """Embeds that Discord has added for links in the content."""
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: MessageFlags = NO_FLAGS
    reactions: dict[str, list[User]] = field(default_factory=dict)
    pings: frozenset[str] = frozenset()
    mentions: Mentions = field(default_factory=Mentions)
    edits: list[Edit] = field(default_factory=list)
    edited_at: float | None = None
    pinned_at: float | None = None
    deleted: bool = False
    nonce: str | int | None = None
    interaction_metadata: InteractionMetadata | None = None
    visible_to: User | None = None
    reference: "Message | None" = None
    """The message that it replies to, forwards or announces as pinned."""
    snapshot: "Message | None" = None
    """The copy of a forwarded message, which later changes of the original do not change."""
    poll: Poll | None = None
    shared_client_theme: Json | None = None

    def __repr__(self) -> str:
        """Author, content, files and buttons, for failure messages of tests."""
        files = [attachment.filename for attachment in self.attachments]
        state = "deleted " if self.deleted else "loading " if self.loading else ""
        return f"<{state}message by {self.author.name}: {self.content!r} {files} {self.buttons}>"

    @property
    def is_system(self) -> bool:
        """Whether Discord has written it."""
        return self.type in SYSTEM_TYPES

    @property
    def ephemeral(self) -> bool:
        """Whether only one user sees it."""
        return self.visible_to is not None

    @property
    def loading(self) -> bool:
        """Whether it shows that the bot is thinking."""
        return bool(self.flags & MessageFlags.LOADING)

    @property
    def files(self) -> list[Attachment]:
        """Its attachments and those of a forwarded message."""
        return self.attachments + (self.snapshot.attachments if self.snapshot else [])

    @property
    def text(self) -> str:
        """All that it says: its content, and the texts of its components, one a line."""
        displays = [
            part["content"]
            for part in walk_components(self.components)
            if part["type"] == ComponentType.TEXT_DISPLAY
        ]
        return "\n".join(filter(None, [self.content, *displays]))

    @property
    def options(self) -> list[str]:
        """The labels of the options of its menus, in display order."""
        return [
            option["label"]
            for part in walk_components(self.components)
            if part["type"] == ComponentType.STRING_SELECT
            for option in part["options"]
        ]

    @property
    def buttons(self) -> list[str]:
        """The labels of its buttons, in display order."""
        return [
            button_label(part)
            for part in walk_components(self.components)
            if part["type"] == ComponentType.BUTTON
        ]


def walk_components(components: list[Json]) -> list[Json]:
    """Return all components, including nested ones, in display order."""
    result: list[Json] = []
    for component in components:
        result.append(component)
        result += walk_components(component.get("components") or [])
        for key in ("accessory", "component"):
            if isinstance(component.get(key), dict):
                result += walk_components([component[key]])
    return result


def button_label(button: Json) -> str:
    """Return the text of a button: emoji and label."""
    emoji = (button.get("emoji") or {}).get("name") or ""
    return f"{emoji} {button.get('label') or ''}".strip()
