"""Requests to Discord are counted by route template."""

from hypothesis import given
from hypothesis import strategies as st

from bot.monitoring.http_metrics import PATH_SEGMENTS, route_template


def test_paths_become_templates() -> None:
    """Ids, tokens and emoji are replaced."""
    templates = {
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
    assert {path: route_template(path) for path in templates} == templates


@given(path=st.text(max_size=200))
def test_no_path_adds_a_segment_of_its_own(path: str) -> None:
    """The number of metric series is bounded, whatever paths Discord has."""
    segments = route_template(path).split("/")[1:]
    assert len(segments) <= 8
    assert set(segments) <= PATH_SEGMENTS | {"{id}", "{token}", "{emoji}", "{other}"}
