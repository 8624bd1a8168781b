"""Routes for interaction callbacks, and for responses and followups by webhook."""

from bot.playground.errors import ApiError, Json, invalid, unknown_message
from bot.playground.model.installations import is_forced_private, is_only_for_user
from bot.playground.model.interactions import (
    Interaction,
    InteractionCallbackType,
    Interactions,
    InteractionType,
    is_ephemeral,
)
from bot.playground.model.messages import Message, MessageFlags, MessageType
from bot.playground.model.state import World
from bot.playground.rest import message_writer, webhooks
from bot.playground.rest.api import Handler, Route
from bot.playground.rest.http import Request, Result
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.components import with_component_ids
from bot.playground.rest.serializers.messages import response_json
from bot.playground.rest.threads import require_open
from bot.playground.rest.validation.autocomplete import read_choices
from bot.playground.rest.validation.fields import Choice, Integer, Model, Required, read_form
from bot.playground.rest.validation.form import Path
from bot.playground.rest.validation.modals import read_modal
from bot.playground.rest.webhooks import either

CALLBACK = Model({"type": Required(Choice(tuple(InteractionCallbackType)))})
ANY_DATA = Model({"data": Model({})})
REQUIRED_DATA = Model({"data": Required(Model({}))})
DEFERRED = Model({"flags": Integer(0)})
DATA: Path = ("data",)
WEBHOOK = "/webhooks/{webhook_id}/{webhook_token}"
ORIGINAL = WEBHOOK + "/messages/@original"
FOLLOWUP = WEBHOOK + "/messages/{message_id}"
FOLLOWUPS_LIMIT = 5
AUTOCOMPLETE_RESULT = InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT
ALLOWED_CALLBACKS = {
    InteractionType.APPLICATION_COMMAND: {
        InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE,
        InteractionCallbackType.DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE,
        InteractionCallbackType.MODAL,
    },
    InteractionType.MESSAGE_COMPONENT: set(InteractionCallbackType) - {AUTOCOMPLETE_RESULT},
    InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE: {AUTOCOMPLETE_RESULT},
    InteractionType.MODAL_SUBMIT: set(InteractionCallbackType)
    - {AUTOCOMPLETE_RESULT, InteractionCallbackType.MODAL},
}


class InteractionCallbacks:
    """Handlers that respond to interactions."""

    def __init__(self, interactions: Interactions) -> None:
        self._interactions = interactions

    def routes(self) -> list[Route]:
        """Return the routes. The interaction token in the path authorizes the request."""
        handlers: list[tuple[str, str, Handler]] = [
            ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", self.respond),
            ("GET", ORIGINAL, self.get),
            ("PATCH", ORIGINAL, self.edit),
            ("DELETE", ORIGINAL, self.delete),
            ("GET", FOLLOWUP, either(self.get, webhooks.get_message)),
            ("PATCH", FOLLOWUP, either(self.edit, webhooks.edit_message)),
            ("DELETE", FOLLOWUP, either(self.delete, webhooks.delete_message)),
            ("POST", WEBHOOK, either(self.follow_up, webhooks.execute)),
        ]
        return [Route(method, path, handler, open=True) for method, path, handler in handlers]

    def respond(self, world: World, request: Request) -> Result:
        """Create the interaction response."""
        interaction = self._interactions.find_for_callback(
            request.snowflake("interaction_id"), request.params["interaction_token"]
        )
        payload = read_form(CALLBACK, request.body.payload)
        callback_type = _callback_type(interaction, payload["type"])
        body = RequestBody(_data(request, callback_type), files=request.body.files)
        _execute(world, interaction, callback_type, body)
        interaction.callback_type = callback_type
        interaction.responded_at = world.clock.now()
        world.changes.notify()
        if request.flag("with_response"):
            return 200, _callback_json(world, interaction, callback_type)
        return 204, None

    def follow_up(self, world: World, request: Request) -> Result:
        """Create a followup. The first one after a deferral replaces the loading response."""
        interaction = self._find(request)
        body = message_writer.read(request.body)
        original = interaction.original
        if original and original.loading and not original.deleted:
            message_writer.edit(world, original, body)
            return 200, response_json(original, world.bot)
        _check_followups(interaction)
        reference = original if original and not original.deleted else None
        message = _create(world, interaction, body, MessageType.REPLY, reference)
        return 200, response_json(message, world.bot)

    def get(self, world: World, request: Request) -> Result:
        return 200, response_json(self._message(request), world.bot)

    def edit(self, world: World, request: Request) -> Result:
        message = self._message(request)
        if not message.ephemeral:
            require_open(message.channel)
        message_writer.edit(world, message, message_writer.read(request.body))
        return 200, response_json(message, world.bot)

    def delete(self, world: World, request: Request) -> Result:
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
            message_id = request.snowflake("message_id")
            message = next((m for m in interaction.responses if m.id == message_id), None)
        if message is None or message.deleted:
            raise unknown_message()
        return message


def _check_followups(interaction: Interaction) -> None:
    """Raise ApiError if an application that is installed for the user alone sends too many."""
    followups = [item for item in interaction.responses if item is not interaction.original]
    if is_only_for_user(interaction.owners) and len(followups) >= FOLLOWUPS_LIMIT:
        message = "This interaction has hit the maximum number of follow up messages"
        raise ApiError(400, 40094, message, violation=True)


def _callback_type(interaction: Interaction, value: int) -> InteractionCallbackType:
    callback_type, allowed = InteractionCallbackType(value), ALLOWED_CALLBACKS[interaction.type]
    if callback_type not in allowed:
        types = ", ".join(str(int(item)) for item in sorted(allowed))
        raise invalid(("type",), "BASE_TYPE_CHOICES", f"Value must be one of {{{types}}}.")
    return callback_type


def _data(request: Request, callback_type: InteractionCallbackType) -> Json:
    """Return the data of the response; modals and choices cannot be without."""
    needs_data = callback_type in (AUTOCOMPLETE_RESULT, InteractionCallbackType.MODAL)
    read_form(REQUIRED_DATA if needs_data else ANY_DATA, request.body.payload)
    return request.body.payload.get("data") or {}


def _execute(
    world: World,
    interaction: Interaction,
    callback_type: InteractionCallbackType,
    body: RequestBody,
) -> None:
    match callback_type:
        case InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE:
            body = message_writer.read(body, DATA)
            interaction.original = _create(
                world, interaction, body, *_type_and_reference(interaction)
            )
        case InteractionCallbackType.DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE:
            interaction.original = _defer(world, interaction, body)
        case (
            InteractionCallbackType.DEFERRED_UPDATE_MESSAGE | InteractionCallbackType.UPDATE_MESSAGE
        ):
            _update(world, interaction, callback_type, body)
        case InteractionCallbackType.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT:
            interaction.choices = read_choices(body.payload, interaction.data, DATA)
        case InteractionCallbackType.MODAL:
            modal = read_modal(body.payload, DATA)
            modal["components"] = with_component_ids(modal["components"], in_modal=True)
            interaction.modal = modal


def _type_and_reference(interaction: Interaction) -> tuple[MessageType, Message | None]:
    if interaction.type is not InteractionType.APPLICATION_COMMAND:
        return MessageType.REPLY, interaction.message
    if interaction.data.get("type", 1) != 1:
        return MessageType.CONTEXT_MENU_COMMAND, None
    return MessageType.CHAT_INPUT_COMMAND, None


def _target(
    world: World,
    interaction: Interaction,
    payload: Json,
    type: MessageType,
    reference: Message | None,
) -> MessageTarget:
    channel, user = interaction.channel, interaction.user
    is_private = is_ephemeral(payload) or is_forced_private(interaction.owners, channel, user)
    return MessageTarget(
        channel,
        world.bot,
        type,
        interaction.metadata,
        visible_to=user if is_private else None,
        reference=reference,
    )


def _create(
    world: World,
    interaction: Interaction,
    body: RequestBody,
    type: MessageType,
    reference: Message | None,
) -> Message:
    target = _target(world, interaction, body.payload, type, reference)
    message = message_writer.create(world, body, target)
    interaction.responses.append(message)
    return message


def _defer(world: World, interaction: Interaction, body: RequestBody) -> Message:
    """Create the loading response. Flags other than EPHEMERAL have no effect."""
    payload = read_form(DEFERRED, body.payload, DATA)
    target = _target(world, interaction, payload, *_type_and_reference(interaction))
    message = message_writer.new_message(world, target)
    message.flags |= MessageFlags.LOADING
    message_writer.publish(world, message)
    interaction.responses.append(message)
    return message


def _update(
    world: World,
    interaction: Interaction,
    callback_type: InteractionCallbackType,
    body: RequestBody,
) -> None:
    message = interaction.message
    if message is None or message.deleted:
        raise unknown_message()
    if callback_type is InteractionCallbackType.UPDATE_MESSAGE:
        message_writer.edit(world, message, message_writer.read(body, DATA))
    interaction.original = message
    interaction.responses.append(message)


def _callback_json(
    world: World, interaction: Interaction, callback_type: InteractionCallbackType
) -> Json:
    interaction_json: Json = {"id": str(interaction.id), "type": int(interaction.type)}
    callback: Json = {"interaction": interaction_json}
    message = interaction.original
    if message is None:
        return callback
    interaction_json |= {
        "response_message_id": str(message.id),
        "response_message_loading": message.loading,
        "response_message_ephemeral": message.ephemeral,
        "channel_id": str(message.channel.id),
    }
    if callback_type is not InteractionCallbackType.DEFERRED_UPDATE_MESSAGE:
        resource_type = InteractionCallbackType.CHANNEL_MESSAGE_WITH_SOURCE
        if callback_type is InteractionCallbackType.UPDATE_MESSAGE:
            resource_type = InteractionCallbackType.UPDATE_MESSAGE
        callback["resource"] = {
            "type": int(resource_type),
            "message": response_json(message, world.bot),
        }
    return callback
