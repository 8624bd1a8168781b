"""How many replicas a cluster should have."""

import importlib
import os
import subprocess
import sys

import pytest

from engine.cluster import autoscaling
from engine.cluster.autoscaling import (
    BACKLOG_SECONDS,
    OLDEST_SECONDS,
    REPLICA_PICTURES,
    Demand,
    demand_of,
    target_replicas,
)

IDLE = Demand(jobs=0, seconds=0.0, oldest=0.0, painting=0)


def waiting(seconds: float, oldest: float = 1.0) -> Demand:
    """Jobs that wait while the replicas have nothing in progress."""
    return Demand(jobs=3, seconds=seconds, oldest=oldest, painting=0)


def test_an_idle_cluster_needs_one_replica() -> None:
    """Serve applies the minimum that was deployed."""
    assert target_replicas(IDLE, 8) == 1


@pytest.mark.parametrize(("backlogs", "replicas"), [(0.1, 1), (1.0, 1), (1.1, 2), (7.5, 8)])
def test_replicas_follow_the_backlog(backlogs: float, replicas: int) -> None:
    """All together they need no more than BACKLOG_SECONDS for the jobs that wait."""
    assert target_replicas(waiting(backlogs * BACKLOG_SECONDS), 1) == replicas


def test_no_replica_is_stopped_while_jobs_wait() -> None:
    """They wait because the replicas are full, or because one of them must be alone."""
    assert target_replicas(waiting(0.1), 5) == 5


def test_an_old_job_asks_for_one_more() -> None:
    """The expected seconds may be wrong."""
    assert target_replicas(waiting(0.1, OLDEST_SECONDS), 5) == 5
    assert target_replicas(waiting(0.1, OLDEST_SECONDS + 1), 5) == 6


def test_pictures_in_progress_keep_their_replicas() -> None:
    """As many as have enough to do."""
    painting = Demand(jobs=0, seconds=0.0, oldest=0.0, painting=2 * REPLICA_PICTURES + 1)
    assert target_replicas(painting, 8) == 3


def test_a_short_queue_does_not_lower_the_number() -> None:
    """The pictures in progress keep their replicas while jobs wait, too."""
    painting = Demand(jobs=1, seconds=0.1, oldest=1.0, painting=2 * REPLICA_PICTURES + 1)
    assert target_replicas(painting, 1) == 3


def test_the_backlog_of_all_replicas_counts_once() -> None:
    """They all report that of the bot; the pictures in progress are their own."""
    metrics = {
        "jobs": {"a": 4.0, "b": 5.0},
        "seconds": {"a": 40.0, "b": 50.0},
        "oldest": {"a": 3.0, "b": 4.0},
        "painting": {"a": 8.0, "b": 9.0},
    }
    assert demand_of(metrics) == Demand(jobs=5.0, seconds=50.0, oldest=4.0, painting=17.0)
    assert demand_of({}) == IDLE


CALL = """
import pickle, sys
from types import SimpleNamespace
policy = pickle.load(sys.stdin.buffer)
metrics = {"jobs": {"a": 9.0}, "seconds": {"a": 90.0}, "oldest": {"a": 1.0}}
print(policy(SimpleNamespace(target_num_replicas=1, aggregated_metrics=metrics)))
"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray
def test_the_policy_can_be_sent_by_value() -> None:
    """Serve's controller has no other copy of it."""
    if not os.environ.get("CI"):
        pytest.importorskip("ray", reason="Ray is not installed (extra `cluster`).")
    pickle = importlib.import_module("ray.cloudpickle")
    pickle.register_pickle_by_value(autoscaling)
    try:
        data = pickle.dumps(autoscaling.policy)
    finally:
        pickle.unregister_pickle_by_value(autoscaling)
    controller = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CALL], input=data, capture_output=True, check=False
    )
    assert controller.stdout.decode().strip() == "(3, {})", controller.stderr.decode()
