"""Finds the relatives of a picture: those that it was made from, and those made from it."""

from collections import deque
from typing import Final

import msgspec

from bot.db.jobs import JobStore
from bot.db.lineage import Kinship, LineageStore
from bot.domain.job import Job
from bot.domain.picture import Picture, job_id_of
from bot.domain.plan import Relation

_MAX_EXPLORED: Final = 200
"""Pictures whose relatives are looked up."""
_REPEATED: Final = frozenset({Relation.STEPS, Relation.REPLAY})
"""Relations of pictures that show nothing new."""


class Relatives(msgspec.Struct, frozen=True):
    """Who was made from whom, around one picture; each picture has one parent at most."""

    parents: dict[str, str]
    relations: dict[str, Relation]
    """Of each child to its parent."""


class FamilyMember(msgspec.Struct, frozen=True):
    """A picture of a family, and the job that made it; None if they were deleted."""

    picture: Picture | None
    job: Job | None


class FamilyFinder:
    """Reads only."""

    def __init__(self, lineage: LineageStore, jobs: JobStore) -> None:
        self._lineage = lineage
        self._jobs = jobs

    async def relatives(self, picture_id: str, max_distance: int, *, viewer_id: int) -> Relatives:
        """The relatives up to one generation further away than `max_distance`.

        Of a picture that was made from several, one parent counts. Pictures that are not painted
        yet are left out, those that only repeat another one, and those that only another user can
        see, with all that is related through them.
        """
        relatives = Relatives({}, {})
        distances, queue = {picture_id: 0}, deque([picture_id])
        hidden: dict[str, bool] = {}
        while queue and len(distances) < _MAX_EXPLORED:
            current = queue.popleft()
            for kinship in await self._kinships(current, relatives):
                relative = kinship.parent if kinship.child == current else kinship.child
                job_id = job_id_of(relative)
                if job_id not in hidden:
                    hidden[job_id] = await self._is_hidden(job_id, viewer_id)
                if hidden[job_id]:
                    continue
                relatives.parents[kinship.child] = kinship.parent
                relatives.relations[kinship.child] = kinship.relation
                if relative not in distances and distances[current] <= max_distance:
                    distances[relative] = distances[current] + 1
                    queue.append(relative)
        return relatives

    async def _is_hidden(self, job_id: str, viewer_id: int) -> bool:
        """Whether a user may not even learn of a job: its user alone sees the result."""
        job = await self._jobs.job(job_id)
        if job is None or job.deletion_reason is not None or job.user_id == viewer_id:
            return False
        return job.plan.is_private or job.target.guild_id is None

    async def _kinships(self, picture_id: str, relatives: Relatives) -> list[Kinship]:
        """Those of a picture that are not among the relatives."""
        has_parent = picture_id in relatives.parents
        parents = [] if has_parent else await self._lineage.parents(picture_id)
        children = await self._lineage.painted_children(picture_id)
        new = [child for child in children if child.child not in relatives.parents]
        return [*parents[:1], *(child for child in new if child.relation not in _REPEATED)]

    async def member(self, picture_id: str) -> FamilyMember:
        """The picture of this id."""
        picture = await self._jobs.picture(picture_id)
        job = await self._jobs.job(job_id_of(picture_id))
        if picture is None or job is None or job.deletion_reason is not None:
            return FamilyMember(None, None)
        return FamilyMember(picture, job)

    async def latest(self, user_id: int, limit: int) -> list[Picture]:
        """The latest pictures of a user that have a file, newest first."""
        return await self._lineage.latest_pictures(user_id, limit)
