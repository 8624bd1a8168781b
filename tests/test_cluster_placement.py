"""Which replica of a cluster gets a job."""

from collections.abc import Sequence
from typing import Any

import pytest

from engine.cluster.placement import (
    AFFINITY_PICTURES,
    JOB_PICTURES,
    REPLICA_PICTURES,
    JobNeeds,
    Place,
    ReplicaLoad,
    place,
)
from engine.core.engine_core import MAX_RUNNING

JOB = JobNeeds(frozenset({"m"}), pictures=4)
ALONE = JOB._replace(is_alone=True)
CARDS = {"m": "cpu", "other": "cpu"}


def replica(name: str, load: int = 0, **changes: Any) -> ReplicaLoad:  # noqa: ANN401
    """One with two models, and as many jobs as pictures."""
    return ReplicaLoad(name, CARDS, jobs=load, load=load)._replace(**changes)


def place_all(jobs: Sequence[JobNeeds], replicas: Sequence[ReplicaLoad]) -> dict[str, ReplicaLoad]:
    """The replicas after these jobs; those that must wait are left out."""
    loads = {replica.name: replica for replica in replicas}
    for job in jobs:
        decision = place(job, list(loads.values()))
        if decision is not None:
            loads[decision.replica] = loads[decision.replica].add(job)
    return loads


def test_a_replica_is_full_with_as_many_pictures_as_the_core_runs() -> None:
    """More would wait in the replica, where no other replica can take them."""
    assert REPLICA_PICTURES == MAX_RUNNING
    full = [replica("a", REPLICA_PICTURES), replica("b", REPLICA_PICTURES)]
    assert place(JOB, full) is None
    assert place(JOB, [*full, replica("c", REPLICA_PICTURES - 1)]) == Place("c")


def test_without_replicas_jobs_wait() -> None:
    """Both kinds of jobs."""
    assert place(JOB, []) is place(ALONE, []) is None


def test_jobs_are_spread_evenly() -> None:
    """The least loaded replica gets the next job, if the model is everywhere."""
    loads = place_all([JOB] * 12, [replica(name, warm=JOB.models) for name in "abc"])
    assert {load.load for load in loads.values()} == {16}


def test_a_large_job_counts_as_half_a_replica() -> None:
    """The core gives it no more of its slots, so that other jobs can begin."""
    large = JOB._replace(pictures=1000)
    assert large.load == JOB_PICTURES
    assert place_all([large] * 3, [replica("a")])["a"].jobs == 2


def test_a_warm_replica_is_preferred_within_a_bound() -> None:
    """With more pictures than the bound, the least loaded replica loads the model."""
    warm = frozenset({"m"})
    cold = replica("a", 1)
    assert place(JOB, [cold, replica("b", 1 + AFFINITY_PICTURES, warm=warm)]) == Place("b")
    assert place(JOB, [cold, replica("b", 2 + AFFINITY_PICTURES, warm=warm)]) == Place("a")


def test_a_model_becomes_warm_by_its_first_job() -> None:
    """Two models settle on a replica each."""
    other = JOB._replace(models=frozenset({"other"}))
    loads = place_all([JOB, other] * 3, [replica("a"), replica("b")])
    assert [loads[name].warm for name in "ab"] == [{"m"}, {"other"}]


def test_replicas_without_the_model_are_left_out() -> None:
    """Unless no replica has it: then its engine core says so."""
    without = replica("a", fingerprints={"other": "cpu"})
    assert place(JOB, [without, replica("b", 9)]) == Place("b")
    assert place(JOB, [without, replica("b", REPLICA_PICTURES)]) is None
    assert place(JOB, [without]) == Place("a")


def test_the_fingerprint_is_preferred_to_all_else() -> None:
    """A replica without it takes the job if the others are full."""
    job = JOB._replace(fingerprint="gpu")
    detailed = JOB._replace(fingerprint="gpu, alone in its batches")
    other = replica("a", warm=job.models)
    same = replica("b", REPLICA_PICTURES - 1, fingerprints={"m": "gpu"})
    assert place(job, [other, same]) == place(detailed, [other, same]) == Place("b")
    assert place(detailed._replace(fingerprint="gpu2"), [other, same]) == Place("a")
    assert place(job, [other, same.add(job)]) == Place("a")


def test_a_job_alone_gets_an_idle_replica_that_nothing_else_gets() -> None:
    """Until it ends."""
    busy, idle = replica("a", 1), replica("b")
    assert place(ALONE, [busy, idle]) == Place("b")
    assert place(JOB, [busy, idle.add(ALONE)]) == Place("a")
    assert place(JOB, [idle.add(ALONE)]) is None


def test_without_an_idle_replica_the_least_loaded_one_is_reserved() -> None:
    """Even if all are full."""
    replicas = [replica("a", REPLICA_PICTURES + 1), replica("b", REPLICA_PICTURES)]
    assert place(ALONE, replicas) == Place("b", starts_now=False)


@pytest.mark.parametrize(("count", "alone"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_half_of_the_replicas_are_left_to_other_jobs(count: int, alone: int) -> None:
    """A crowd of jobs that must be alone cannot stop all others, except on a single replica."""
    loads = place_all([ALONE] * 9, [replica(str(nth)) for nth in range(count)])
    assert sum(load.is_reserved for load in loads.values()) == alone
