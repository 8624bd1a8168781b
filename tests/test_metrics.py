"""The figures of a bot, as Prometheus reads them."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bot.db.stats import Queue
from bot.domain.job import Passage, Status
from bot.monitoring.http_metrics import WORDS, template
from bot.monitoring.metrics import Facts, Metrics
from engine.contract import Heartbeat

FACTS = Facts(
    queue=Queue(waiting=3, running=2, undelivered=1, oldest=10.0),
    oldest=4.5,
    engine=True,
    restarts=2,
    pulse=Heartbeat(
        ticks=7,
        seconds=1.5,
        rows_total=40,
        rows_used=30,
        painting=4,
        waiting=1,
        memory=2**29,
        peak_memory=2**30,
    ),
    gateway=True,
    latency=0.05,
)
PASSAGE = Passage(
    job="j1",
    status=Status.DONE,
    pictures=4,
    created_at=100.0,
    started_at=102.0,
    ended_at=107.0,
    delivered_at=None,
)


def parsed(page: bytes) -> dict[str, float]:
    """Each sample's value by its name and labels, as Prometheus' own parser reads them."""
    families: list[Metric] = list(text_string_to_metric_families(page.decode()))
    return {
        sample.name + "".join(f" {key}={value}" for key, value in sorted(sample.labels.items())): (
            sample.value
        )
        for family in families
        for sample in family.samples
    }


def test_what_is_looked_up_is_shown() -> None:
    """Queue, engine, gateway and our own process."""
    seen = parsed(Metrics("1.2").exposed(FACTS))
    expected = {
        "imagine_info version=1.2": 1,
        "imagine_record_up": 1,
        "imagine_jobs state=waiting": 3,
        "imagine_jobs state=running": 2,
        "imagine_jobs state=undelivered": 1,
        "imagine_oldest_waiting_seconds": 4.5,
        "imagine_engine_up": 1,
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
        "imagine_gateway_up": 1,
        "imagine_gateway_latency_seconds": 0.05,
    }
    assert expected.items() <= seen.items()
    assert seen["process_resident_memory_bytes"] > 2**20


def test_what_is_not_known_is_left_out() -> None:
    """A nought would be a lie."""
    facts = msgspec.structs.replace(FACTS, queue=None, pulse=None, latency=None, gateway=False)
    seen = parsed(Metrics("1").exposed(facts))
    assert (seen["imagine_record_up"], seen["imagine_gateway_up"]) == (0, 0)
    absent = ("imagine_jobs ", "imagine_oldest", "imagine_engine_ticks", "imagine_gateway_lat")
    assert not [name for name in seen if name.startswith(absent)]


def test_each_ending_counts_once_and_each_picture_in_each_phase() -> None:
    """A job is told of when it ends, and again when that is seen."""
    metrics = Metrics("1")
    metrics.passed(PASSAGE)
    metrics.passed(msgspec.structs.replace(PASSAGE, delivered_at=107.5))
    cancelled = {"status": Status.CANCELLED, "started_at": None, "pictures": 1}
    metrics.passed(msgspec.structs.replace(PASSAGE, **cancelled))
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
    assert expected.items() <= parsed(metrics.exposed(FACTS)).items()


def test_no_label_was_ever_seen_before_the_first_job() -> None:
    """All endings and phases begin at nought, so that their first rise is seen."""
    seen = parsed(Metrics("1").exposed(FACTS))
    for name in ("done", "failed", "cancelled", "refused"):
        assert seen[f"imagine_jobs_ended_total ending={name}"] == 0
    for name in ("waiting", "painting", "delivering"):
        assert seen[f"imagine_picture_seconds_count phase={name}"] == 0


def test_two_bots_in_one_process_share_nothing() -> None:
    """There is no registry of the whole process."""
    one, other = Metrics("1"), Metrics("1")
    one.passed(PASSAGE)
    assert parsed(other.exposed(FACTS))["imagine_jobs_ended_total ending=done"] == 0


def test_no_padding_is_no_division_by_nought() -> None:
    """Before the first batch."""
    idle = Heartbeat(ticks=0, seconds=0.0, rows_total=0, rows_used=0, painting=0, waiting=0)
    assert msgspec.structs.replace(FACTS, pulse=idle).padding == 0.0
    assert msgspec.structs.replace(FACTS, pulse=None).padding == 0.0


def test_addresses_become_templates() -> None:
    """Names of channels, messages, people and interactions go, and tokens with them."""
    wanted = {
        "/channels/123/messages/456": "/channels/{id}/messages/{id}",
        "/webhooks/12/s3cret/messages/@original": "/webhooks/{id}/{token}/messages/@original",
        "/interactions/34/s3cret/callback?with_response=1": "/interactions/{id}/{token}/callback",
        "/channels/1/messages/2/reactions/%F0%9F%94%81/@me": (
            "/channels/{id}/messages/{id}/reactions/{emoji}/@me"
        ),
        "/applications/5/commands": "/applications/{id}/commands",
        "/users/@me": "/users/@me",
        "/something/new": "/{other}/{other}",
    }
    assert {path: template(path) for path in wanted} == wanted


@given(path=st.text(max_size=200))
def test_no_path_brings_a_word_of_its_own(path: str) -> None:
    """So the figures stay few, whatever Discord's addresses look like."""
    words = template(path).split("/")[1:]
    assert len(words) <= 8
    assert set(words) <= WORDS | {"{id}", "{token}", "{emoji}", "{other}"}


def test_the_scope_of_a_limit_is_one_that_is_known() -> None:
    """Whatever the network in front of Discord may say."""
    metrics = Metrics("1")
    for scope in ("user", "global", "shared", "made up", None):
        metrics.limited(scope)
    seen = parsed(metrics.exposed(FACTS))
    assert seen["imagine_discord_rate_limited_total scope=user"] == 1
    assert seen["imagine_discord_rate_limited_total scope=other"] == 2
