"""Sample values for the bot's metrics, and a parser for the metrics page."""

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bot.db.stats import QueueStats
from bot.domain.job import JobTimings, Status
from bot.monitoring.metrics import ShardStatus, StatusSnapshot
from engine.contract import Heartbeat

HEARTBEAT = Heartbeat(
    ticks=7,
    seconds=1.5,
    rows_total=40,
    rows_used=30,
    painting=4,
    waiting=1,
    memory=2**29,
    peak_memory=2**30,
    resident=("starter",),
)
SNAPSHOT = StatusSnapshot(
    queue=QueueStats(waiting=3, running=2, undelivered=1, oldest_at=10.0),
    oldest_wait=4.5,
    is_engine_up=True,
    engine_restarts=2,
    models=("starter", "a/sdxl"),
    heartbeat=HEARTBEAT,
    is_gateway_up=True,
    shards=(
        ShardStatus(id=0, is_up=True, latency=0.05),
        ShardStatus(id=1, is_up=True, latency=0.02),
        ShardStatus(id=2, is_up=True, latency=float("inf")),
    ),
)
PASSAGE = JobTimings(
    job_id="j1",
    status=Status.DONE,
    picture_count=4,
    created_at=100.0,
    started_at=102.0,
    ended_at=107.0,
    delivered_at=None,
)


def parse_metrics(page: bytes) -> dict[str, float]:
    """The values of all samples, by name and labels."""
    families: list[Metric] = list(text_string_to_metric_families(page.decode()))
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }
