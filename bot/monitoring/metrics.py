"""The bot's Prometheus metrics since it started: https://prometheus.io/docs."""

import math
from collections.abc import Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bot.db.stats import QueueStats
from bot.domain.job import FINAL_STATUSES, JobTimings
from bot.monitoring.replica_metrics import Family, replica_metrics
from engine.contract import Heartbeat

PHASES: Final = ("waiting", "painting", "delivering")
_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 150, 300, 900, 3600)
_SCOPES: Final = ("user", "global", "shared")


class ShardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A connection to the gateway."""

    id: int
    is_up: bool
    """Whether it is connected and ready."""
    latency: float
    """Seconds from a heartbeat to its acknowledgement; NaN or infinite before the first."""


class StatusSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the queue, the engine and the gateway at one time."""

    queue: QueueStats | None
    """None if the database does not respond."""
    oldest_wait: float
    """Seconds since the oldest waiting job was accepted; 0 if none waits."""
    is_engine_up: bool
    engine_restarts: int
    models: tuple[str, ...] = ()
    """The names of the loaded models, the default first; none while the engine is down."""
    heartbeat: Heartbeat | None
    """The latest counters of the engine; None before the first heartbeat."""
    is_gateway_up: bool
    """Whether all shards are connected to the gateway and ready."""
    shards: tuple[ShardStatus, ...] = ()
    """In order; none before the first connection."""

    @property
    def gateway_latency(self) -> float | None:
        """That of the slowest shard in seconds; None before the first heartbeat."""
        return max((s.latency for s in self.shards if math.isfinite(s.latency)), default=None)

    @property
    def padding(self) -> float:
        """The share of padding in the rows of all batches, 0 to 1."""
        if self.heartbeat is None or not self.heartbeat.rows_total:
            return 0.0
        return 1 - self.heartbeat.rows_used / self.heartbeat.rows_total


class Metrics:
    """Counters and histograms. All possible label values are listed in the code."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        info = Info("imagine", "The bot", registry=self._registry)
        info.info({"version": version})
        self._ended = Counter(
            "imagine_jobs_ended", "Finished jobs by status", ["ending"], registry=self._registry
        )
        self._seconds = Histogram(
            "imagine_picture_seconds",
            "Seconds per requested picture: from the request to the last attempt, of that attempt, "
            "and from its end to the delivery",
            ["phase"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            "imagine_discord_requests",
            "Requests to Discord by method, route and status",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._limited = Counter(
            "imagine_discord_rate_limited",
            "Responses of Discord with status 429, by scope of the limit",
            ["scope"],
            registry=self._registry,
        )
        self._snapshot = _SnapshotCollector()
        self._registry.register(self._snapshot)
        ProcessCollector(registry=self._registry)
        self._create_series()

    def _create_series(self) -> None:
        """Create all series with the value 0, so that Prometheus sees their first increase."""
        for status in FINAL_STATUSES:
            self._ended.labels(status.value)
        for phase in PHASES:
            self._seconds.labels(phase)
        for scope in (*_SCOPES, "other"):
            self._limited.labels(scope)

    def observe_job(self, timings: JobTimings) -> None:
        """Count a job that has ended or, if it has a delivery time, its delivery."""
        if timings.delivery_seconds is not None:
            self._observe("delivering", timings.delivery_seconds, timings.picture_count)
            return
        self._ended.labels(timings.status.value).inc()
        self._observe("waiting", timings.queue_seconds, timings.picture_count)
        if timings.run_seconds is not None:
            self._observe("painting", timings.run_seconds, timings.picture_count)

    def _observe(self, phase: str, seconds: float, pictures: int) -> None:
        for _ in range(pictures):
            self._seconds.labels(phase).observe(seconds)

    def observe_request(self, method: str, route: str, status: str) -> None:
        """Count a request to Discord; `route` is a template, `status` a number or `error`."""
        self._requests.labels(method, route, status).inc()

    def observe_rate_limit(self, scope: str | None) -> None:
        """Count a 429 response of Discord; `scope` is from its X-RateLimit-Scope header."""
        self._limited.labels(scope if scope in _SCOPES else "other").inc()

    @property
    def memory(self) -> float | None:
        """Resident memory of this process in bytes; None if the platform does not report it."""
        return self._registry.get_sample_value("process_resident_memory_bytes")

    def render(self, snapshot: StatusSnapshot) -> bytes:
        """All metrics in Prometheus' text format."""
        self._snapshot.snapshot = snapshot
        return generate_latest(self._registry)


class _SnapshotCollector(Collector):
    """The metrics that are read from a snapshot."""

    snapshot: StatusSnapshot | None = None

    def collect(self) -> Iterator[Family]:
        if self.snapshot is None:
            return
        yield from _queue_metrics(self.snapshot)
        yield from _engine_metrics(self.snapshot)
        yield from _gateway_metrics(self.snapshot)


def _queue_metrics(snapshot: StatusSnapshot) -> Iterator[Family]:
    queue = snapshot.queue
    yield _gauge("record_up", "Whether the database responds", queue is not None)
    if queue is None:
        return
    jobs = GaugeMetricFamily("imagine_jobs", "Jobs that are not delivered", labels=["state"])
    jobs.add_metric(["waiting"], queue.waiting)
    jobs.add_metric(["running"], queue.running)
    jobs.add_metric(["undelivered"], queue.undelivered)
    yield jobs
    yield _gauge("oldest_waiting_seconds", "Age of the oldest waiting job", snapshot.oldest_wait)


def _engine_metrics(snapshot: StatusSnapshot) -> Iterator[Family]:
    yield _gauge("engine_up", "Whether the engine is connected", snapshot.is_engine_up)
    yield _count("engine_restarts", "Restarts of the engine", snapshot.engine_restarts)
    if snapshot.models:
        models = GaugeMetricFamily("imagine_engine_model", "Loaded models", labels=["model"])
        for name in snapshot.models:
            models.add_metric([name], 1.0)
        yield models
    heartbeat = snapshot.heartbeat
    if heartbeat is None:
        return
    yield _count("engine_ticks", "Forward passes", heartbeat.ticks)
    yield _count("engine_tick_seconds", "Seconds in forward passes", heartbeat.seconds)
    rows = CounterMetricFamily("imagine_engine_rows", "Rows of all batches, by use", labels=["use"])
    rows.add_metric(["picture"], heartbeat.rows_used)
    rows.add_metric(["padding"], heartbeat.rows_total - heartbeat.rows_used)
    yield rows
    yield _gauge("engine_padding_ratio", "Share of padding in these rows", snapshot.padding)
    yield _gauge("engine_pictures", "Pictures in progress", heartbeat.painting)
    yield _gauge(
        "engine_waiting_jobs", "Jobs that wait for a free slot of the engine", heartbeat.waiting
    )
    if heartbeat.memory is not None:
        yield _gauge(
            "engine_resident_memory_bytes",
            "Resident memory of the engine process",
            heartbeat.memory,
        )
    if heartbeat.peak_memory is not None:
        yield _gauge(
            "engine_peak_memory_bytes", "Peak memory of the accelerator", heartbeat.peak_memory
        )
    yield from replica_metrics(heartbeat, snapshot.models)


def _gateway_metrics(snapshot: StatusSnapshot) -> Iterator[Family]:
    is_up, latency = snapshot.is_gateway_up, snapshot.gateway_latency
    yield _gauge("gateway_up", "Whether all shards are connected and ready", is_up)
    if latency is not None:
        yield _gauge(
            "gateway_latency_seconds",
            "From a gateway heartbeat to its acknowledgement, of the slowest shard",
            latency,
        )
    shards_up = GaugeMetricFamily(
        "imagine_gateway_shard_up", "Whether the shard is connected and ready", labels=["shard"]
    )
    latencies = GaugeMetricFamily(
        "imagine_gateway_shard_latency_seconds",
        "From a heartbeat of the shard to its acknowledgement",
        labels=["shard"],
    )
    for shard in snapshot.shards:
        shards_up.add_metric([str(shard.id)], float(shard.is_up))
        if math.isfinite(shard.latency):
            latencies.add_metric([str(shard.id)], shard.latency)
    yield from (shards_up, latencies)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"imagine_{name}", meaning, value=float(value))


def _count(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"imagine_{name}", meaning, value=float(value))
