"""Create, edit and delete messages from request bodies."""

from dataclasses import dataclass, replace

from bot.playground.errors import ApiError, Json, blocked_by_automod, invalid
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.guild import Channel, User
from bot.playground.model.mentions import MENTION_TYPES, MentionParser
from bot.playground.model.messages import (
    NO_FLAGS,
    Edit,
    InteractionMetadata,
    Message,
    MessageFlags,
    MessageType,
    walk_components,
)
from bot.playground.model.polls import new_poll
from bot.playground.model.state import World
from bot.playground.rest.delayed_changes import add_previews_later, archive_later
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.components import with_component_ids
from bot.playground.rest.serializers.message_events import message_event_json
from bot.playground.rest.validation.form import Path
from bot.playground.rest.validation.messages import Draft, check_draft, read_message

SETTABLE_FLAGS = (
    MessageFlags.SUPPRESS_EMBEDS | MessageFlags.SUPPRESS_NOTIFICATIONS | MessageFlags.COMPONENTS_V2
)


@dataclass(frozen=True)
class MessageTarget:
    """Channel, author and context of a message to create."""

    channel: Channel
    author: User
    type: MessageType = MessageType.DEFAULT
    interaction_metadata: InteractionMetadata | None = None
    visible_to: User | None = None
    reference: Message | None = None
    message_id: int | None = None
    """By default a new id."""


def read(body: RequestBody, path: Path = ()) -> RequestBody:
    """Return a request body whose payload is a message; raise ApiError if a field is invalid.

    `path` is where the payload is in the body that the client sent.
    """
    return replace(body, payload=read_message(body.payload, path), path=path)


def new_message(world: World, target: MessageTarget) -> Message:
    """Return an empty message that is not published yet."""
    return Message(
        id=world.snowflakes.new() if target.message_id is None else target.message_id,
        channel=target.channel,
        author=target.author,
        created_at=world.clock.now(),
        type=target.type,
        interaction_metadata=target.interaction_metadata,
        visible_to=target.visible_to,
        reference=target.reference,
        flags=MessageFlags.EPHEMERAL if target.visible_to else NO_FLAGS,
    )


def create(world: World, body: RequestBody, target: MessageTarget) -> Message:
    """Create and publish a message; raise ApiError, without a change, if it is invalid."""
    message = prepare(world, body, target)
    publish(world, message)
    return message


def prepare(world: World, body: RequestBody, target: MessageTarget) -> Message:
    """Return a message that is not published yet; raise ApiError if it is invalid."""
    message = new_message(world, target)
    message.flags |= _payload_flags(body.payload) & MessageFlags.VOICE_MESSAGE
    _apply(world, message, body)
    message.nonce = body.payload.get("nonce")
    return message


def publish(world: World, message: Message) -> None:
    """Add a message to its channel and emit MESSAGE_CREATE."""
    world.add_message(message)
    message.channel.message_count += not message.ephemeral
    _record_edit(world, message)
    if not message.ephemeral:
        world.emit("MESSAGE_CREATE", message_event_json(world, message), message.channel)
    world.notify_changed(message)
    add_previews_later(world, message)
    archive_later(world, message.channel)


def edit(world: World, message: Message, body: RequestBody) -> None:
    """Edit a message as PATCH does; raise ApiError, without a change, if it is invalid."""
    if message.flags & MessageFlags.VOICE_MESSAGE:
        raise ApiError(400, 50162, "Voice messages cannot be edited", violation=True)
    if message.poll:
        raise ApiError(400, 520003, "Cannot edit a poll message", violation=True)
    was_loading = message.loading
    _apply(world, message, body)
    message.flags &= ~MessageFlags.LOADING
    if not was_loading:
        message.edited_at = world.clock.now()
    _record_edit(world, message)
    _notify_edited(world, message)


def set_flags(world: World, message: Message, body: RequestBody) -> None:
    """Set the flags of another user's message, which is not an edit of it."""
    message.flags = new_flags(message, body.payload)
    _notify_edited(world, message)


def _notify_edited(world: World, message: Message) -> None:
    if not message.ephemeral:
        world.emit("MESSAGE_UPDATE", message_event_json(world, message), message.channel)
    world.notify_changed(message)
    add_previews_later(world, message)


def delete(world: World, message: Message) -> None:
    """Delete a message and its files."""
    message.deleted = True
    world.delete_files(message.files)
    world.messages.pop(message.id, None)
    if not message.ephemeral:
        event: Json = {"id": str(message.id), "channel_id": str(message.channel.id)}
        if message.channel.guild:
            event["guild_id"] = str(message.channel.guild.id)
        world.emit("MESSAGE_DELETE", event, message.channel)
    world.notify_changed(message)


def delete_all(world: World, channel: Channel, messages: list[Message]) -> None:
    """Delete messages of a channel with one event."""
    for message in messages:
        message.deleted = True
        world.delete_files(message.files)
        del world.messages[message.id]
    if messages and channel.guild:
        ids = [str(message.id) for message in messages]
        event = {"channel_id": str(channel.id), "guild_id": str(channel.guild.id)}
        world.emit("MESSAGE_DELETE_BULK", event | {"ids": ids}, channel)
    for message in messages:
        world.notify_changed(message)


def _apply(world: World, message: Message, body: RequestBody) -> None:
    draft = _draft(message, body)
    check_draft(draft)
    default_types = {"users"} if message.interaction_metadata else MENTION_TYPES
    components = walk_components(draft.components)
    text = " ".join([draft.content, *(c.get("content") or "" for c in components)])
    if _is_blocked(world, message, text):
        raise blocked_by_automod()
    is_reply = message.type is MessageType.REPLY and not message.interaction_metadata
    reference = message.reference if is_reply else None
    message.mentions = MentionParser(world.users, message.channel, message.author).parse(
        text,
        body.payload.get("allowed_mentions"),
        default=default_types,
        reply_to=reference.author if reference else None,
    )
    message.pings |= message.mentions.names
    if draft.content != message.content:
        message.previews = []
    message.content = draft.content
    message.embeds = [embed | {"type": "rich"} for embed in draft.embeds]
    message.components = with_component_ids(draft.components)
    message.flags = draft.flags
    message.shared_client_theme = draft.shared_client_theme
    message.poll = new_poll(draft.poll, world.clock.now()) if draft.poll else None
    world.delete_files([a for a in message.attachments if a not in draft.attachments])
    new_attachments = [_store(world, message, upload) for upload in draft.uploads]
    message.attachments = draft.attachments + new_attachments


def _is_blocked(world: World, message: Message, text: str) -> bool:
    """Return whether AutoMod blocks a public message of a guild."""
    is_moderated = message.channel.guild is not None and not message.ephemeral
    return is_moderated and bool(world.blocked_word) and world.blocked_word in text.lower()


def _store(world: World, message: Message, upload: Upload) -> Attachment:
    return world.cdn.store(
        upload,
        attachment_id=world.snowflakes.new(),
        channel_id=message.channel.id,
        ephemeral=message.ephemeral,
    )


def _draft(message: Message, body: RequestBody) -> Draft:
    payload = body.payload
    has_no_content_yet = message.loading or not message.edits
    theme = payload.get("shared_client_theme") if has_no_content_yet else None
    attachments, uploads = _files(message, body)
    return Draft(
        content=payload.get("content", message.content) or "",
        embeds=payload.get("embeds", message.embeds) or [],
        components=payload.get("components", message.components) or [],
        flags=new_flags(message, payload),
        has_legacy_components=_unsets_v2(payload),
        attachments=attachments,
        uploads=uploads,
        poll=payload.get("poll") if has_no_content_yet else None,
        shared_client_theme=theme or message.shared_client_theme,
        has_snapshot=message.snapshot is not None,
        path=body.path,
    )


def _unsets_v2(payload: Json) -> bool:
    has_values = payload.get("components") is not None and payload.get("flags") is not None
    return has_values and not _payload_flags(payload) & MessageFlags.COMPONENTS_V2


def _payload_flags(payload: Json) -> MessageFlags:
    return MessageFlags(payload.get("flags") or 0)


def new_flags(message: Message, payload: Json) -> MessageFlags:
    """Return the new flags; of those that are set, only SUPPRESS_EMBEDS can be unset."""
    if payload.get("flags") is None:
        return message.flags
    flags = message.flags & ~MessageFlags.SUPPRESS_EMBEDS
    return flags | (_payload_flags(payload) & SETTABLE_FLAGS)


def _files(message: Message, body: RequestBody) -> tuple[list[Attachment], list[Upload]]:
    """Return the attachments that stay and the files to add.

    If the request has `attachments`, the list must name every file of the request, and other
    attachments of the message are removed.
    """
    if body.payload.get("attachments") is None:
        return message.attachments, list(body.files.values())
    old_attachments = {attachment.id: attachment for attachment in message.attachments}
    remaining_files = dict(body.files)
    attachments: list[Attachment] = []
    uploads: list[Upload] = []
    for index, entry in enumerate(body.payload["attachments"]):
        file_id = int(entry["id"])
        if file_id in old_attachments:
            attachments.append(old_attachments[file_id])
        elif file_id in remaining_files:
            uploads.append(_with_metadata(remaining_files.pop(file_id), entry))
        else:
            path = (*body.path, "attachments", index)
            raise invalid(path, "ATTACHMENT_NOT_FOUND", "Attachment data not found")
    if remaining_files:
        sentence = f"files[{min(remaining_files)}] is not listed in attachments"
        raise invalid((*body.path, "attachments"), "ATTACHMENT_NOT_LISTED", sentence)
    return attachments, uploads


def _with_metadata(upload: Upload, entry: Json) -> Upload:
    return replace(
        upload,
        filename=entry.get("filename") or upload.filename,
        description=entry.get("description"),
        spoiler=bool(entry.get("is_spoiler")),
        duration_secs=entry.get("duration_secs"),
        waveform=entry.get("waveform"),
    )


def _record_edit(world: World, message: Message) -> None:
    names = tuple(attachment.filename for attachment in message.attachments)
    message.edits.append(Edit(world.clock.now(), message.content, names))
