"""The files that the engine needs for a job: sketches, and the pictures that it enlarges."""

import asyncio
from collections.abc import Sequence

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain import rules
from bot.domain.picture import Picture
from bot.domain.plan import Relation
from bot.errors import Refused
from bot.storage import FileStorage
from engine.contract import Recipe, Work, sha256

ENLARGING = frozenset({Relation.UPSCALE, Relation.DETAIL})


class InputFiles:
    """Reads files; writes nothing."""

    def __init__(self, jobs: JobStore, lineage: LineageStore, storage: FileStorage) -> None:
        self._jobs = jobs
        self._lineage = lineage
        self._storage = storage

    async def read(self, job_id: str, works: Sequence[Work]) -> dict[str, bytes]:
        """The input images of this work of a job, by their digests.

        Raises Refused if a picture that it enlarges is gone, FileMissing for any other file.
        """
        sketches = (image for work in works if isinstance(work, Recipe) for image in work.images)
        files = {
            name: await asyncio.to_thread(self._storage.source, name)
            for name in dict.fromkeys(sketches)
        }
        if all(isinstance(work, Recipe) for work in works):
            return files
        for edge in await retry_until_written(lambda: self._lineage.edges(job_id)):
            if edge.relation in ENLARGING:
                data = await self._picture_file(edge.parent)
                files[sha256(data)] = data
        return files

    async def _picture_file(self, picture_id: str) -> bytes:
        picture = await retry_until_written(lambda: self._jobs.picture(picture_id))
        return await self.picture_file(picture)

    async def picture_file(self, picture: Picture | None) -> bytes:
        """The file of a picture. Raises Refused if it is gone, or FileMissing."""
        if picture is None:
            raise Refused(rules.UNKNOWN_PICTURE)
        rules.check_viewable(picture)
        return await asyncio.to_thread(self._storage.picture, picture.path or "")
