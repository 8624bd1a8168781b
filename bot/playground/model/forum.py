"""Tags of forum and media channels, and what can be set for channels and threads.

https://docs.discord.com/developers/resources/channel
"""

from dataclasses import dataclass
from enum import IntFlag

TAGS_LIMIT = 20  # in a channel
APPLIED_TAGS_LIMIT = 5  # of a post


class ChannelFlags(IntFlag):
    """Flags of channels and threads."""

    PINNED = 1 << 1
    REQUIRE_TAG = 1 << 4
    HIDE_MEDIA_DOWNLOAD_OPTIONS = 1 << 15


NO_CHANNEL_FLAGS = ChannelFlags(0)


@dataclass(frozen=True)
class ForumTag:
    """A tag for posts. A moderated one can be applied only by those who manage threads."""

    id: int
    name: str
    moderated: bool = False
    emoji_id: str | None = None
    emoji_name: str | None = None
