"""Pictures as the place where they are shown may see them; pure."""

from collections.abc import Iterable

import msgspec

from bot.domain.nsfw import Level
from bot.domain.picture import Picture


class Showing(msgspec.Struct, frozen=True):
    """Some pictures: those that may not be seen have no file. `showing` makes it."""

    pictures: tuple[Picture, ...]
    spoiler: bool
    """Some of them may only be uploaded as a spoiler."""


def showing(pictures: Iterable[Picture], level: Level) -> Showing:
    """These pictures where what the safety check flagged is treated so."""
    seen = tuple(_seen(picture, level) for picture in pictures)
    restricted = any(picture.restricted for picture in seen)
    return Showing(seen, restricted and level is not Level.ALLOW)


def _seen(picture: Picture, level: Level) -> Picture:
    if not picture.restricted or level in (Level.SPOILER, Level.ALLOW):
        return picture
    return msgspec.structs.replace(picture, path=None, blocked=True, restricted=False)
