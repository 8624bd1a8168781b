"""Decide which replica of a cluster gets a job. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

REPLICA_PICTURES: Final = 64
"""A replica with so many unfinished pictures gets no more jobs; MAX_RUNNING of the engine core."""
JOB_PICTURES: Final = REPLICA_PICTURES // 2
"""A job counts as at most so many pictures, because the core runs no more of one at a time."""
AFFINITY_PICTURES: Final = 16
"""A replica whose models are warm is preferred while it has at most so many pictures more than the
least loaded one. A GPU paints them in about the time that it takes to load a model."""


class JobNeeds(NamedTuple):
    """What matters of a job."""

    models: frozenset[str]
    """The names of its models."""
    pictures: int
    is_alone: bool = False
    """Whether no other job may run on the same replica."""
    fingerprint: str = ""
    """That of an earlier picture: what its replica's model had, and perhaps more, after a comma, on
    how it was painted. Empty for any."""

    @property
    def load(self) -> int:
        """The pictures that count for the load of its replica."""
        return min(self.pictures, JOB_PICTURES)


class ReplicaLoad(NamedTuple):
    """A replica that accepts jobs: it can be reached, and does not drain."""

    name: str
    fingerprints: Mapping[str, str]
    """Of each of its models, by the model's name."""
    warm: frozenset[str] = frozenset()
    """The models whose weights are on the device, or that are in use by a job there."""
    jobs: int = 0
    """The jobs that were placed there and have not ended."""
    load: int = 0
    """The sum of their loads."""
    is_reserved: bool = False
    """Whether a job that must be alone runs there, or waits for the others there to end."""

    def add(self, job: JobNeeds) -> "ReplicaLoad":
        """The same replica after a job was placed there."""
        return self._replace(
            warm=self.warm | job.models,
            jobs=self.jobs + 1,
            load=self.load + job.load,
            is_reserved=self.is_reserved or job.is_alone,
        )


class Place(NamedTuple):
    """Where a job goes."""

    replica: str
    starts_now: bool = True
    """If False, the replica is reserved: it gets no other jobs, and this one when it is idle."""


def place(job: JobNeeds, replicas: Sequence[ReplicaLoad]) -> Place | None:
    """The place of a job; None if it has to wait for any replica.

    A replica that has the job's models is required, if there is one: else the job goes to another,
    whose engine core says what is missing. A replica with the job's fingerprint is preferred, then
    one whose models are warm, then the least loaded one.
    """
    able = [replica for replica in replicas if job.models <= replica.fingerprints.keys()]
    free = [replica for replica in able or replicas if not replica.is_reserved]
    if not job.is_alone:
        below = [replica for replica in free if replica.load < REPLICA_PICTURES]
        return Place(_best(job, below).name) if below else None
    reserved = sum(replica.is_reserved for replica in replicas)
    if not free or reserved >= max(1, len(replicas) // 2):
        return None  # the other replicas are left to the other jobs
    idle = [replica for replica in free if replica.jobs == 0]
    if idle:
        return Place(_best(job, idle).name)
    return Place(min(free, key=lambda replica: (replica.load, replica.name)).name, starts_now=False)


def _best(job: JobNeeds, replicas: Sequence[ReplicaLoad]) -> ReplicaLoad:
    exact = [replica for replica in replicas if _has_fingerprint(job, replica)]
    replicas = exact or replicas
    limit = min(replica.load for replica in replicas) + AFFINITY_PICTURES

    def rank(replica: ReplicaLoad) -> tuple[int, int, str]:
        return len(job.models - replica.warm), replica.load, replica.name

    return min((replica for replica in replicas if replica.load <= limit), key=rank)


def _has_fingerprint(job: JobNeeds, replica: ReplicaLoad) -> bool:
    """Whether all models of the job have its fingerprint there."""
    fingerprints = (replica.fingerprints.get(model) for model in job.models)
    return all(f"{job.fingerprint}, ".startswith(f"{own}, ") for own in fingerprints)
