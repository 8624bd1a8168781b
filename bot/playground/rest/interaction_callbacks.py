"""REST: the first answer to an interaction, and all later ones by its webhook."""

from bot.playground.errors import Json, invalid, unknown_message
from bot.playground.model.guild import User
from bot.playground.model.interactions import (
    Interaction,
    InteractionCallbackType,
    Interactions,
    InteractionType,
    is_ephemeral,
)
from bot.playground.model.state import Message, MessageFlags, MessageType, World
from bot.playground.rest import message_writer
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Answer, Request
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.messages import message_json

CHOICES_LIMIT = 25
MODAL_LIMIT = 5
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
ORIGINAL = WEBHOOK + "/messages/@original"
FOLLOWUP = WEBHOOK + "/messages/{message_id}"
ALLOWED = {
    InteractionType.APPLICATION_COMMAND: {
        InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE,
        InteractionCallbackType.DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE,
        InteractionCallbackType.MODAL,
    },
    InteractionType.MESSAGE_COMPONENT: set(InteractionCallbackType)
    - {InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT},
    InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE: {
        InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT
    },
    InteractionType.MODAL_SUBMIT: set(InteractionCallbackType)
    - {
        InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT,
        InteractionCallbackType.MODAL,
    },
}


class Callbacks:
    """Answers to interactions."""

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions

    def routes(self) -> list[Route]:
        """The addresses served here; their token is their authorisation."""
        served: list[tuple[str, str, Handler]] = [
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self.answer),
            ("GET", ORIGINAL, self.get),
            ("PATCH", ORIGINAL, self.edit),
            ("DELETE", ORIGINAL, self.delete),
            ("GET", FOLLOWUP, self.get),
            ("PATCH", FOLLOWUP, self.edit),
            ("DELETE", FOLLOWUP, self.delete),
            ("POST", WEBHOOK, self.follow_up),
        ]
        return [Route(method, path, handler, open=True) for method, path, handler in served]

    def answer(self, world: World, request: Request) -> tuple[int, Answer]:
        """The first answer, of any callback type."""
        interaction = self._interactions.find_for_callback(
            request.snowflake("interaction_id"), request.params["interaction_token"]
        )
        callback = _callback(interaction, request.body.payload)
        data = request.body.payload.get("data") or {}
        _act(world, interaction, callback, RequestBody(data, files=request.body.files))
        interaction.answered = callback
        interaction.responded_at = world.clock.now()
        world.changes.notify()
        if request.query.get("with_response", "").lower() in ("1", "true"):
            return 200, _callback_json(world, interaction, callback)
        return 204, None

    def follow_up(self, world: World, request: Request) -> tuple[int, Answer]:
        """A further message. The first one after a deferral takes the place of "thinking"."""
        interaction = self._find(request)
        original = interaction.original
        if original and original.loading and not original.deleted:
            message_writer.edit(world, original, request.body)
            return 200, message_json(original, world.bot)
        reference = original if original and not original.deleted else None
        message = _post(world, interaction, request.body, MessageType.REPLY, reference)
        return 200, message_json(message, world.bot)

    def get(self, world: World, request: Request) -> tuple[int, Answer]:
        """One of the answers."""
        return 200, message_json(self._message(request), world.bot)

    def edit(self, world: World, request: Request) -> tuple[int, Answer]:
        """Change one of the answers."""
        message = self._message(request)
        message_writer.edit(world, message, request.body)
        return 200, message_json(message, world.bot)

    def delete(self, world: World, request: Request) -> tuple[int, Answer]:
        """Take one of the answers away."""
        message_writer.delete(world, self._message(request))
        return 204, None

    def _find(self, request: Request) -> Interaction:
        return self._interactions.find_by_webhook(
            request.snowflake("webhook_id"), request.params["webhook_token"]
        )

    def _message(self, request: Request) -> Message:
        interaction = self._find(request)
        message = interaction.original
        if "message_id" in request.params:
            wanted = request.snowflake("message_id")
            message = next((m for m in interaction.answers if m.id == wanted), None)
        if message is None or message.deleted:
            raise unknown_message()
        return message


def _callback(interaction: Interaction, payload: Json) -> InteractionCallbackType:
    try:
        callback = InteractionCallbackType(int(payload.get("type", 0)))
    except ValueError:
        raise invalid(("type",), "BASE_TYPE_CHOICES", "Unknown callback type") from None
    if callback not in ALLOWED[interaction.kind]:
        sentence = f"Callback type {callback} cannot answer interaction type {interaction.kind}"
        raise invalid(("type",), "INTERACTION_CALLBACK_TYPE", sentence)
    return callback


def _act(
    world: World, interaction: Interaction, callback: InteractionCallbackType, body: RequestBody
) -> None:
    match callback:
        case InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE:
            interaction.original = _post(world, interaction, body, *_shape(interaction))
        case InteractionCallbackType.DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE:
            interaction.original = _think(world, interaction, body)
        case (
            InteractionCallbackType.DEFERRED_UPDATE_MESSAGE | InteractionCallbackType.UPDATE_MESSAGE
        ):
            _update(world, interaction, callback, body)
        case InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT:
            interaction.choices = _choices(body.payload)
        case InteractionCallbackType.MODAL:
            interaction.modal = _modal(body.payload)


def _shape(interaction: Interaction) -> tuple[MessageType, Message | None]:
    if interaction.kind is InteractionType.APPLICATION_COMMAND:
        menu = interaction.data.get("type", 1) != 1
        return (MessageType.CONTEXT_MENU_COMMAND if menu else MessageType.CHAT_INPUT_COMMAND), None
    return MessageType.REPLY, interaction.message


def _place(
    world: World, interaction: Interaction, private: bool, kind: MessageType, to: Message | None
) -> MessageTarget:
    reader: User | None = interaction.user if private else None
    return MessageTarget(interaction.channel, world.bot, kind, interaction.origin, reader, to)


def _post(
    world: World, interaction: Interaction, body: RequestBody, kind: MessageType, to: Message | None
) -> Message:
    place = _place(world, interaction, is_ephemeral(body.payload), kind, to)
    message = message_writer.create(world, body, place)
    interaction.answers.append(message)
    return message


def _think(world: World, interaction: Interaction, body: RequestBody) -> Message:
    flags = int(body.payload.get("flags") or 0)
    if flags & ~MessageFlags.EPHEMERAL:
        raise invalid(("data", "flags"), "MESSAGE_FLAGS", "Only EPHEMERAL can be set here")
    kind, to = _shape(interaction)
    place = _place(world, interaction, is_ephemeral(body.payload), kind, to)
    message = message_writer.start(world, place)
    message.flags |= MessageFlags.LOADING
    message_writer.publish(world, message)
    interaction.answers.append(message)
    return message


def _update(
    world: World, interaction: Interaction, callback: InteractionCallbackType, body: RequestBody
) -> None:
    message = interaction.message
    if message is None or message.deleted:
        raise unknown_message()
    if callback is InteractionCallbackType.UPDATE_MESSAGE:
        message_writer.edit(world, message, body)
    interaction.original = message
    interaction.answers.append(message)


def _choices(data: Json) -> list[Json]:
    choices = data.get("choices")
    if not isinstance(choices, list) or len(choices) > CHOICES_LIMIT:
        raise invalid(("data", "choices"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    return choices


def _modal(data: Json) -> Json:
    rows = data.get("components") or []
    if not 1 <= len(rows) <= MODAL_LIMIT:
        sentence = "Must be between 1 and 5 in length."
        raise invalid(("data", "components"), "BASE_TYPE_BAD_LENGTH", sentence)
    for key, limit in (("title", 45), ("custom_id", 100)):
        if not 1 <= len(data.get(key) or "") <= limit:
            sentence = f"Must be between 1 and {limit} in length."
            raise invalid(("data", key), "BASE_TYPE_BAD_LENGTH", sentence)
    return data


def _callback_json(
    world: World, interaction: Interaction, callback: InteractionCallbackType
) -> Json:
    about: Json = {"id": str(interaction.id), "type": int(interaction.kind)}
    made: Json = {"interaction": about}
    message = interaction.original
    if message is None:
        return made
    about |= {
        "response_message_id": str(message.id),
        "response_message_loading": message.loading,
        "response_message_ephemeral": message.ephemeral,
        "channel_id": str(message.channel.id),
    }
    if callback is not InteractionCallbackType.DEFERRED_UPDATE_MESSAGE:
        kind = (
            InteractionCallbackType.UPDATE_MESSAGE
            if callback is InteractionCallbackType.UPDATE_MESSAGE
            else InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE
        )
        made["resource"] = {"type": int(kind), "message": message_json(message, world.bot)}
    return made
