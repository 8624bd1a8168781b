"""Forwards: messages with a copy of another message instead of own content.

https://docs.discord.com/developers/resources/message#message-reference-types
"""

from dataclasses import replace

from bot.playground.errors import ApiError, Json, unknown_message
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.guild import Channel
from bot.playground.model.messages import Message, MessageFlags, MessageType
from bot.playground.model.state import World
from bot.playground.rest import message_writer
from bot.playground.rest.lookup import find_channel_by_id
from bot.playground.rest.message_writer import MessageTarget
from bot.playground.rest.request_body import RequestBody
from bot.playground.rest.serializers.message_content import can_read_content
from bot.playground.rest.serializers.messages import FORWARD
from bot.playground.rest.validation.messages import check_forward

FORWARDABLE = frozenset(
    {
        MessageType.DEFAULT,
        MessageType.REPLY,
        MessageType.CHAT_INPUT_COMMAND,
        MessageType.CONTEXT_MENU_COMMAND,
    }
)


def is_forward(payload: Json) -> bool:
    """Return whether the message to create refers to a message to forward."""
    return (payload.get("message_reference") or {}).get("type") == FORWARD


def create(world: World, body: RequestBody, target: MessageTarget) -> Message:
    """Create the forward that the bot requests; raise ApiError if it may not."""
    check_forward(body.payload, body.files)
    source = _source(world, body.payload["message_reference"])
    message = _new_forward(world, source, target)
    message.flags |= message_writer.new_flags(message, body.payload)
    message.nonce = body.payload.get("nonce")
    message_writer.publish(world, message)
    return message


def forward(world: World, source: Message, target: MessageTarget) -> Message:
    """Create a forward of a message that may be forwarded."""
    message = _new_forward(world, source, target)
    message_writer.publish(world, message)
    return message


def can_be_forwarded(message: Message) -> bool:
    """Whether it is a message that others can see, and neither of the system nor a poll."""
    return message.type in FORWARDABLE and message.poll is None and not message.ephemeral


def _source(world: World, reference: Json) -> Message:
    channel = find_channel_by_id(world, int(reference["channel_id"]))
    message = world.messages.get(int(reference["message_id"]))
    if message is None or message.channel is not channel or message.ephemeral:
        raise unknown_message()
    if not can_be_forwarded(message):
        raise ApiError(400, 50068, "Invalid message type", violation=True)
    if not can_read_content(world, message):
        sentence = "You cannot forward a message whose content you cannot read."
        raise ApiError(403, 160014, sentence)
    return message


def _new_forward(world: World, source: Message, target: MessageTarget) -> Message:
    """Return a forward that is not published yet. A forward of a forward has the same copy."""
    message = message_writer.new_message(world, replace(target, reference=source))
    original = source.snapshot or source
    attachments = [_copy(world, item, target.channel) for item in original.attachments]
    message.snapshot = replace(original, attachments=attachments)
    message.flags |= MessageFlags.HAS_SNAPSHOT
    return message


def _copy(world: World, attachment: Attachment, channel: Channel) -> Attachment:
    upload = Upload(
        attachment.filename,
        attachment.data,
        attachment.content_type,
        attachment.description,
        attachment.spoiler,
        attachment.duration_secs,
        attachment.waveform,
    )
    return world.cdn.store(
        upload, attachment_id=world.snowflakes.new(), channel_id=channel.id, ephemeral=False
    )
