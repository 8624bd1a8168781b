"""A finished recipe, and its name."""

import msgspec

from engine.contract import Recipe, Verdict


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A finished recipe."""

    id: str
    job_id: str
    nth: int
    """1 to 4, in reading order."""
    recipe: Recipe
    sha256: str | None
    path: str | None
    """Of the PNG, relative to the data folder; None if it was blocked, or could not be painted."""
    is_withheld: bool
    """The safety check flagged it, or could not be made, and there is no file."""
    is_flagged_but_kept: bool = False
    """The safety check flagged it, and there is a file, for places where it may be shown."""
    verdicts: tuple[Verdict, ...] = ()
    """Of each checker; none if it failed, or was painted before they were kept."""
    failure_reason: str | None = None
    """Why it could not be painted, though its siblings could."""
    is_removed: bool = False
    """Did moderators remove it?"""
    fingerprint: str
    """The software and hardware that painted it."""

    @property
    def unavailable_reason(self) -> str | None:
        """Why there is nothing to show, in few words; None if there is."""
        if self.is_removed:
            return "removed by moderators"
        if self.failure_reason is not None:
            return "could not be painted"
        return "withheld by the safety check" if self.is_withheld else None


def picture_id(job: str, nth: int) -> str:
    """The name of the nth picture (from 1) of a job."""
    return f"{job}-{nth}"


def job_id_of(picture: str) -> str:
    """The job of the picture of this name."""
    return picture.rpartition("-")[0]
