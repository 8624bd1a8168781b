"""Artifacts: files that belong to a picture, or to a whole job, beside the picture itself."""

import msgspec

from engine.contract import ArtifactRole


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A file made of a picture."""

    job_id: str
    nth: int
    """The 1-based number of the picture; 0 for the whole job."""
    role: ArtifactRole
    media_type: str
    sha256: str | None
    """Of the file; None if there is none."""
    path: str | None
    """Relative to the data folder; None if it is withheld, or could not be made."""
    is_flagged: bool = False
    """The safety check flagged it. It is stored only for channels that may show it."""
    failure_reason: str | None = None
    """Why it could not be made, as a sentence for everybody."""
    is_removed: bool = False
    """Whether moderators removed it."""
