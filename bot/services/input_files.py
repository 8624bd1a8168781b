"""The files that the engine needs for a job: input images, and the pictures that it enlarges."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain import rules
from bot.domain.picture import Picture
from bot.domain.plan import Plan, Relation
from bot.errors import Refused
from bot.services.restoration import PictureRestorer
from bot.storage import FileMissing, FileStorage
from engine.contract import Recipe, Work, input_images, sha256

ENLARGING: Final = frozenset({Relation.UPSCALE, Relation.DETAIL})
INPUT_GONE: Final = (
    "A picture that this was painted from is gone from my data folder, so I cannot paint it again."
)
PICTURE_GONE: Final = "The picture's file is gone from my data folder, so I cannot enlarge it."


class InputFiles:
    """Reads files. With a restorer, a picture whose file is gone is painted again."""

    def __init__(
        self,
        jobs: JobStore,
        lineage: LineageStore,
        storage: FileStorage,
        restorer: PictureRestorer | None = None,
    ) -> None:
        self._jobs = jobs
        self._lineage = lineage
        self._storage = storage
        self._restorer = restorer

    async def read(self, job_id: str, works: Sequence[Work]) -> dict[str, bytes]:
        """The input images of this work of a job, by their digests.

        Raises Refused if a picture that it enlarges is gone, FileMissing for any other file.
        """
        images = (image for work in works for image in input_images(work))
        files = {
            name: await asyncio.to_thread(self._storage.source, name)
            for name in dict.fromkeys(images)
        }
        if all(isinstance(work, Recipe) for work in works):
            return files
        for edge in await retry_until_written(lambda: self._lineage.edges(job_id)):
            if edge.relation in ENLARGING:
                data = await self.picture_of_id(edge.parent)
                files[sha256(data)] = data
        return files

    async def fingerprint(self, job_id: str) -> str:
        """That of the first picture which a job was made from; empty if there is none."""
        for edge in await retry_until_written(lambda: self._lineage.edges(job_id)):
            parent = edge.parent
            picture = await retry_until_written(lambda: self._jobs.picture(parent))  # noqa: B023 # awaited at once
            return "" if picture is None else picture.fingerprint
        return ""

    async def check(self, plan: Plan) -> None:
        """Raise Refused, with a sentence for the user, if a stored file that a plan needs is gone.

        Inputs that are still to be fetched are not checked.
        """
        images = {image for work in plan.recipes for image in input_images(work)}
        for name in images - {plan_input.placeholder for plan_input in plan.inputs}:
            if not await asyncio.to_thread(self._storage.has_source, name):
                raise Refused(INPUT_GONE)
        for edge in plan.edges:
            if edge.relation in ENLARGING:
                picture = await self._jobs.picture(edge.parent)
                path = "" if picture is None else picture.path or ""
                is_stored = await asyncio.to_thread(self._storage.has_picture, path)
                if not is_stored and self._restorer is None:
                    raise Refused(PICTURE_GONE)

    async def picture_of_id(self, picture_id: str) -> bytes:
        """The file of the picture of this id. Raises Refused if it is gone, or FileMissing."""
        picture = await retry_until_written(lambda: self._jobs.picture(picture_id))
        return await self.picture_file(picture)

    async def recipe_of(self, picture_id: str) -> Recipe | None:
        """The recipe of the picture of this id; None if it is gone."""
        picture = await retry_until_written(lambda: self._jobs.picture(picture_id))
        return None if picture is None else picture.recipe.recipe

    async def picture_file(self, picture: Picture | None) -> bytes:
        """The file of a picture. Raises Refused if it is gone, or FileMissing."""
        if picture is None:
            raise Refused(rules.UNKNOWN_PICTURE)
        rules.check_viewable(picture)
        path = picture.path or ""
        is_stored = await asyncio.to_thread(self._storage.has_picture, path)
        if is_stored or self._restorer is None:
            return await asyncio.to_thread(self._storage.picture, path)
        files = await self.read(picture.job_id, [picture.recipe])
        return await self._restorer.restore(picture, files)

    async def restore(self, pictures: Sequence[Picture]) -> None:
        """Paint those of these pictures again whose files are gone. Pictures that cannot be painted
        any more stay without a file; why is in the log."""
        for picture in pictures:
            if picture.unavailable_reason is None:
                with suppress(Refused, FileMissing):
                    await self.picture_file(picture)
