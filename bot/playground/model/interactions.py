"""Interactions: what a person asked of the bot, and every way in which it may answer."""

import secrets
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.errors import ApiError, Json, NotAcknowledged
from bot.playground.model.guild import Channel, User
from bot.playground.model.state import InteractionMetadata, Message, MessageFlags, World
from bot.playground.model.subcommands import used_name

ACK_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
KEPT = 2_000


class InteractionType(IntEnum):
    """Interaction types."""

    APPLICATION_COMMAND = 2
    MESSAGE_COMPONENT = 3
    APPLICATION_COMMAND_AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class InteractionCallbackType(IntEnum):
    """Callback types."""

    CHANNEL_MESSAGE_WITH_SOURCE = 4
    DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE = 5
    DEFERRED_UPDATE_MESSAGE = 6
    UPDATE_MESSAGE = 7
    APPLICATION_COMMAND_AUTOCOMPLETE_RESULT = 8
    MODAL = 9


@dataclass(eq=False)
class Interaction:
    """One thing that a person asked of the bot."""

    id: int
    token: str = field(repr=False)
    kind: InteractionType
    user: User
    channel: Channel
    data: Json
    created_at: float
    world: World = field(repr=False)
    message: Message | None = None
    trigger: "Interaction | None" = None
    answered: InteractionCallbackType | None = None
    responded_at: float | None = None
    original: Message | None = None
    modal: Json | None = None
    choices: list[Json] | None = None
    answers: list[Message] = field(default_factory=list)

    @property
    def deadline(self) -> float:
        """Until when the first answer must be there."""
        return self.created_at + ACK_SECONDS

    @property
    def failed(self) -> bool:
        """Whether the bot let the 3 seconds pass."""
        return self.answered is None and self.world.clock.now() >= self.deadline

    @property
    def response(self) -> Message | None:
        """The first answer as a message; look at its `deleted` and `loading` too."""
        return self.original

    @property
    def ephemerals(self) -> list[Message]:
        """The answers that only this person sees, in order."""
        return [m for m in self.answers if m.ephemeral and not m.deleted]

    @property
    def origin(self) -> InteractionMetadata:
        """What the messages that answer this say about it."""
        return InteractionMetadata(
            interaction_id=self.id,
            kind=int(self.kind),
            user=self.user,
            guild=self.channel.guild,
            command=used_name(self.data) if "name" in self.data else None,
            clicked_message_id=self.message.id if self.message else None,
            response_id=self.original.id if self.original else None,
            trigger=self.trigger.origin if self.trigger else None,
        )

    async def acknowledged(self) -> None:
        """Wait for the first answer; raise NotAcknowledged when it is not there in time."""
        left = self.deadline - self.world.clock.now()
        await self.world.changes.until(
            lambda: self.answered is not None or self.failed, seconds=max(left, 0)
        )
        if self.answered is None:
            raise NotAcknowledged("The application did not respond")

    async def finished(self, *, seconds: float = 30.0) -> Message | None:
        """Wait until the first answer is no longer "thinking", and give it."""
        await self.acknowledged()
        done = await self.world.changes.until(
            lambda: self.original is None or self.original.deleted or not self.original.loading,
            seconds=seconds,
        )
        if not done:
            raise NotAcknowledged(f"The application was still thinking after {seconds:g} s")
        return self.original


About = Message | Interaction | None


class Interactions:
    """All interactions that a bot may still answer, by their tokens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_token: dict[str, Interaction] = {}

    def open(
        self, kind: InteractionType, user: User, channel: Channel, data: Json, about: About = None
    ) -> Interaction:
        """A new interaction, not yet sent; about the message clicked on or the form filled in."""
        trigger = about if isinstance(about, Interaction) else None
        message = about if isinstance(about, Message) else None
        interaction = Interaction(
            id=self._world.snowflakes.new(),
            token=secrets.token_urlsafe(64),
            kind=kind,
            user=user,
            channel=channel,
            data=data,
            created_at=self._world.clock.now(),
            world=self._world,
            message=trigger.message if trigger else message,
            trigger=trigger,
        )
        self._by_token[interaction.token] = interaction
        while len(self._by_token) > KEPT:
            del self._by_token[next(iter(self._by_token))]
        return interaction

    def find(self, id: int) -> Interaction | None:
        """The interaction of that id."""
        return next((one for one in self._by_token.values() if one.id == id), None)

    def find_for_callback(self, id: int, token: str) -> Interaction:
        """The interaction that a callback is for; each takes exactly one, in time."""
        interaction = self._by_token.get(token)
        if interaction is None or interaction.id != id or interaction.failed:
            raise ApiError(404, 10062, "Unknown interaction", violation=True)
        if interaction.answered is not None:
            message = "Interaction has already been acknowledged."
            raise ApiError(400, 40060, message, violation=True)
        return interaction

    def find_by_webhook(self, application: int, token: str) -> Interaction:
        """The interaction that a webhook request is for: acknowledged, and not too old."""
        interaction = self._by_token.get(token)
        if interaction is None or application != self._world.bot.id or interaction.answered is None:
            raise ApiError(404, 10015, "Unknown Webhook")
        if self._world.clock.now() >= interaction.created_at + TOKEN_SECONDS:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return interaction


def is_ephemeral(payload: Json) -> bool:
    """Whether an answer is for the person alone."""
    return bool(int(payload.get("flags") or 0) & MessageFlags.EPHEMERAL)
