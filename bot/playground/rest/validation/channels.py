"""Fields of channels, threads and tags that requests set.

https://docs.discord.com/developers/resources/channel#modify-channel
"""

from bot.playground.errors import ApiError, Json
from bot.playground.model.forum import APPLIED_TAGS_LIMIT, TAGS_LIMIT
from bot.playground.rest.validation.fields import (
    Boolean,
    Choice,
    Field,
    Integer,
    ListOf,
    Model,
    Required,
    Snowflake,
    Text,
)

SLOWMODE = Integer(0, 21_600)
ARCHIVE_MINUTES = Choice((60, 1440, 4320, 10080))
APPLIED_TAGS = ListOf(Snowflake(), APPLIED_TAGS_LIMIT, unique=True)
TAG = Model(
    {
        "id": Snowflake(),
        "name": Required(Text(20, 1)),
        "moderated": Boolean(),
        "emoji_id": Snowflake(),
        "emoji_name": Text(100),
    }
)
SETTINGS: dict[str, Field] = {
    "topic": Text(4096),
    "rate_limit_per_user": SLOWMODE,
    "default_thread_rate_limit_per_user": SLOWMODE,
    "default_auto_archive_duration": ARCHIVE_MINUTES,
    "default_reaction_emoji": Model({"emoji_id": Snowflake(), "emoji_name": Text(100)}, nulls=True),
    "default_sort_order": Choice((0, 1)),
    "default_forum_layout": Choice((0, 1, 2)),
}
"""Fields of channels that the local Discord only stores."""
CHANNEL = Model(
    {
        "name": Text(100, 1),
        "nsfw": Boolean(),
        "flags": Integer(0),
        "available_tags": ListOf(TAG, TAGS_LIMIT),
        **SETTINGS,
    }
)
THREAD_SETTINGS: dict[str, Field] = {
    "auto_archive_duration": ARCHIVE_MINUTES,
    "rate_limit_per_user": SLOWMODE,
    "invitable": Boolean(),
}
THREAD = Model(
    {
        "name": Text(100, 1),
        "archived": Boolean(),
        "locked": Boolean(),
        "flags": Integer(0),
        "applied_tags": APPLIED_TAGS,
        **THREAD_SETTINGS,
    }
)
POST = Model(
    {
        "name": Required(Text(100, 1)),
        "applied_tags": APPLIED_TAGS,
        "message": Required(Model({})),
        **THREAD_SETTINGS,
    }
)


def check_tag_names(tags: list[Json]) -> None:
    """Raise ApiError if two tags have the same name."""
    if len({tag["name"] for tag in tags}) < len(tags):
        raise ApiError(400, 40061, "Tag names must be unique", violation=True)
