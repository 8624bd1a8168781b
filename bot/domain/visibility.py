"""Pictures as the place where they are shown may see them; pure."""

from collections.abc import Iterable

import msgspec

from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture


class VisiblePictures(msgspec.Struct, frozen=True):
    """Some pictures: those that may not be seen have no file. `showing` makes it."""

    pictures: tuple[Picture, ...]
    needs_spoiler: bool
    """Some of them may only be uploaded as a spoiler."""


def visible_in(pictures: Iterable[Picture], policy: NsfwPolicy) -> VisiblePictures:
    """These pictures where what the safety check flagged is treated so."""
    seen = tuple(_redact(picture, policy) for picture in pictures)
    restricted = any(picture.is_flagged_but_kept for picture in seen)
    return VisiblePictures(seen, restricted and policy is not NsfwPolicy.ALLOW)


def _redact(picture: Picture, policy: NsfwPolicy) -> Picture:
    if not picture.is_flagged_but_kept or policy in (NsfwPolicy.SPOILER, NsfwPolicy.ALLOW):
        return picture
    return msgspec.structs.replace(picture, path=None, is_withheld=True, is_flagged_but_kept=False)
