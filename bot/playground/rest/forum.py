"""Forum and media channels: their tags, and the tags and pins of their posts."""

from collections.abc import Iterable

from bot.playground.errors import ApiError, Json, missing_permissions, unknown
from bot.playground.model.forum import ChannelFlags, ForumTag
from bot.playground.model.guild import POSTS_ONLY, Channel, User
from bot.playground.model.permissions import Permission
from bot.playground.model.state import World


def set_available_tags(world: World, forum: Channel, tags: Iterable[Json]) -> None:
    """Replace the tags of a channel; those with an id keep it. Posts lose the others."""
    old_ids = {tag.id for tag in forum.available_tags}
    forum.available_tags = []
    for tag in tags:
        tag_id = int(tag.get("id", 0))
        new_tag = ForumTag(
            id=tag_id if tag_id in old_ids else world.snowflakes.new(),
            name=tag["name"],
            moderated=tag.get("moderated", False),
            emoji_id=tag.get("emoji_id"),
            emoji_name=tag.get("emoji_name"),
        )
        forum.available_tags.append(new_tag)
    tag_ids = {tag.id for tag in forum.available_tags}
    for thread in world.channels.values():
        if thread.parent is forum:
            thread.applied_tag_ids = [item for item in thread.applied_tag_ids if item in tag_ids]


def check_can_require_tags(forum: Channel) -> None:
    """Raise ApiError if a tag is required, but members may apply none."""
    is_required = ChannelFlags.REQUIRE_TAG in forum.flags
    if is_required and all(tag.moderated for tag in forum.available_tags):
        sentence = "There are no tags available that can be set by non-moderators"
        raise ApiError(400, 40066, sentence, violation=True)


def checked_tag_ids(
    forum: Channel, user: User, tag_ids: Iterable[int], old_ids: Iterable[int] = ()
) -> list[int]:
    """Return the tags that a user gives to a post; raise ApiError if that is not allowed."""
    new_ids, tags = list(tag_ids), {tag.id: tag for tag in forum.available_tags}
    if any(tag_id not in tags for tag_id in new_ids):
        raise unknown("Tag", 10087)
    changed = set(new_ids) ^ set(old_ids)
    is_moderated = any(tags[tag_id].moderated for tag_id in changed if tag_id in tags)
    if is_moderated and not forum.allows(user, Permission.MANAGE_THREADS):
        raise missing_permissions()
    if not new_ids and ChannelFlags.REQUIRE_TAG in forum.flags:
        raise ApiError(400, 40067, "A tag is required to create a forum post in this channel")
    return new_ids


def check_can_pin_post(world: World, thread: Channel) -> None:
    """Raise ApiError if another post of the channel is pinned."""
    pinned = [
        channel
        for channel in world.channels.values()
        if channel.parent is thread.parent and ChannelFlags.PINNED in channel.flags
    ]
    if pinned and pinned != [thread]:
        sentence = "Maximum number of pinned threads in a forum channel has been reached"
        raise ApiError(400, 30047, sentence)


def is_post(thread: Channel) -> bool:
    """Whether a thread is a post of a forum or media channel."""
    return thread.parent is not None and thread.parent.kind in POSTS_ONLY
