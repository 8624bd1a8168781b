"""Pictures: the results of recipes."""

import msgspec

from bot.i18n import _
from engine.contract import Omission, Verdict, Work


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one recipe."""

    id: str
    job_id: str
    nth: int
    """1-based index, in reading order."""
    recipe: Work
    sha256: str | None
    """Of the pixels, as `pixels_sha256` computes it; None if it could not be painted, or predates
    this digest."""
    file_sha256: str | None = None
    """Of the PNG; None if there is no file."""
    path: str | None
    """Of the PNG, relative to the data folder; None if it is withheld or could not be painted."""
    is_withheld: bool
    """The safety check flagged it or failed, and there is no file."""
    is_flagged_but_kept: bool = False
    """The safety check flagged it, and there is a file for channels that may show it."""
    verdicts: tuple[Verdict, ...] = ()
    """Of each safety checker; empty if the check failed or the picture predates stored verdicts."""
    failure_reason: str | None = None
    """Why this picture of the job could not be painted."""
    is_removed: bool = False
    """Whether moderators removed it."""
    omission: Omission | None = None
    """What the model did not read of its prompts; None if it read all of them."""
    fingerprint: str
    """The software and hardware that painted it."""
    differs_on: str | None = None
    """The software and hardware that paints other pixels than the recorded ones, as it turned out
    when the file was gone; None if nothing is known."""

    @property
    def unavailable_reason(self) -> str | None:
        """Why there is no file to show; None if there is one."""
        if self.is_removed:
            return _("removed by moderators")
        if self.failure_reason is not None:
            return _("could not be painted")
        return _("withheld by the safety check") if self.is_withheld else None


def picture_id(job: str, nth: int) -> str:
    """The id of the nth picture (from 1) of a job."""
    return f"{job}-{nth}"


def job_id_of(picture: str) -> str:
    """The id of the picture's job."""
    return picture.rpartition("-")[0]
