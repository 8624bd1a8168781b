"""Decide how many replicas a cluster should have. Pure, but for the types of Ray Serve."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

BACKLOG_SECONDS: Final = 30.0
"""The jobs that wait should take all replicas together no longer."""
OLDEST_SECONDS: Final = 60.0
"""If the oldest job has waited longer, the estimate of the backlog is too low."""
REPLICA_PICTURES: Final = 8
"""Pictures that a replica should have in progress before another one is kept for them."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """What a cluster has to do.

    Serve sends the policy to its controller by value, which a msgspec.Struct does not survive.
    """

    jobs: float
    """The jobs that wait."""
    seconds: float
    """The engine time that they are expected to take."""
    oldest: float
    """Seconds since the oldest of them was queued."""
    painting: float
    """Pictures in progress, of all replicas."""


def target_replicas(demand: Demand, current: int) -> int:
    """The number of replicas for a demand, at least 1; `current` is the number at the moment.

    While jobs wait, it is never less than the current one.
    """
    target = max(1, math.ceil(demand.painting / REPLICA_PICTURES))
    if demand.jobs > 0:
        target = max(target, current, math.ceil(demand.seconds / BACKLOG_SECONDS))
        if demand.oldest > OLDEST_SECONDS:
            target = max(target, current + 1)
    return target


def demand_of(metrics: Mapping[str, Mapping[Any, float]]) -> Demand:
    """The demand by the latest statistics of each replica (`Replica.autoscaling_stats`).

    All replicas know the same backlog, but learn of it at different times.
    """

    def newest(name: str) -> float:
        return max(metrics.get(name, {}).values(), default=0.0)

    return Demand(
        jobs=newest("jobs"),
        seconds=newest("seconds"),
        oldest=newest("oldest"),
        painting=sum(metrics.get("painting", {}).values()),
    )


def policy(context: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401 # AutoscalingContext
    """The autoscaling policy of the replicas' deployment; Serve applies its bounds and delays."""
    current = context.target_num_replicas
    return target_replicas(demand_of(context.aggregated_metrics or {}), current), {}
