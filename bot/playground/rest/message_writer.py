"""Make and change messages from what a request carries, by Discord's rules."""

from dataclasses import dataclass

from bot.playground.errors import Json, invalid
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.guild import Channel, User
from bot.playground.model.mentions import KINDS, resolve_mentions
from bot.playground.model.state import (
    NO_FLAGS,
    Edit,
    InteractionMetadata,
    Message,
    MessageFlags,
    MessageType,
    World,
    walk_components,
)
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.components import with_component_ids
from bot.playground.rest.serializers.messages import message_json
from bot.playground.rest.validation.json_types import without_nulls
from bot.playground.rest.validation.messages import Draft, check_draft

SETTABLE = (
    MessageFlags.SUPPRESS_EMBEDS | MessageFlags.SUPPRESS_NOTIFICATIONS | MessageFlags.COMPONENTS_V2
)


@dataclass(frozen=True)
class MessageTarget:
    """Where a message goes and what it belongs to."""

    channel: Channel
    author: User
    kind: MessageType = MessageType.DEFAULT
    origin: InteractionMetadata | None = None
    visible_to: User | None = None
    reference: Message | None = None


def start(world: World, place: MessageTarget) -> Message:
    """A message that nobody has seen yet."""
    return Message(
        id=world.snowflakes.new(),
        channel=place.channel,
        author=place.author,
        created_at=world.clock.now(),
        kind=place.kind,
        origin=place.origin,
        visible_to=place.visible_to,
        reference=place.reference,
        flags=MessageFlags.EPHEMERAL if place.visible_to else NO_FLAGS,
    )


def create(world: World, body: RequestBody, place: MessageTarget) -> Message:
    """Post a message, or raise ApiError and change nothing."""
    message = start(world, place)
    _fill(world, message, body)
    message.nonce = body.payload.get("nonce")
    publish(world, message)
    return message


def publish(world: World, message: Message) -> None:
    """Show a new message to its channel."""
    world.add_message(message)
    message.channel.posted += not message.ephemeral
    _remember(world, message)
    if not message.ephemeral:
        world.emit("MESSAGE_CREATE", event_json(world, message), message.channel)
    world.notify_changed(message)


def edit(world: World, message: Message, body: RequestBody) -> None:
    """Change a message as PATCH does, or raise ApiError and change nothing."""
    was_loading = message.loading
    _fill(world, message, body)
    message.flags &= ~MessageFlags.LOADING
    if not was_loading:
        message.edited_at = world.clock.now()
    _remember(world, message)
    if not message.ephemeral:
        world.emit("MESSAGE_UPDATE", event_json(world, message), message.channel)
    world.notify_changed(message)


def delete(world: World, message: Message) -> None:
    """Take a message away, with its files."""
    message.deleted = True
    world.delete_files(message.attachments)
    world.messages.pop(message.id, None)
    if not message.ephemeral:
        gone: Json = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild:
            gone["guild_id"] = str(message.channel.guild.id)
        world.emit("MESSAGE_DELETE", gone, message.channel)
    world.notify_changed(message)


def event_json(world: World, message: Message) -> Json:
    """A message as the gateway tells of it."""
    made = message_json(message, world.bot)
    if message.channel.guild:
        made["guild_id"] = str(message.channel.guild.id)
    return made


def _fill(world: World, message: Message, body: RequestBody) -> None:
    draft = _drafted(message, body)
    check_draft(draft)
    default = {"users"} if message.origin else KINDS
    text = " ".join(
        [draft.content, *(c.get("content") or "" for c in walk_components(draft.components))]
    )
    reply_to = message.reference.author if message.reference and not message.origin else None
    allowed = body.payload.get("allowed_mentions")
    pings = resolve_mentions(text, allowed, world.users, default=default, reply_to=reply_to)
    message.pings |= pings.names
    message.mentioned = pings.users
    message.content = draft.content
    message.embeds = [{"type": "rich"} | embed for embed in draft.embeds]
    message.components = with_component_ids(draft.components)
    message.flags = draft.flags
    world.delete_files([a for a in message.attachments if a not in draft.kept])
    message.attachments = draft.kept + [_store(world, message, item) for item in draft.uploads]


def _store(world: World, message: Message, upload: Upload) -> Attachment:
    return world.cdn.store(
        upload,
        id=world.snowflakes.new(),
        channel_id=message.channel.id,
        ephemeral=message.ephemeral,
    )


def _drafted(message: Message, body: RequestBody) -> Draft:
    payload = body.payload
    kept, uploads = _files(message, body)
    flags = message.flags | (MessageFlags(_integer(payload, "flags")) & SETTABLE)
    return Draft(
        content=_given(payload, "content", message.content) or "",
        embeds=_listed(payload, "embeds", message.embeds),
        components=_listed(payload, "components", message.components),
        flags=flags,
        kept=kept,
        uploads=uploads,
    )


def _given(payload: Json, key: str, otherwise: str) -> str:
    value = payload.get(key, otherwise)
    if value is not None and not isinstance(value, str):
        raise invalid((key,), "BASE_TYPE_BAD_STRING", "Must be a string.")
    return value or ""


def _listed(payload: Json, key: str, otherwise: list[Json]) -> list[Json]:
    value = payload.get(key, otherwise) or []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise invalid((key,), "BASE_TYPE_BAD_LIST", "Only lists of objects may be used here.")
    return [without_nulls(item) for item in value]


def _integer(payload: Json, key: str) -> int:
    value = payload.get(key) or 0
    if not isinstance(value, int):
        raise invalid((key,), "NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
    return value


def _files(message: Message, body: RequestBody) -> tuple[list[Attachment], list[Upload]]:
    """What stays and what comes, by the request's `attachments`, which must name every file."""
    if body.payload.get("attachments") is None:
        return message.attachments, list(body.files.values())
    present = {attachment.id: attachment for attachment in message.attachments}
    coming = dict(body.files)
    kept: list[Attachment] = []
    uploads: list[Upload] = []
    for number, entry in enumerate(_listed(body.payload, "attachments", [])):
        id = -1 if entry.get("id") is None else int(entry["id"])
        if id in present:
            kept.append(present[id])
        elif id in coming:
            uploads.append(_described(coming.pop(id), entry))
        else:
            sentence = f"No uploaded file or attachment has the id {id}"
            raise invalid(("attachments", number, "id"), "ATTACHMENT_NOT_FOUND", sentence)
    if coming:
        sentence = f"files[{min(coming)}] is not listed in attachments"
        raise invalid(("attachments",), "ATTACHMENT_NOT_LISTED", sentence)
    return kept, uploads


def _described(upload: Upload, entry: Json) -> Upload:
    name = entry.get("filename") or upload.filename
    spoiler = bool(entry.get("is_spoiler"))
    return Upload(name, upload.data, upload.content_type, entry.get("description"), spoiler)


def _remember(world: World, message: Message) -> None:
    names = tuple(attachment.filename for attachment in message.attachments)
    message.edits.append(Edit(world.clock.now(), message.content, names))
