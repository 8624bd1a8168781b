"""The metrics of the replicas of a cluster; those of replicas that are gone vanish."""

from collections.abc import Callable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from engine.contract import Heartbeat, ReplicaStatus

_LABELS = ("replica", "node")
Family = CounterMetricFamily | GaugeMetricFamily


def replica_metrics(heartbeat: Heartbeat, models: Sequence[str]) -> Iterator[Family]:
    """Those of a cluster, and for a single engine only its number and its resident models.

    `models` are the names of the loaded models.
    """
    replicas = heartbeat.replicas
    count = 1 if replicas is None else sum(not replica.is_draining for replica in replicas)
    yield GaugeMetricFamily(
        "imagine_engine_replicas", "Engine cores that accept jobs", value=float(count)
    )
    yield _resident_models(heartbeat, models)
    if replicas is None:
        return
    yield _gauge(replicas, "draining", "Whether it stops", lambda one: one.is_draining)
    yield _gauge(replicas, "pictures", "Pictures in progress", lambda one: one.heartbeat.painting)
    yield _gauge(
        replicas,
        "waiting_jobs",
        "Jobs that wait for a free slot of the replica",
        lambda one: one.heartbeat.waiting,
    )
    yield _gauge(
        replicas,
        "resident_memory_bytes",
        "Resident memory of the process",
        lambda one: one.heartbeat.memory,
    )
    yield _gauge(
        replicas,
        "peak_memory_bytes",
        "Peak memory of the accelerator",
        lambda one: one.heartbeat.peak_memory,
    )
    yield _rows(replicas)
    yield _fingerprints(replicas)


def _gauge(
    replicas: Sequence[ReplicaStatus],
    name: str,
    meaning: str,
    value: Callable[[ReplicaStatus], float | None],
) -> GaugeMetricFamily:
    """A sample for each replica whose value is known."""
    family = GaugeMetricFamily(f"imagine_engine_replica_{name}", meaning, labels=_LABELS)
    for replica in replicas:
        if (number := value(replica)) is not None:
            family.add_metric([replica.name, replica.node], float(number))
    return family


def _rows(replicas: Sequence[ReplicaStatus]) -> CounterMetricFamily:
    family = CounterMetricFamily(
        "imagine_engine_replica_rows", "Rows of its batches, by use", labels=(*_LABELS, "use")
    )
    for replica in replicas:
        used, total = replica.heartbeat.rows_used, replica.heartbeat.rows_total
        family.add_metric([replica.name, replica.node, "picture"], used)
        family.add_metric([replica.name, replica.node, "padding"], total - used)
    return family


def _fingerprints(replicas: Sequence[ReplicaStatus]) -> GaugeMetricFamily:
    """Different fingerprints give different bits of the same recipe."""
    family = GaugeMetricFamily(
        "imagine_engine_replica_info",
        "Its fingerprint of software and hardware",
        labels=(*_LABELS, "fingerprint"),
    )
    for replica in replicas:
        family.add_metric([replica.name, replica.node, replica.fingerprint], 1.0)
    return family


def _resident_models(heartbeat: Heartbeat, models: Sequence[str]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "imagine_engine_model_resident",
        "Whether the model's weights are on the device; a single engine has no name",
        labels=("replica", "model"),
    )
    if heartbeat.replicas is None:
        engines = [("", heartbeat)]
    else:
        engines = [(replica.name, replica.heartbeat) for replica in heartbeat.replicas]
    for name, of_engine in engines:
        for model in models:
            family.add_metric([name, model], float(model in of_engine.resident))
    return family
