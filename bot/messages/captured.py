"""The film or strip of a result: the file that its job was made for, in place of its picture."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from bot.db.artifacts import ArtifactStore
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain.artifact import Artifact
from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.domain.plan import REPAINTED
from bot.domain.visibility import VisiblePictures
from bot.i18n import N_, _, from_english
from bot.messages import alt_texts, picture_files
from bot.messages.message_content import OutgoingFile
from bot.messages.picture_files import recorded_image
from bot.storage import FileMissing, FileStorage
from engine.contract import ArtifactRole, pixels_sha256
from engine.contract.metadata import with_metadata

NAMES: Final = {ArtifactRole.FILM: N_("film"), ArtifactRole.STRIP: N_("strip of steps")}
DIFFERS: Final = N_(
    "Painted again, this picture has other pixels than the recorded one: the "
    "software or the hardware has changed."
)
_SUFFIXES: Final = {"video/mp4": "mp4", "image/png": "png"}


class Captured(msgspec.Struct, frozen=True):
    """What is shown of the artifact of a job."""

    file: OutgoingFile | None = None
    """None if there is nothing to show of it."""
    notes: tuple[str, ...] = ()
    """Sentences for everybody."""


class CapturedFiles:
    """Finds the artifact that a job was made for: a film, or a strip of steps."""

    def __init__(
        self,
        artifacts: ArtifactStore,
        jobs: JobStore,
        lineage: LineageStore,
        storage: FileStorage,
    ) -> None:
        self._artifacts = artifacts
        self._jobs = jobs
        self._lineage = lineage
        self._storage = storage

    async def with_flags(self, job: Job, pictures: Sequence[Picture]) -> list[Picture]:
        """The pictures of a job, flagged also if only their artifact is flagged."""
        if role_of(job) is None:
            return list(pictures)
        artifacts = await self._artifacts.of_job(job.id)
        flagged = {item.nth for item in artifacts if item.is_flagged and item.path is not None}
        return [
            msgspec.structs.replace(picture, is_flagged_but_kept=True)
            if picture.nth in flagged and picture.path is not None
            else picture
            for picture in pictures
        ]

    async def find(self, job: Job, visible: VisiblePictures, limit: int) -> Captured:
        """What is shown in a channel where the pictures are visible like this, and where a file
        may have so many bytes."""
        role = role_of(job)
        if role is None:
            return Captured()
        picture = visible.pictures[0]
        if picture.unavailable_reason is not None:
            return Captured()  # the text says why
        artifact = await self._artifacts.find(job.id, picture.nth, role)
        notes = await self._notes(job, picture)
        try:
            data = await asyncio.to_thread(self._read, artifact, role, limit)
        except FileMissing as error:
            return Captured(None, (str(error), *notes))
        suffix = _SUFFIXES[artifact.media_type] if artifact else ""
        if suffix == "png":
            is_flow = await asyncio.to_thread(picture_files.has_flow_model, self._storage, picture)
            data = with_metadata(data, [picture.recipe], is_flow=is_flow)
        alt_text = alt_texts.of_pictures([picture], NAMES[role].capitalize())
        file = OutgoingFile(f"{job.id}.{suffix}", data, alt_text, visible.needs_spoiler)
        return Captured(file, notes)

    def _read(self, artifact: Artifact | None, role: ArtifactRole, limit: int) -> bytes:
        """Raises FileMissing, with a sentence for everybody."""
        name = NAMES[role]
        if artifact is None or artifact.is_removed:
            raise FileMissing(
                _("The {name} could not be made, so here is the picture.").format(name=name)
            )
        if artifact.failure_reason is not None:
            raise FileMissing(
                _("The {name} could not be made, so here is the picture. {reason}").format(
                    name=name, reason=from_english(artifact.failure_reason)
                )
            )
        if artifact.path is None:
            raise FileMissing(_("The {name} was withheld by the safety check.").format(name=name))
        data = self._storage.artifact(artifact.path)
        if len(data) > limit:
            raise FileMissing(
                _("The {name} is larger than the files that I may send here.").format(name=name)
            )
        return data

    async def _notes(self, job: Job, picture: Picture) -> tuple[str, ...]:
        """Says so if a picture that was painted again differs from the recorded one."""
        for edge in await self._lineage.edges(job.id):
            if edge.child == picture.nth and edge.relation in REPAINTED:
                parent = await self._jobs.picture(edge.parent)
                if parent is not None and parent.recipe != parent.recipe.recipe:
                    return ()  # the film of an enlargement ends with what was enlarged
                recorded = await asyncio.to_thread(self._pixels, parent)
                is_equal = recorded is None or recorded == picture.sha256
                return () if is_equal else (_(DIFFERS),)
        return ()

    def _pixels(self, picture: Picture | None) -> str | None:
        """The digest of the pixels of a picture; None if neither it nor the file is recorded."""
        if picture is None or picture.sha256 is not None or picture.path is None:
            return None if picture is None else picture.sha256
        try:
            return pixels_sha256(recorded_image(self._storage, picture))
        except FileMissing:
            return None


def role_of(job: Job) -> ArtifactRole | None:
    """The role of the artifact that the job was made for; None for a job of pictures."""
    if job.plan.capture.film:
        return ArtifactRole.FILM
    return ArtifactRole.STRIP if job.plan.capture.strip else None
