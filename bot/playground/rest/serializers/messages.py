"""The world as JSON, in the shapes of Discord's API version 10."""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment, dimensions
from bot.playground.model.guild import Channel, Guild, User
from bot.playground.model.permissions import EVERYONE
from bot.playground.model.snowflake import snowflake_time
from bot.playground.model.state import APPLICATION_ID, OWNER_ID, InteractionMetadata, Message
from bot.playground.rest.serializers.components import embed_json, shown

IS_SPOILER = 1 << 3  # attachment flag
GUILD_OWNER = "0"  # in `authorizing_integration_owners`: installed to a guild


def user_json(user: User) -> Json:
    """A user object."""
    return {
        "id": str(user.id),
        "username": user.name.lower().replace(" ", "_"),
        "global_name": None if user.bot else user.name,
        "discriminator": "0000" if user.bot else "0",
        "avatar": None,
        "bot": user.bot,
        "public_flags": 0,
        "flags": 0,
        "primary_guild": None,
    }


def attachment_json(attachment: Attachment) -> Json:
    """An attachment object with a freshly signed address."""
    url = attachment.url
    made: Json = {
        "id": str(attachment.id),
        "filename": attachment.filename,
        "size": len(attachment.data),
        "url": url,
        "proxy_url": url,
    }
    if attachment.content_type:
        made["content_type"] = attachment.content_type
    if size := dimensions(attachment):
        made["width"], made["height"] = size
    if attachment.description is not None:
        made["description"] = attachment.description
    if attachment.spoiler:
        made["flags"] = IS_SPOILER
    if attachment.ephemeral:
        made["ephemeral"] = True
    return made


def emoji_json(emoji: str) -> Json:
    """A unicode emoji."""
    return {"id": None, "name": emoji}


def reactions_json(message: Message, reader: User) -> list[Json]:
    """The reactions on a message, as one reader sees them."""
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


def origin_json(origin: InteractionMetadata) -> Json:
    """The `interaction_metadata` of a message."""
    made: Json = {
        "id": str(origin.interaction_id),
        "type": origin.kind,
        "user": user_json(origin.user),
        "authorizing_integration_owners": {
            GUILD_OWNER: str(origin.guild.id if origin.guild else 0)
        },
    }
    if origin.response_id is not None:
        made["original_response_message_id"] = str(origin.response_id)
    if origin.trigger is not None:
        made["triggering_interaction_metadata"] = origin_json(origin.trigger)
    elif origin.clicked_message_id is not None:
        made["interacted_message_id"] = str(origin.clicked_message_id)
    return made


def message_json(message: Message, bot: User) -> Json:
    """A message object, as the bot reads it."""
    made: Json = {
        "id": str(message.id),
        "channel_id": str(message.channel.id),
        "type": int(message.kind),
        "author": user_json(message.author),
        "content": message.content,
        "timestamp": iso(message.created_at),
        "edited_timestamp": iso(message.edited_at) if message.edited_at else None,
        "tts": False,
        "pinned": False,
        "mention_everyone": "everyone" in message.pings,
        "mentions": [user_json(user) for user in message.mentioned],
        "mention_roles": [],
        "attachments": [attachment_json(a) for a in message.attachments],
        "embeds": [embed_json(embed, message.attachments) for embed in message.embeds],
        "components": [shown(part, message.attachments) for part in message.components],
        "flags": int(message.flags),
    }
    if message.reactions:
        made["reactions"] = reactions_json(message, bot)
    if message.nonce is not None:
        made["nonce"] = message.nonce
    if message.author.bot:
        made["application_id"] = str(bot.id)
    if message.origin:
        made["webhook_id"] = str(bot.id)
        made["interaction_metadata"] = origin_json(message.origin)
    if message.reference:
        made["message_reference"] = reference_json(message.reference)
    return made


def reference_json(message: Message) -> Json:
    """A pointer to the message that another one answers."""
    made: Json = {"type": 0, "channel_id": str(message.channel.id), "message_id": str(message.id)}
    if message.channel.guild:
        made["guild_id"] = str(message.channel.guild.id)
    return made


def channel_json(channel: Channel) -> Json:
    """A channel object."""
    if channel.guild is None:
        recipients = [user_json(channel.recipient)] if channel.recipient else []
        return {
            "id": str(channel.id),
            "type": int(channel.kind),
            "flags": 0,
            "last_message_id": None,
            "recipients": recipients,
        }
    if channel.parent:
        return thread_json(channel, channel.guild, channel.parent)
    return {
        "id": str(channel.id),
        "type": int(channel.kind),
        "flags": 0,
        "last_message_id": None,
        "guild_id": str(channel.guild.id),
        "name": channel.name,
        "position": 0,
        "parent_id": None,
        "topic": None,
        "nsfw": channel.nsfw,
        "rate_limit_per_user": 0,
        "permission_overwrites": overwrites_json(channel),
    }


def thread_json(thread: Channel, guild: Guild, parent: Channel) -> Json:
    """A public thread. What it inherits, its age restriction too, clients look up at its parent."""
    started = iso(snowflake_time(thread.id))
    return {
        "id": str(thread.id),
        "type": int(thread.kind),
        "flags": 0,
        "last_message_id": None,
        "guild_id": str(guild.id),
        "name": thread.name,
        "parent_id": str(parent.id),
        "owner_id": str(thread.starter.id if thread.starter else OWNER_ID),
        "rate_limit_per_user": 0,
        "message_count": thread.posted,
        "member_count": 1,
        "total_message_sent": thread.posted,
        "thread_metadata": {
            "archived": False,
            "archive_timestamp": started,
            "auto_archive_duration": 1440,
            "locked": False,
            "create_timestamp": started,
        },
    }


def overwrites_json(channel: Channel) -> list[Json]:
    """What the bot may not do in this channel, as an overwrite for the bot alone."""
    denied = EVERYONE & ~channel.bot_permissions
    allowed = channel.bot_permissions & ~EVERYONE
    if not denied and not allowed:
        return []
    return [
        {
            "id": str(APPLICATION_ID),
            "type": 1,
            "allow": str(int(allowed)),
            "deny": str(int(denied)),
        }
    ]
