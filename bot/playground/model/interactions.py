"""Interactions, their tokens and the responses to them."""

import secrets
from dataclasses import dataclass, field
from enum import IntEnum

from bot.playground.errors import ApiError, Json, NotAcknowledged
from bot.playground.model.guild import Channel, User
from bot.playground.model.installations import InstallType, Owners, component_owners
from bot.playground.model.messages import InteractionMetadata, Message, MessageFlags
from bot.playground.model.state import World
from bot.playground.model.subcommands import command_name

ACK_SECONDS = 3.0
TOKEN_SECONDS = 15 * 60.0
INTERACTIONS_LIMIT = 2_000
MESSAGE = 3  # command type


class InteractionType(IntEnum):
    """https://docs.discord.com/developers/interactions/receiving-and-responding"""

    APPLICATION_COMMAND = 2
    MESSAGE_COMPONENT = 3
    APPLICATION_COMMAND_AUTOCOMPLETE = 4
    MODAL_SUBMIT = 5


class InteractionCallbackType(IntEnum):
    """https://docs.discord.com/developers/interactions/receiving-and-responding"""

    CHANNEL_MESSAGE_WITH_SOURCE = 4
    DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE = 5
    DEFERRED_UPDATE_MESSAGE = 6
    UPDATE_MESSAGE = 7
    APPLICATION_COMMAND_AUTOCOMPLETE_RESULT = 8
    MODAL = 9


@dataclass(eq=False)
class Interaction:
    """An interaction, and what the bot has responded so far."""

    id: int
    token: str = field(repr=False)
    type: InteractionType
    user: User
    channel: Channel
    data: Json
    created_at: float
    owners: Owners
    world: World = field(repr=False)
    message: Message | None = None
    """The message whose component was used."""
    trigger: "Interaction | None" = None
    """The interaction whose modal was submitted."""
    callback_type: InteractionCallbackType | None = None
    responded_at: float | None = None
    original: Message | None = None
    """The original response."""
    modal: Json | None = None
    choices: list[Json] | None = None
    """The autocomplete choices."""
    responses: list[Message] = field(default_factory=list)
    """The original response and the followups."""

    @property
    def deadline(self) -> float:
        """Time by which the bot must acknowledge the interaction."""
        return self.created_at + ACK_SECONDS

    @property
    def failed(self) -> bool:
        """Whether the bot missed the deadline."""
        return self.callback_type is None and self.world.clock.now() >= self.deadline

    @property
    def response(self) -> Message | None:
        """The original response. It may be `deleted` or still `loading`."""
        return self.original

    @property
    def ephemerals(self) -> list[Message]:
        """The ephemeral responses that are not deleted, in order."""
        return [m for m in self.responses if m.ephemeral and not m.deleted]

    @property
    def metadata(self) -> InteractionMetadata:
        """The interaction metadata of messages that respond to this interaction."""
        target_id = int(self.data.get("target_id") or 0)
        return InteractionMetadata(
            interaction_id=self.id,
            type=int(self.type),
            user=self.user,
            owners=self.owners,
            command=command_name(self.data) if "name" in self.data else None,
            component_message_id=self.message.id if self.message else None,
            response_id=self.original.id if self.original else None,
            trigger=self.trigger.metadata if self.trigger else None,
            target_user=self.world.users.get(target_id),
            target_message_id=target_id if self.data.get("type") == MESSAGE else None,
        )

    async def acknowledged(self) -> None:
        """Wait until the bot responds; raise NotAcknowledged if it misses the deadline."""
        remaining = self.deadline - self.world.clock.now()
        await self.world.changes.until(
            lambda: self.callback_type is not None or self.failed, seconds=max(remaining, 0)
        )
        if self.callback_type is None:
            raise NotAcknowledged("The application did not respond")

    async def finished(self, *, seconds: float = 30.0) -> Message | None:
        """Wait until the original response is no longer loading, and return it.

        Raise NotAcknowledged if it is still loading after `seconds`.
        """
        await self.acknowledged()
        is_finished = await self.world.changes.until(
            lambda: self.original is None or self.original.deleted or not self.original.loading,
            seconds=seconds,
        )
        if not is_finished:
            raise NotAcknowledged(f"The application was still thinking after {seconds:g} s")
        return self.original


class Interactions:
    """The most recent interactions by token."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._by_token: dict[str, Interaction] = {}

    def open(
        self,
        type: InteractionType,
        user: User,
        channel: Channel,
        data: Json,
        source: Message | Interaction | Owners | None = None,
    ) -> Interaction:
        """Create an interaction without sending it.

        `source` is the message whose component was used, the interaction whose modal was
        submitted, or the installations by which a command was used.
        """
        trigger = source if isinstance(source, Interaction) else None
        message = source if isinstance(source, Message) else None
        interaction = Interaction(
            id=self._world.snowflakes.new(),
            token=secrets.token_urlsafe(64),
            type=type,
            user=user,
            channel=channel,
            data=data,
            created_at=self._world.clock.now(),
            owners=_owners(channel, source),
            world=self._world,
            message=trigger.message if trigger else message,
            trigger=trigger,
        )
        self._by_token[interaction.token] = interaction
        while len(self._by_token) > INTERACTIONS_LIMIT:
            del self._by_token[next(iter(self._by_token))]
        return interaction

    def find(self, interaction_id: int) -> Interaction | None:
        interactions = self._by_token.values()
        return next((i for i in interactions if i.id == interaction_id), None)

    def find_by_token(self, token: str) -> Interaction | None:
        return self._by_token.get(token)

    def find_for_callback(self, interaction_id: int, token: str) -> Interaction:
        """Return the interaction for a callback.

        Raise ApiError if it is unknown, past its deadline or already acknowledged.
        """
        interaction = self._by_token.get(token)
        if interaction is None or interaction.id != interaction_id or interaction.failed:
            raise ApiError(404, 10062, "Unknown interaction", violation=True)
        if interaction.callback_type is not None:
            message = "Interaction has already been acknowledged."
            raise ApiError(400, 40060, message, violation=True)
        return interaction

    def find_by_webhook(self, application_id: int, token: str) -> Interaction:
        """Return the interaction for a webhook request.

        Raise ApiError if it is unknown, not acknowledged yet, or its token has expired, and after
        the application was removed from the guild or by the user.
        """
        interaction = self._by_token.get(token)
        if (
            interaction is None
            or application_id != self._world.bot.id
            or interaction.callback_type is None
            or not self._is_installed(interaction)
        ):
            raise ApiError(404, 10015, "Unknown Webhook")
        if self._world.clock.now() >= interaction.created_at + TOKEN_SECONDS:
            raise ApiError(401, 50027, "Invalid Webhook Token")
        return interaction

    def _is_installed(self, interaction: Interaction) -> bool:
        guild = interaction.channel.guild
        user_id = interaction.owners.get(str(int(InstallType.USER)))
        is_for_guild = str(int(InstallType.GUILD)) in interaction.owners
        if is_for_guild and (guild is None or guild.has_app):
            return True
        return user_id is not None and self._world.users[int(user_id)].has_app


def _owners(channel: Channel, source: Message | Interaction | Owners | None) -> Owners:
    """Return the installations that an interaction is for."""
    if isinstance(source, Interaction):
        return source.owners
    if isinstance(source, Message):
        metadata = source.interaction_metadata
        return component_owners(channel, metadata.owners if metadata else None)
    return component_owners(channel, None) if source is None else source


def is_ephemeral(payload: Json) -> bool:
    """Return whether a response has the EPHEMERAL flag."""
    return bool(int(payload.get("flags") or 0) & MessageFlags.EPHEMERAL)
