"""The figures of a bot since it started, as Prometheus reads them: https://prometheus.io/docs."""

from collections.abc import Iterator
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Counter, Histogram, Info, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from bot.db.stats import Queue
from bot.domain.job import ENDINGS, Passage
from engine.contract import Heartbeat

PHASES: Final = ("waiting", "painting", "delivering")
_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 150, 300, 900, 3600)
_SCOPES: Final = ("user", "global", "shared")
Family = CounterMetricFamily | GaugeMetricFamily


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """How things are at a moment."""

    queue: Queue | None
    """None if the record does not answer."""
    oldest: float
    """Seconds that the oldest job has waited, or 0."""
    engine: bool
    """Is there one?"""
    restarts: int
    pulse: Heartbeat | None
    gateway: bool
    """Are we connected and ready?"""
    latency: float | None
    """Seconds between a heartbeat and its answer."""

    @property
    def padding(self) -> float:
        """The share of the rows of all batches that held no picture, 0 to 1."""
        if self.pulse is None or not self.pulse.rows_total:
            return 0.0
        return 1 - self.pulse.rows_used / self.pulse.rows_total


class Metrics:
    """Counts what it is told. No label has more values than are written down in the code."""

    def __init__(self, version: str) -> None:
        self._registry = CollectorRegistry()
        info = Info("imagine", "The bot", registry=self._registry)
        info.info({"version": version})
        self._ended = Counter(
            "imagine_jobs_ended", "Jobs by how they ended", ["ending"], registry=self._registry
        )
        self._seconds = Histogram(
            "imagine_picture_seconds",
            "Seconds of each picture that was asked for: until its last attempt, in it, and from "
            "its end until that was seen",
            ["phase"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._requests = Counter(
            "imagine_discord_requests",
            "Requests to Discord by address and status",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._limited = Counter(
            "imagine_discord_rate_limited",
            "Requests that Discord answered with 429, by whose limit it was",
            ["scope"],
            registry=self._registry,
        )
        self._moment = _Moment()
        self._registry.register(self._moment)
        ProcessCollector(registry=self._registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        for ending in ENDINGS:
            self._ended.labels(ending.value)
        for phase in PHASES:
            self._seconds.labels(phase)
        for scope in (*_SCOPES, "other"):
            self._limited.labels(scope)

    def passed(self, passage: Passage) -> None:
        """A job has ended, or its ending has been seen."""
        if passage.shown is not None:
            self._observe("delivering", passage.shown, passage.pictures)
            return
        self._ended.labels(passage.status.value).inc()
        self._observe("waiting", passage.waited, passage.pictures)
        if passage.painted is not None:
            self._observe("painting", passage.painted, passage.pictures)

    def _observe(self, phase: str, seconds: float, pictures: int) -> None:
        for _ in range(pictures):
            self._seconds.labels(phase).observe(seconds)

    def requested(self, method: str, route: str, status: str) -> None:
        """Discord was asked something; `route` is a template, `status` a number or `error`."""
        self._requests.labels(method, route, status).inc()

    def limited(self, scope: str | None) -> None:
        """Discord answered that this was too much."""
        self._limited.labels(scope if scope in _SCOPES else "other").inc()

    @property
    def memory(self) -> float | None:
        """Bytes of this process in the machine's memory; None where that is not known."""
        return self._registry.get_sample_value("process_resident_memory_bytes")

    def exposed(self, facts: Facts) -> bytes:
        """All figures, in Prometheus' text format."""
        self._moment.facts = facts
        return generate_latest(self._registry)


class _Moment(Collector):
    """What is not counted but looked up."""

    facts: Facts | None = None

    def collect(self) -> Iterator[Family]:
        if self.facts is None:
            return
        yield from _of_queue(self.facts)
        yield from _of_engine(self.facts)
        yield _gauge("gateway_up", "Is the gateway connected and ready?", self.facts.gateway)
        if self.facts.latency is not None:
            yield _gauge(
                "gateway_latency_seconds",
                "Between a heartbeat and its answer",
                self.facts.latency,
            )


def _of_queue(facts: Facts) -> Iterator[Family]:
    queue = facts.queue
    yield _gauge("record_up", "Does the record answer?", queue is not None)
    if queue is None:
        return
    jobs = GaugeMetricFamily(
        "imagine_jobs", "Jobs that are not done with, by what they wait for", labels=["state"]
    )
    for state in ("waiting", "running", "undelivered"):
        jobs.add_metric([state], getattr(queue, state))
    yield jobs
    yield _gauge("oldest_waiting_seconds", "Age of the oldest job that waits", facts.oldest)


def _of_engine(facts: Facts) -> Iterator[Family]:
    yield _gauge("engine_up", "Is there an engine?", facts.engine)
    yield _count("engine_restarts", "How often the engine was gone", facts.restarts)
    pulse = facts.pulse
    if pulse is None:
        return
    yield _count("engine_ticks", "Forward passes", pulse.ticks)
    yield _count("engine_tick_seconds", "Seconds in forward passes", pulse.seconds)
    rows = CounterMetricFamily(
        "imagine_engine_rows", "Rows of all batches, by what was in them", labels=["use"]
    )
    rows.add_metric(["picture"], pulse.rows_used)
    rows.add_metric(["padding"], pulse.rows_total - pulse.rows_used)
    yield rows
    yield _gauge("engine_padding_ratio", "Share of these rows that was padding", facts.padding)
    yield _gauge("engine_pictures", "Pictures that it is at", pulse.painting)
    yield _gauge("engine_waiting_jobs", "Jobs for which it has no room", pulse.waiting)
    if pulse.memory is not None:
        yield _gauge("engine_resident_memory_bytes", "Of its process", pulse.memory)
    if pulse.peak_memory is not None:
        yield _gauge("engine_peak_memory_bytes", "Of its accelerator", pulse.peak_memory)


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"imagine_{name}", meaning, value=float(value))


def _count(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"imagine_{name}", meaning, value=float(value))
