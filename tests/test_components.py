"""The buttons of jobs, and the custom ids of all features."""

import re
from itertools import combinations

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.client import BUTTONS
from bot.features import FEATURES, privacy, report, report_cards
from bot.messages import components

LONGEST_JOB_ID = "z" * 24
LARGEST_SNOWFLAKE = 2**64 - 1
PATTERNS = [
    *(button.__discord_ui_compiled_template__.pattern for button in BUTTONS),
    *(modal.pattern for feature in FEATURES for modal in feature.modals),
]


async def rows(count: int) -> list[list[str]]:
    """The labels of a result's buttons, row by row."""
    view = components.result_view("j1", count)
    return [[button["label"] for button in row["components"]] for row in view.to_components()]


def custom_ids(view: discord.ui.View) -> list[str]:
    """The custom ids of the view's buttons."""
    return [item.custom_id or "" for item in view.children if isinstance(item, discord.ui.Button)]


def all_custom_ids() -> list[str]:
    """The custom ids of all views and modals, with the longest possible job and message ids."""
    views = [
        components.result_view(LONGEST_JOB_ID, 4),
        components.cancel_view(LONGEST_JOB_ID),
        report_cards.case_view(LONGEST_JOB_ID, is_open=True, is_removed=False, is_blocked=False),
        report_cards.case_view(LONGEST_JOB_ID, is_open=True, is_removed=False, is_blocked=True),
        report_cards.deleted_case_view(LONGEST_JOB_ID, is_open=True),
        privacy.confirmation_view(),
    ]
    ids = [custom_id for view in views for custom_id in custom_ids(view)]
    return [*ids, report.modal(LARGEST_SNOWFLAKE).custom_id]


async def test_a_result_has_upscale_reroll_and_variation_buttons() -> None:
    """U1 to U4 and re-roll above V1 to V4."""
    assert await rows(4) == [["U1", "U2", "U3", "U4", "🔄"], ["V1", "V2", "V3", "V4"]]


async def test_a_result_has_one_button_of_each_kind_for_each_picture() -> None:
    """A single picture has U1 and V1."""
    assert await rows(1) == [["U1", "🔄"], ["V1"]]


async def test_discord_py_keeps_no_view_in_memory() -> None:
    """Otherwise a click would be handled twice, and memory would grow."""
    assert components.result_view("j1", 4).is_finished()
    assert components.cancel_view("j1").is_finished()


async def test_every_custom_id_matches_one_registered_pattern() -> None:
    """Each click reaches one feature: the patterns are disjoint on these ids."""
    for custom_id in all_custom_ids():
        matches = [pattern for pattern in PATTERNS if re.fullmatch(pattern, custom_id)]
        assert len(matches) == 1, custom_id


@given(st.data(), st.sampled_from(PATTERNS))
def test_patterns_are_disjoint(data: st.DataObject, pattern: str) -> None:
    """No custom id that matches one pattern matches another, so two features never share one."""
    custom_id = data.draw(st.from_regex(pattern, fullmatch=True))
    assert [other for other in PATTERNS if re.fullmatch(other, custom_id)] == [pattern]


def test_patterns_have_a_namespace_each() -> None:
    """All ids of a pattern start with one of its literal prefixes, which no other pattern has."""
    prefixes = [literal_prefixes(pattern) for pattern in PATTERNS]
    assert all(prefix.startswith("v1:") for group in prefixes for prefix in group)
    for first, second in combinations(prefixes, 2):
        assert not [(a, b) for a in first for b in second if a.startswith(b) or b.startswith(a)]


def literal_prefixes(pattern: str) -> set[str]:
    """The first two fields of the ids of a pattern, with the colon behind them if there is one.

    They must be literal: either a word or a named group of words.
    """
    field = r"[a-z0-9]+|\(\?P<\w+>[a-z|]+\)"
    match = re.match(rf"({field}):({field})(:|$)", pattern)
    assert match is not None, pattern
    first, second = (re.sub(r"^\(\?P<\w+>|\)$", "", part).split("|") for part in match.groups()[:2])
    return {f"{version}:{word}{match[3]}" for version in first for word in second}


async def test_every_custom_id_fits_into_discords_limit() -> None:
    """The limit is 100 characters: https://docs.discord.com/developers/components/reference."""
    assert all(1 <= len(custom_id) <= 100 for custom_id in all_custom_ids())


async def test_every_pattern_has_a_custom_id() -> None:
    """A pattern that no view uses would be a leftover of a removed feature."""
    for pattern in PATTERNS:
        assert any(re.fullmatch(pattern, custom_id) for custom_id in all_custom_ids()), pattern


def test_a_custom_id_has_action_job_and_picture() -> None:
    """These are the only state that a button has."""
    custom_id = components.custom_id("vary", "0123456789abcdef", 3)
    match = re.fullmatch(components.PATTERN, custom_id)
    assert match is not None
    assert match.groupdict() == {"action": "vary", "job": "0123456789abcdef", "nth": "3"}


@pytest.mark.parametrize(
    "custom_id", ["", "v0:vary:a:1", "v1:steal:a:1", "v1:vary:A';--:1", "v1:vary:a:9"]
)
def test_other_custom_ids_do_not_match(custom_id: str) -> None:
    """Malformed ids and ids of other versions are ignored."""
    assert not re.fullmatch(components.PATTERN, custom_id)
