"""What a user looks for among their own finished jobs; pure."""

import hashlib
import unicodedata
from typing import Final

import msgspec

from bot.domain.job import Job
from bot.domain.picture import Picture

PAGE_SIZE: Final = 6
"""Jobs of a page."""
MAX_WORDS: Final = 48
"""Characters to search for: they are part of a custom id, which has at most 100."""
FAR_FUTURE: Final = 1e11
"""Seconds since 1970."""


class HistoryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs are looked for."""

    words: str = ""
    """All of them are in the prompts, in any order; also parts of words."""
    model: str = ""
    """Its whole name; empty for all models."""
    since: float = 0.0
    """Seconds since 1970; inclusive."""
    until: float = FAR_FUTURE
    """Exclusive."""


class HistoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the matching jobs, newest first."""

    jobs: tuple[Job, ...]
    number: int
    """Counted from 0."""
    count: int
    """Of all matching jobs."""

    @property
    def pages(self) -> int:
        """How many there are."""
        return -(-self.count // PAGE_SIZE)


class HistoryEntry(msgspec.Struct, frozen=True):
    """A job and its pictures, as a channel may see them."""

    job: Job
    pictures: tuple[Picture, ...]


def searchable(text: str) -> str:
    """The text as it is compared: compatibility forms and case make no difference."""
    return unicodedata.normalize("NFKC", text).casefold()


def model_key(name: str) -> str:
    """A short name of a model for custom ids; empty for no model."""
    return hashlib.sha256(name.encode()).hexdigest()[:8] if name else ""
