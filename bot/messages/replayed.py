"""Whether a picture that was painted again has the pixels of the recorded one, and if not, why."""

import asyncio
from collections.abc import Sequence
from typing import Final

from PIL import Image

from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain.fingerprint import fingerprint_changes
from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.domain.plan import Relation
from bot.i18n import N_, _
from bot.messages.picture_files import recorded_image
from bot.messages.pixel_difference import PixelDifference, difference
from bot.storage import FileMissing, FileStorage
from engine.contract import pixels_sha256

_IDENTICAL: Final = N_("✅ Identical, to the bit.")
_GONE: Final = N_("The recorded picture is gone, so there is nothing to compare with.")
_SAME_MACHINE: Final = N_(
    "Software and hardware are the same, so this should not be. Please tell the "
    "operator of this bot."
)
_NOT_COMPARED: Final = N_(
    "The file of the recorded picture is gone, so the pixels are not compared."
)


class ReplayNotes:
    """Compares the pictures of replays with the recorded ones."""

    def __init__(self, jobs: JobStore, lineage: LineageStore, storage: FileStorage) -> None:
        self._jobs = jobs
        self._lineage = lineage
        self._storage = storage

    async def of(self, job: Job, pictures: Sequence[Picture]) -> list[str]:
        """Sentences about the picture of a replay, as a channel may see it; none for other jobs."""
        if not job.kind.compares_pixels or not pictures:
            return []
        picture = pictures[0]
        if picture.unavailable_reason is not None:
            return []
        edges = await self._lineage.edges(job.id)
        parents = [edge.parent for edge in edges if edge.relation is Relation.REPLAY]
        recorded = await self._jobs.picture(parents[0]) if parents else None
        if recorded is None:
            return [_(_GONE)]
        return await asyncio.to_thread(self._compare, recorded, picture)

    def _compare(self, recorded: Picture, picture: Picture) -> list[str]:
        old_image = None if recorded.sha256 == picture.sha256 else self._image(recorded)
        then = recorded.sha256 or (old_image and pixels_sha256(old_image))
        digests = [
            _("then `{sha256}`").format(sha256=then or _("not recorded")),
            _("now `{sha256}`").format(sha256=picture.sha256),
        ]
        if then is None:
            return [_(_GONE), *digests]
        if then == picture.sha256:
            return [_(_IDENTICAL), *digests]
        return [
            _how_far(old_image, self._image(picture)),
            *digests,
            _why(recorded.fingerprint, picture.fingerprint),
        ]

    def _image(self, picture: Picture) -> Image.Image | None:
        """None if the file is gone or damaged."""
        if picture.path is None:
            return None
        try:
            return recorded_image(self._storage, picture)
        except FileMissing:
            return None


def _how_far(recorded: Image.Image | None, painted: Image.Image | None) -> str:
    if recorded is None or painted is None:
        return _("❌ Not identical. {not_compared}").format(not_compared=_(_NOT_COMPARED))
    result: PixelDifference | None = difference(recorded, painted)
    if result is None:
        return _("❌ Not identical: it has another size.")
    share = 100 * result.pixels / result.total
    return _(
        "❌ Not identical: {pixels:,} of {total:,} pixels differ ({share:.2g} %), the "
        "largest difference is {largest} of 255."
    ).format(pixels=result.pixels, total=result.total, share=share, largest=result.largest)


def _why(then: str, now: str) -> str:
    """What has changed of the software and the hardware."""
    changes = fingerprint_changes(then, now)
    return (
        _("What changed since: {changes}.").format(changes="; ".join(changes))
        if changes
        else _(_SAME_MACHINE)
    )
