"""Channels and threads as JSON of API version 10."""

from bot.playground.clock import iso
from bot.playground.errors import Json
from bot.playground.model.forum import ForumTag
from bot.playground.model.guild import (
    POSTS_ONLY,
    WITHOUT_THREADS,
    Channel,
    ChannelType,
    Guild,
    User,
)
from bot.playground.model.snowflake import snowflake_time
from bot.playground.model.state import OWNER_ID
from bot.playground.rest.serializers.users import user_json

ROLE_OVERWRITE, MEMBER_OVERWRITE = 0, 1


def channel_json(channel: Channel) -> Json:
    """Return a channel or thread object."""
    result = _channel_json(channel)
    if channel.last_pin_at is not None:
        result["last_pin_timestamp"] = iso(channel.last_pin_at)
    return result


def _channel_json(channel: Channel) -> Json:
    if channel.guild is None:
        return private_channel_json(channel)
    if channel.parent:
        return thread_json(channel, channel.guild, channel.parent)
    return {
        "id": str(channel.id),
        "type": int(channel.type),
        "flags": int(channel.flags),
        "last_message_id": None,
        "guild_id": str(channel.guild.id),
        "name": channel.name,
        "position": 0,
        "parent_id": None,
        "topic": None,
        "nsfw": channel.nsfw,
        "rate_limit_per_user": 0,
        "permission_overwrites": overwrites_json(channel),
    } | (_type_fields(channel) | channel.settings)


def private_channel_json(channel: Channel) -> Json:
    """Return a DM channel or a group DM."""
    people = [channel.recipient] if channel.recipient else channel.people
    result: Json = {
        "id": str(channel.id),
        "type": int(channel.type),
        "flags": 0,
        "last_message_id": None,
        "recipients": [user_json(user) for user in people],
    }
    if channel.type is ChannelType.GROUP_DM:
        result |= {"name": None, "icon": None, "owner_id": str(channel.people[0].id)}
    return result


def _type_fields(channel: Channel) -> Json:
    """Return the fields that only channels of this type have."""
    if channel.kind in POSTS_ONLY:
        return {
            "available_tags": [tag_json(tag) for tag in channel.available_tags],
            "default_reaction_emoji": None,
            "default_sort_order": None,
            "default_forum_layout": 0,
        }
    if channel.kind in WITHOUT_THREADS:
        return {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
    return {}


def tag_json(tag: ForumTag) -> Json:
    """Return a tag of a forum or media channel."""
    return {
        "id": str(tag.id),
        "name": tag.name,
        "moderated": tag.moderated,
        "emoji_id": tag.emoji_id,
        "emoji_name": tag.emoji_name,
    }


def thread_json(thread: Channel, guild: Guild, parent: Channel) -> Json:
    """Return a thread object. Clients take `nsfw` and overwrites from the parent."""
    created_at = iso(snowflake_time(thread.id))
    tags = [str(tag_id) for tag_id in thread.applied_tag_ids]
    return {
        "id": str(thread.id),
        "type": int(thread.type),
        "flags": int(thread.flags),
        "last_message_id": None,
        "guild_id": str(guild.id),
        "name": thread.name,
        "parent_id": str(parent.id),
        "owner_id": str(thread.owner.id if thread.owner else OWNER_ID),
        "rate_limit_per_user": thread.slowmode,
        "message_count": thread.message_count,
        "member_count": len({*thread.thread_members, thread.owner}),
        "total_message_sent": thread.message_count,
        "thread_metadata": {
            "archived": thread.archived,
            "archive_timestamp": created_at,
            "auto_archive_duration": thread.archives_after,
            "locked": thread.locked,
            "create_timestamp": created_at,
        }
        | ({"invitable": thread.invitable} if thread.private else {}),
    } | ({"applied_tags": tags} if parent.kind in POSTS_ONLY else {})


def thread_member_json(thread: Channel, user: User) -> Json:
    """Return a thread member; the time at which it joined is not stored."""
    return {
        "id": str(thread.id),
        "user_id": str(user.id),
        "join_timestamp": iso(snowflake_time(thread.id)),
        "flags": 0,
    }


def overwrites_json(channel: Channel) -> list[Json]:
    """Return the permission overwrites of a channel."""
    return [
        {
            "id": str(target.id),
            "type": MEMBER_OVERWRITE if isinstance(target, User) else ROLE_OVERWRITE,
            "allow": str(int(overwrite.allow)),
            "deny": str(int(overwrite.deny)),
        }
        for target, overwrite in channel.overwrites.items()
    ]
