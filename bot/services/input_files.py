"""The files that the engine needs for a job: input images, and the pictures that it enlarges."""

import asyncio
from collections.abc import Sequence
from typing import Final

from bot.db.connection import retry_until_written
from bot.db.jobs import JobStore
from bot.db.lineage import LineageStore
from bot.domain import rules
from bot.domain.picture import Picture
from bot.domain.plan import Plan, Relation
from bot.domain.restoration import Requester
from bot.errors import BotError, Refused
from bot.i18n import N_, _
from bot.services.restoration import PictureRestorer
from bot.storage import FileMissing, FileStorage
from engine.contract import Recipe, Work, input_images, sha256

ENLARGING: Final = frozenset({Relation.UPSCALE, Relation.DETAIL})
INPUT_GONE: Final = N_(
    "A picture that this was painted from is gone from my data folder, so I cannot paint it again."
)
RESTORING_SECONDS: Final = 600.0
"""Within which pictures are painted again, with the wait; an interaction's token lives longer."""
TOO_SLOW: Final = N_(
    "A picture's file is gone from the data folder, and it could not be painted "
    "again within ten minutes. Please try again later."
)
PICTURE_GONE: Final = N_("The picture's file is gone from my data folder, so I cannot enlarge it.")


class InputFiles:
    """Reads files. With a restorer, a picture whose file is gone is painted again for a user."""

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

    async def read(
        self, job_id: str, works: Sequence[Work], requester: Requester | None = None
    ) -> dict[str, bytes]:
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
                data = await self.picture_of_id(edge.parent, requester)
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
                raise Refused(_(INPUT_GONE))
        for edge in plan.edges:
            if edge.relation in ENLARGING:
                await self._check_picture(await self._jobs.picture(edge.parent))

    async def _check_picture(self, picture: Picture | None) -> None:
        """Raise Refused if the file of a picture is gone and cannot be painted again."""
        if picture is not None and await self._has_file(picture):
            return
        if picture is None or self._restorer is None:
            raise Refused(_(PICTURE_GONE))
        try:
            self._restorer.check(picture)
        except BotError as error:
            raise Refused(str(error)) from error

    async def picture_of_id(self, picture_id: str, requester: Requester | None = None) -> bytes:
        """As `picture_file`, of the picture of this id."""
        picture = await retry_until_written(lambda: self._jobs.picture(picture_id))
        return await self.picture_file(picture, requester)

    async def recipe_of(self, picture_id: str) -> Recipe | None:
        """The recipe of the picture of this id; None if it is gone."""
        picture = await retry_until_written(lambda: self._jobs.picture(picture_id))
        return None if picture is None else picture.recipe.recipe

    async def picture_file(
        self, picture: Picture | None, requester: Requester | None = None
    ) -> bytes:
        """The file of a picture. Raises Refused if the picture is gone, or FileMissing.

        If the file is gone, it is painted again for this requester, within RESTORING_SECONDS;
        without one it is not.
        """
        if picture is None:
            raise Refused(_(rules.UNKNOWN_PICTURE))
        rules.check_viewable(picture)
        await self.require([picture], requester)
        return await asyncio.to_thread(self._storage.picture, picture.path or "")

    async def require(self, pictures: Sequence[Picture], requester: Requester | None) -> None:
        """As `restore`; raises FileMissing, with a sentence for the user, if one is not painted."""
        if reasons := await self.restore(pictures, requester):
            raise FileMissing(reasons[0])

    async def restore(self, pictures: Sequence[Picture], requester: Requester | None) -> list[str]:
        """Paint those pictures of one job again whose files are gone, within RESTORING_SECONDS.

        Returns why some cannot be painted, each as a sentence for the user. Pictures that nobody
        may see are left out.
        """
        visible = [picture for picture in pictures if picture.unavailable_reason is None]
        missing = [picture for picture in visible if not await self._has_file(picture)]
        if not missing or requester is None or self._restorer is None:
            return []
        try:
            async with asyncio.timeout(RESTORING_SECONDS):
                return await self._restorer.restore(missing, self.read, requester)
        except (Refused, FileMissing) as error:
            return [str(error)]
        except TimeoutError:
            return [_(TOO_SLOW)]

    async def has_any(self, pictures: Sequence[Picture]) -> bool:
        """Whether there is the file of one of these pictures."""
        return any([await self._has_file(picture) for picture in pictures])

    async def _has_file(self, picture: Picture) -> bool:
        return await asyncio.to_thread(self._storage.has_picture, picture.path or "")
