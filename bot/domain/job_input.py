"""The pictures that a request brings along: attachments, and earlier pictures; pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from bot.i18n import N_
from engine.contract.images.fit import Fit

PENDING_IMAGE: Final = "0" * 64
"""The digest in recipes of a sketch that was not fetched yet."""
_PENDING: Final = "pending:"
_PICTURE: Final = "picture:"
_CELLS: Final = "cells:"


class InputRole(StrEnum):
    """What an input image is used for. Its name is stored."""

    SKETCH = N_("sketch")
    """It is painted over, and determines the size."""
    CONTROL = "control"
    """Its lines are followed, and it determines the size."""
    PICTURE = "picture"
    """It is edited, or a part of it is painted again, and it determines the size."""
    MASK = "mask"
    """Where to paint: its transparent parts, or the white ones if it is opaque."""
    ALPHA = "alpha"
    """The mask of a picture that is an input too: its transparent parts, of which it must have
    some."""
    STYLE = "style"
    """A reference for the style."""
    LIKE = "like"
    """A reference for content and style."""
    BLEND = "blend"
    """One of the pictures that are mixed."""

    @property
    def is_mask(self) -> bool:
        """Whether it says where to paint."""
        return self in (InputRole.MASK, InputRole.ALPHA)

    @property
    def has_size(self) -> bool:
        """Whether it determines the size of the pictures."""
        return self in (InputRole.SKETCH, InputRole.CONTROL, InputRole.PICTURE)


class PlanInput(msgspec.Struct, frozen=True, kw_only=True):
    """An image that is fetched and sanitized after the first response."""

    role: InputRole
    url: str
    """The address of an attachment, `picture_url` of an earlier picture, or `cells_url` of a mask
    that is drawn. Inputs of one address are fetched once."""
    nth: int = 1
    """Its number among the inputs of its role in a plan."""
    keep_size: bool = False
    """The user chose the size of the pictures, so the image does not determine it."""
    fit: Fit = Fit.COVER
    """How it is brought to the size of the pictures."""

    @property
    def placeholder(self) -> str:
        """What recipes name until it is fetched."""
        return pending_image(self.role, self.nth)

    @property
    def noun(self) -> str:
        """What it is, in English sentences to users, which are translated when they are shown."""
        name = _NOUNS.get(self.role, _PICTURE_NOUN)
        return name if self.nth == 1 and self.role is not InputRole.BLEND else f"{name} {self.nth}"

    @property
    def picture_id(self) -> str | None:
        """The id of an earlier picture; None for an attachment."""
        return self.url.removeprefix(_PICTURE) if self.url.startswith(_PICTURE) else None

    @property
    def cells(self) -> frozenset[int]:
        """The parts of the picture that a drawn mask covers; none for all other inputs."""
        digits = self.url.removeprefix(_CELLS) if self.url.startswith(_CELLS) else ""
        return frozenset(int(digit) for digit in digits)


_PICTURE_NOUN: Final = N_("picture")
_NOUNS: Final = {
    InputRole.SKETCH: N_("sketch"),
    InputRole.CONTROL: N_("sketch"),
    InputRole.MASK: N_("mask"),
    InputRole.STYLE: N_("style picture"),
    InputRole.LIKE: N_("reference picture"),
}


def pending_image(role: InputRole, nth: int = 1) -> str:
    """What recipes name, in place of the digest, until the nth input of this role is fetched."""
    return PENDING_IMAGE if (role, nth) == (InputRole.SKETCH, 1) else f"{_PENDING}{role}:{nth}"


def is_pending(image: str) -> bool:
    """Whether this is the placeholder of an input that was not fetched yet."""
    return image == PENDING_IMAGE or image.startswith(_PENDING)


def picture_url(picture_id: str) -> str:
    """The address of an earlier picture as an input."""
    return f"{_PICTURE}{picture_id}"


def cells_url(cells: Iterable[int]) -> str:
    """The address of a mask of these parts of a picture, numbered from 0 to 8 in reading order."""
    return f"{_CELLS}{''.join(str(cell) for cell in sorted(cells))}"
