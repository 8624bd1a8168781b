"""Pictures as a channel may see them; pure."""

from collections.abc import Iterable

import msgspec

from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture


class VisiblePictures(msgspec.Struct, frozen=True):
    """Pictures of which those that the channel may not see have no file."""

    pictures: tuple[Picture, ...]
    needs_spoiler: bool
    """Whether one of them must be uploaded as a spoiler."""


def visible_in(pictures: Iterable[Picture], policy: NsfwPolicy) -> VisiblePictures:
    """The pictures as visible under this policy."""
    visible = tuple(_redact(picture, policy) for picture in pictures)
    is_flagged = any(picture.is_flagged_but_kept for picture in visible)
    return VisiblePictures(visible, is_flagged and policy is not NsfwPolicy.ALLOW)


def _redact(picture: Picture, policy: NsfwPolicy) -> Picture:
    if not picture.is_flagged_but_kept or policy in (NsfwPolicy.SPOILER, NsfwPolicy.ALLOW):
        return picture
    return msgspec.structs.replace(picture, path=None, is_withheld=True, is_flagged_but_kept=False)
