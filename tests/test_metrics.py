"""The bot's metrics in Prometheus' text format."""

import math

import msgspec

from bot.domain.job import Status
from bot.monitoring.metrics import Metrics, ShardStatus
from engine.contract import Heartbeat, ReplicaStatus
from tests.metrics_samples import HEARTBEAT, PASSAGE, SNAPSHOT, parse_metrics


def test_the_snapshot_is_rendered() -> None:
    """The samples describe queue, engine, gateway and the bot's process."""
    samples = parse_metrics(Metrics("1.2").render(SNAPSHOT))
    expected = {
        "imagine_info version=1.2": 1,
        "imagine_record_up": 1,
        "imagine_jobs state=waiting": 3,
        "imagine_jobs state=running": 2,
        "imagine_jobs state=undelivered": 1,
        "imagine_oldest_waiting_seconds": 4.5,
        "imagine_engine_up": 1,
        "imagine_engine_model model=starter": 1,
        "imagine_engine_model model=a/sdxl": 1,
        "imagine_engine_restarts_total": 2,
        "imagine_engine_ticks_total": 7,
        "imagine_engine_tick_seconds_total": 1.5,
        "imagine_engine_rows_total use=picture": 30,
        "imagine_engine_rows_total use=padding": 10,
        "imagine_engine_padding_ratio": 0.25,
        "imagine_engine_pictures": 4,
        "imagine_engine_waiting_jobs": 1,
        "imagine_engine_resident_memory_bytes": 2**29,
        "imagine_engine_peak_memory_bytes": 2**30,
        "imagine_engine_replicas": 1,
        "imagine_engine_model_resident model=starter replica=": 1,
        "imagine_engine_model_resident model=a/sdxl replica=": 0,
        "imagine_gateway_up": 1,
        "imagine_gateway_latency_seconds": 0.05,
        "imagine_gateway_shard_up shard=0": 1,
        "imagine_gateway_shard_up shard=2": 1,
        "imagine_gateway_shard_latency_seconds shard=0": 0.05,
        "imagine_gateway_shard_latency_seconds shard=1": 0.02,
    }
    assert expected.items() <= samples.items()
    assert samples["process_resident_memory_bytes"] > 2**20


def test_each_replica_has_its_series() -> None:
    """The sums are those of the cluster's heartbeat."""
    own = msgspec.structs.replace(HEARTBEAT, peak_memory=None, resident=())
    replicas = [
        ReplicaStatus(
            name=name,
            node="10.0.0.1",
            pid=7,
            fingerprint=f"gpu {name}",
            is_draining=name == "b",
            heartbeat=heartbeat,
        )
        for name, heartbeat in (("a", HEARTBEAT), ("b", own))
    ]
    samples = replica_samples(*replicas)
    prefix = "imagine_engine_replica_"
    assert {name: n for name, n in samples.items() if name.startswith(prefix)} == {
        f"{prefix}draining node=10.0.0.1 replica=a": 0,
        f"{prefix}draining node=10.0.0.1 replica=b": 1,
        f"{prefix}pictures node=10.0.0.1 replica=a": 4,
        f"{prefix}pictures node=10.0.0.1 replica=b": 4,
        f"{prefix}waiting_jobs node=10.0.0.1 replica=a": 1,
        f"{prefix}waiting_jobs node=10.0.0.1 replica=b": 1,
        f"{prefix}resident_memory_bytes node=10.0.0.1 replica=a": 2**29,
        f"{prefix}resident_memory_bytes node=10.0.0.1 replica=b": 2**29,
        f"{prefix}peak_memory_bytes node=10.0.0.1 replica=a": 2**30,
        f"{prefix}rows_total node=10.0.0.1 replica=a use=picture": 30,
        f"{prefix}rows_total node=10.0.0.1 replica=a use=padding": 10,
        f"{prefix}rows_total node=10.0.0.1 replica=b use=picture": 30,
        f"{prefix}rows_total node=10.0.0.1 replica=b use=padding": 10,
        f"{prefix}info fingerprint=gpu a node=10.0.0.1 replica=a": 1,
        f"{prefix}info fingerprint=gpu b node=10.0.0.1 replica=b": 1,
    }
    assert samples["imagine_engine_replicas"] == 1
    resident = "imagine_engine_model_resident model="
    assert {name: n for name, n in samples.items() if name.startswith(resident)} == {
        f"{resident}starter replica=a": 1,
        f"{resident}a/sdxl replica=a": 0,
        f"{resident}starter replica=b": 0,
        f"{resident}a/sdxl replica=b": 0,
    }


def test_replicas_that_are_gone_vanish() -> None:
    """Only their number is left, which is 0."""
    samples = replica_samples()
    assert samples["imagine_engine_replicas"] == 0
    assert not [name for name in samples if "replica=" in name]


def replica_samples(*replicas: ReplicaStatus) -> dict[str, float]:
    """The samples of a bot after a cluster had two replicas, and now has these."""
    metrics = Metrics("1")
    earlier = ReplicaStatus(
        name="earlier", node="n", pid=1, fingerprint="", is_draining=False, heartbeat=HEARTBEAT
    )
    for present in ((earlier,), replicas):
        heartbeat = msgspec.structs.replace(HEARTBEAT, replicas=present)
        page = metrics.render(msgspec.structs.replace(SNAPSHOT, heartbeat=heartbeat))
    return parse_metrics(page)


def test_unknown_values_are_left_out() -> None:
    """They must not appear as 0."""
    shard = ShardStatus(id=0, is_up=False, latency=math.inf)
    snapshot = msgspec.structs.replace(
        SNAPSHOT, queue=None, heartbeat=None, shards=(shard,), is_gateway_up=False
    )
    samples = parse_metrics(Metrics("1").render(snapshot))
    assert (samples["imagine_record_up"], samples["imagine_gateway_up"]) == (0, 0)
    assert samples["imagine_gateway_shard_up shard=0"] == 0
    absent = ("imagine_jobs ", "imagine_oldest", "imagine_engine_ticks", "imagine_gateway_lat")
    assert not [name for name in samples if name.startswith(absent)]
    assert not [name for name in samples if "shard_latency" in name]


def test_jobs_count_once_and_pictures_in_each_phase() -> None:
    """A job is observed when it ends, and again when it is delivered."""
    metrics = Metrics("1")
    metrics.observe_job(PASSAGE)
    metrics.observe_job(msgspec.structs.replace(PASSAGE, delivered_at=107.5))
    cancelled = {"status": Status.CANCELLED, "started_at": None, "picture_count": 1}
    metrics.observe_job(msgspec.structs.replace(PASSAGE, **cancelled))
    expected = {
        "imagine_jobs_ended_total ending=done": 1,
        "imagine_jobs_ended_total ending=cancelled": 1,
        "imagine_jobs_ended_total ending=failed": 0,
        "imagine_picture_seconds_count phase=waiting": 5,
        "imagine_picture_seconds_sum phase=waiting": 4 * 2.0 + 7.0,
        "imagine_picture_seconds_count phase=painting": 4,
        "imagine_picture_seconds_sum phase=painting": 4 * 5.0,
        "imagine_picture_seconds_count phase=delivering": 4,
        "imagine_picture_seconds_sum phase=delivering": 4 * 0.5,
    }
    assert expected.items() <= parse_metrics(metrics.render(SNAPSHOT)).items()


def test_all_series_exist_before_the_first_job() -> None:
    """Prometheus sees an increase only if the series was 0 before."""
    samples = parse_metrics(Metrics("1").render(SNAPSHOT))
    for name in ("done", "failed", "cancelled", "refused"):
        assert samples[f"imagine_jobs_ended_total ending={name}"] == 0
    for name in ("waiting", "painting", "delivering"):
        assert samples[f"imagine_picture_seconds_count phase={name}"] == 0


def test_two_bots_in_one_process_share_no_metrics() -> None:
    """Each bot has its own registry."""
    first, second = Metrics("1"), Metrics("1")
    first.observe_job(PASSAGE)
    assert parse_metrics(second.render(SNAPSHOT))["imagine_jobs_ended_total ending=done"] == 0


def test_the_padding_of_no_rows_is_zero() -> None:
    """This is the case before the first batch and without an engine."""
    idle = Heartbeat(ticks=0, seconds=0.0, rows_total=0, rows_used=0, painting=0, waiting=0)
    assert msgspec.structs.replace(SNAPSHOT, heartbeat=idle).padding == 0.0
    assert msgspec.structs.replace(SNAPSHOT, heartbeat=None).padding == 0.0


def test_unknown_scopes_of_rate_limits_are_other() -> None:
    """The header may come from a proxy in front of Discord."""
    metrics = Metrics("1")
    for scope in ("user", "global", "shared", "made up", None):
        metrics.observe_rate_limit(scope)
    samples = parse_metrics(metrics.render(SNAPSHOT))
    assert samples["imagine_discord_rate_limited_total scope=user"] == 1
    assert samples["imagine_discord_rate_limited_total scope=other"] == 2
