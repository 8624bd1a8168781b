"""A job together with the input images that it names by their digests; needs no torch."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from engine.contract import Paint

NO_FILES: Final[Mapping[str, bytes]] = {}


class JobWithFiles(NamedTuple):
    """A job and its input images."""

    paint: Paint
    files: Mapping[str, bytes] = NO_FILES
    """By their digests."""
