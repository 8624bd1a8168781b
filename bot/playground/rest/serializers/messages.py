"""Messages and their attachments as JSON of API version 10."""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment, dimensions
from bot.playground.model.guild import (
    User,
)
from bot.playground.model.messages import InteractionMetadata, Message, MessageFlags, MessageType
from bot.playground.rest.serializers.channels import channel_json
from bot.playground.rest.serializers.components import component_json, embed_json
from bot.playground.rest.serializers.polls import poll_json
from bot.playground.rest.serializers.users import user_json

IS_SPOILER = 1 << 3  # attachment flag
REPLY, FORWARD = 0, 1  # types of references
SNAPSHOT_FIELDS = (
    *("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp", "flags"),
    *("mentions", "mention_roles", "components"),
)


def attachment_json(attachment: Attachment) -> Json:
    """Return an attachment object with a newly signed URL."""
    url = attachment.url
    result: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.data),
        "url": url,
        "proxy_url": url,
    }
    if attachment.content_type:
        result["content_type"] = attachment.content_type
    if size := dimensions(attachment):
        result["width"], result["height"] = size
    if attachment.description is not None:
        result["description"] = attachment.description
    for key in ("duration_secs", "waveform"):
        if (value := getattr(attachment, key)) is not None:
            result[key] = value
    if attachment.spoiler:
        result["flags"] = IS_SPOILER
    if attachment.ephemeral:
        result["ephemeral"] = True
    return result


def emoji_json(emoji: str) -> Json:
    """Return a Unicode emoji object."""
    return {"id": None, "name": emoji}


def reactions_json(message: Message, reader: User) -> list[Json]:
    """Return the reactions of a message; `me` marks those of `reader`."""
    return [
        {
            "emoji": emoji_json(emoji),
            "count": len(users),
            "count_details": {"burst": 0, "normal": len(users)},
            "burst_colors": [],
            "me_burst": False,
            "me": reader in users,
        }
        for emoji, users in message.reactions.items()
    ]


def interaction_metadata_json(metadata: InteractionMetadata) -> Json:
    """Return the `interaction_metadata` of a message."""
    result: Json = {
        "id": str(metadata.interaction_id),
        "type": metadata.type,
        "user": user_json(metadata.user),
        "authorizing_integration_owners": metadata.owners,
    }
    if metadata.target_user is not None:
        result["target_user"] = user_json(metadata.target_user)
    if metadata.target_message_id is not None:
        result["target_message_id"] = str(metadata.target_message_id)
    if metadata.response_id is not None:
        result["original_response_message_id"] = str(metadata.response_id)
    if metadata.trigger is not None:
        result["triggering_interaction_metadata"] = interaction_metadata_json(metadata.trigger)
    elif metadata.component_message_id is not None:
        result["interacted_message_id"] = str(metadata.component_message_id)
    return result


def message_json(message: Message, bot: User) -> Json:
    """Return a message object as the bot sees it, with the message that it replies to."""
    result = response_json(message, bot)
    if message.reference and message.type is MessageType.REPLY:
        referenced = message.reference
        result["referenced_message"] = (
            None if referenced.deleted else basic_message_json(referenced, bot)
        )
    return result


def response_json(message: Message, bot: User) -> Json:
    """Return a message object as webhook routes do: they do not fetch the message of a reply."""
    result = basic_message_json(message, bot)
    if message.reactions:
        result["reactions"] = reactions_json(message, bot)
    return result


def basic_message_json(message: Message, bot: User) -> Json:
    """Return a message object without reactions and the message that it replies to."""
    result: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": int(message.type),
        "author": user_json(message.author),
        "content": message.content,
        "timestamp": iso(message.created_at),
        "edited_timestamp": iso(message.edited_at) if message.edited_at else None,
        "tts": False,
        "pinned": message.pinned_at is not None,
        "mention_everyone": message.mentions.everyone,
        "mentions": [user_json(user) for user in message.mentions.users],
        "mention_roles": [str(role.id) for role in message.mentions.roles],
        "attachments": [attachment_json(a) for a in message.attachments],
        "embeds": embeds_json(message),
        "components": [component_json(part, message.attachments) for part in message.components],
        "flags": int(message.flags),
    }
    if message.nonce is not None:
        result["nonce"] = message.nonce
    if message.author.bot:
        result["application_id"] = str(bot.id)
    return result | _origin_json(message, bot) | _extras_json(message, bot)


def _origin_json(message: Message, bot: User) -> Json:
    """Return the fields about what the message was created by, and what it refers to."""
    result: Json = {}
    if message.author.is_webhook:
        result["webhook_id"] = str(message.author.id)
    if message.interaction_metadata:
        result["webhook_id"] = str(bot.id)
        result["interaction_metadata"] = interaction_metadata_json(message.interaction_metadata)
    if message.reference:
        result["message_reference"] = reference_json(message.reference) | {
            "type": FORWARD if message.snapshot else REPLY
        }
    return result


def _extras_json(message: Message, bot: User) -> Json:
    """Return the fields that few messages have."""
    result: Json = {}
    if message.shared_client_theme:
        result["shared_client_theme"] = {"base_theme": 0} | message.shared_client_theme
    if message.poll:
        result["poll"] = poll_json(message.poll, bot)
    if message.snapshot:
        result["message_snapshots"] = [snapshot_json(message.snapshot, bot)]
    if message.flags & MessageFlags.HAS_THREAD and message.channel.guild:
        threads = (c for c in message.channel.guild.channels if c.id == message.id)
        for thread in threads:
            result["thread"] = channel_json(thread)
    return result


def snapshot_json(message: Message, bot: User) -> Json:
    """Return the copy of a forwarded message, which does not say who has written it."""
    content = basic_message_json(message, bot)
    return {"message": {name: content[name] for name in SNAPSHOT_FIELDS}}


def embeds_json(message: Message) -> list[Json]:
    """Return the embeds of a message, and the previews of its links unless they are suppressed."""
    embeds = [embed_json(embed, message.attachments) for embed in message.embeds]
    is_suppressed = MessageFlags.SUPPRESS_EMBEDS in message.flags
    return embeds if is_suppressed else embeds + message.previews


def reference_json(message: Message) -> Json:
    """Return a `message_reference` to a message, without its type."""
    result: Json = {"channel_id": str(message.channel.id), "message_id": str(message.id)}
    if message.channel.guild:
        result["guild_id"] = str(message.channel.guild.id)
    return result
