"""Bugs of other Discord bots for Stable Diffusion, each with the tests that this one does not have
it: those listed in TESTS, and the stories in this file."""

import ast
import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.domain.limits import LIMITS
from bot.playground import Interaction, Message, Person, Upload
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.fake_engine import FakeEngine

TESTS: Mapping[str, tuple[str, ...]] = {
    "A re-roll of img2img loses its source": (
        "test_result_buttons.py::test_a_reroll_repeats_everything_but_the_seed",
        "test_sketch_menu.py::test_rerolls_and_variations_keep_the_sketch",
        "test_stories.py::test_an_init_image_determines_the_shape",
    ),
    "V gives the picture next to the one that was pressed": (
        "test_result_buttons.py::test_v_makes_four_variations_of_that_picture",
        "test_stories.py::test_each_button_works",
        "test_stories.py::test_a_variation_of_a_variation_is_nearest_to_it",
        "test_rival_bugs.py::test_each_of_many_pictures_has_its_own_seed",
    ),
    "Buttons are dead after a restart or ten minutes": (
        "test_result_buttons.py::test_buttons_work_after_a_restart",
        "test_old_data.py::test_old_buttons_work",
        "test_rival_bugs.py::test_buttons_work_after_days",
    ),
    "A picture of a batch is labelled with the wrong seed": (
        "test_full_size.py::test_u_posts_the_stored_picture",
        "test_rival_bugs.py::test_each_of_many_pictures_has_its_own_seed",
    ),
    "Cancel drops jobs of others": (
        "test_queue.py::test_my_jobs_are_listed_and_cancelled",
        "test_result_buttons.py::test_only_the_owner_and_moderators_can_cancel",
        "test_rival_bugs.py::test_cancel_ends_one_job",
    ),
    "An error before the queue leaves a position in the message": (
        "test_imagine.py::test_a_bad_sketch_is_refused_in_an_ephemeral_message",
        "test_imagine.py::test_a_failed_job_shows_the_reason",
        "test_job_service.py::test_a_job_that_crashes_the_engine_fails",
        "test_rival_bugs.py::test_an_error_leaves_no_position",
    ),
    "A message shows the progress of another job": (
        "test_stories.py::test_concurrent_users_get_their_own_results",
        "test_rival_bugs.py::test_a_message_shows_its_own_job_alone",
    ),
    "A photo is distorted, because each axis is clamped": (
        "test_fit.py::test_a_square_stays_a_square",
        "test_sketch_menu.py::test_a_photo_is_not_distorted",
    ),
    "10062 or 50027 after a slow start or 15 minutes": (
        "test_conditions.py::test_an_unknown_interaction_starts_nothing",
        "test_conditions.py::test_events_that_are_repeated_after_a_resume_start_nothing",
        "test_delivery.py::test_after_the_token_expires_the_channel_is_used",
        "test_user_installs.py::test_a_job_that_outlasts_the_token",
    ),
    "An upload is over the limit": (
        "test_upload_limits.py::test_a_grid_fits_a_lower_limit",
        "test_upload_limits.py::test_nothing_fits",
        "test_picture_files.py::test_a_large_picture_is_made_to_fit",
    ),
    "An exception is answered with a guessed reason": (
        "test_job_service.py::test_an_unexpected_error_does_not_blame_the_sketch",
        "test_delivery_faults.py::test_a_bug_in_a_delivery_is_reported_once",
    ),
    "The bot finds out after painting that it cannot post": (
        "test_unreachable_messages.py::test_an_interaction_where_the_bot_may_not_post_is_refused",
        "test_unreachable_messages.py::test_a_reaction_where_the_bot_may_not_reply_is_answered_by_dm",
        "test_unreachable_messages.py::test_a_bot_that_is_timed_out_refuses_jobs",
    ),
}
DAYS = 3 * 86_400.0


@pytest.mark.parametrize("bug", TESTS)
def test_each_bug_has_tests(bug: str) -> None:
    """Those of the table exist."""
    for address in TESTS[bug]:
        file, _, name = address.partition("::")
        tree = ast.parse((Path(__file__).parent / file).read_text("utf-8"))
        functions = [getattr(node, "name", "") for node in tree.body]
        assert name in functions, address


@pytest.fixture
def ben(harness: BotHarness) -> Person:
    """Another user."""
    return harness.discord.person("Ben")


async def shown(harness: BotHarness, interaction: Interaction, text: str) -> Message:
    """The response, once it has this text."""
    await harness.discord.until(
        lambda: interaction.response and text in interaction.response.content, why=text
    )
    assert interaction.response is not None
    return interaction.response


async def test_buttons_work_after_days(
    harness: BotHarness, engine: FakeEngine, ben: Person
) -> None:
    """Without a restart, and for others: nothing of them is kept in memory."""
    grid = await harness.imagine()
    single = await harness.result(await harness.ada.click(grid, "U3"))
    harness.clock_offset = DAYS
    harness.discord.clock.advance(DAYS)
    for message, label in ((grid, "U1"), (grid, "V2"), (grid, "🔄"), (single, "V strong")):
        assert (await harness.result(await ben.click(message, label))).attachments
    form = await ben.click(single, "✏️ Remix")
    await harness.discord.until(partial(getattr, form, "modal"), why="the form")
    assert (await harness.result(await ben.submit(form, {"prompt": "a hut"}))).attachments


async def test_each_of_many_pictures_has_its_own_seed(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """In the message, in the name of the file and in what is painted of it."""
    grid = await harness.imagine(count=9, seed=100)
    [job] = harness.query("SELECT id FROM jobs")
    for nth in (1, 7, 9):
        interaction = await harness.ada.choose(grid, f"v1:open:{job['id']}:0", str(nth))
        single = await harness.result(interaction)
        assert f"seed {99 + nth}" in single.content
        assert single.attachments[0].filename == f"{job['id']}-{nth}.png"
        await harness.result(await harness.ada.click(single, "V subtle"))
        assert {item.recipe.seed for item in engine.paints[-1].recipes} == {99 + nth}


async def test_cancel_ends_one_job(harness: BotHarness, engine: FakeEngine, ben: Person) -> None:
    """The one of the button: others of the same user, and of others, are painted."""
    engine.gate.clear()
    requests = [
        await person.slash("imagine", prompt=f"{person.name} {number}")
        for number in (1, 2, 3)
        for person in (harness.ada, ben)
    ]
    await eventually(lambda: len(harness.query("SELECT * FROM jobs")) == 6)
    third = requests[4]
    message = await shown(harness, third, "Ada 3")
    await harness.discord.until(lambda: "✖ Cancel" in message.buttons, why="the button")
    await harness.ada.click(message, "✖ Cancel")
    assert "Cancelled" in (await harness.result(third)).content
    engine.gate.set()
    for request in requests:
        if request is not third:
            assert (await harness.result(request)).buttons == ALL_BUTTONS
    rows = harness.query("SELECT status, count(*) AS n FROM jobs GROUP BY status")
    assert {row["status"]: row["n"] for row in rows} == {"cancelled": 1, "done": 5}


async def test_an_error_leaves_no_position(harness: BotHarness, engine: FakeEngine) -> None:
    """A job that waits behind others fails, or its file turns out to be none: its message has
    neither a position nor a button afterwards."""
    engine.gate.clear()
    for number in range(LIMITS.max_running_total):
        await harness.discord.person(f"User {number}").slash("imagine", prompt="a boat")
    await eventually(lambda: len(engine.paints) == LIMITS.max_running_total)
    waiting = await harness.ada.slash("imagine", prompt="a red house")
    message = await shown(harness, waiting, "ahead of you")
    broken = await harness.ada.slash("imagine", prompt="a hut", sketch=Upload("a.png", b"x"))
    assert "sketch" in await harness.refusal(broken)
    await harness.discord.until(lambda: broken.response and broken.response.deleted, why="no rest")
    engine.failure = "The engine has run out of memory."
    engine.gate.set()
    await harness.result(waiting)
    assert "run out of memory" in message.content and "ahead" not in message.content
    assert "✖ Cancel" not in message.buttons


async def test_a_message_shows_its_own_job_alone(
    harness: BotHarness, engine: FakeEngine, ben: Person
) -> None:
    """While two are painted, and after the first one has ended and the other goes on."""
    engine.gate.clear()
    first = await harness.ada.slash("imagine", prompt="a red house", steps=4)
    second = await ben.slash("imagine", prompt="a blue boat", steps=4)
    house, boat = await asyncio.gather(
        shown(harness, first, "Painting"), shown(harness, second, "Painting")
    )
    await harness.ada.click(house, "✖ Cancel")
    await harness.result(first)
    updates = len(edits(harness, house))
    engine.gate.set()
    await harness.result(second)
    assert len(edits(harness, house)) == updates
    for message, words, other in ((house, "red house", "boat"), (boat, "blue boat", "house")):
        contents = [event["content"] for event in edits(harness, message)]
        assert contents and all(words in text and other not in text for text in contents)


def edits(harness: BotHarness, message: Message) -> list[dict[str, Any]]:
    """The events about the edits of a message that have a text."""
    return [
        event.data
        for event in harness.events
        if event.name == "MESSAGE_UPDATE"
        and event.data["id"] == str(message.id)
        and event.data.get("content")
    ]
