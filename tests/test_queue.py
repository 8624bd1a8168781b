"""/queue lists unfinished jobs, and cancels them."""

import asyncio
from typing import Any

import discord
import pytest

from bot.domain.job import Progress
from bot.domain.plan import PlanDetails
from bot.messages import queue_panel
from bot.messages.queue_panel import PAGE_JOBS, Scope
from bot.playground import Interaction, Message, Person
from bot.playground.model.messages import MessageFlags, walk_components
from bot.services.queue_view import Queue, QueuedJob
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.samples import job


async def open_panel(harness: BotHarness, person: Person) -> Message:
    """The private response to /queue."""
    interaction = await person.slash("queue")
    await harness.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[0].text, why="the queue"
    )
    (message,) = interaction.ephemerals
    return message


async def paint(harness: BotHarness, person: Person, *prompts: str) -> list[Interaction]:
    """Commands whose jobs do not end while the engine's gate is closed."""
    jobs = [await person.slash("imagine", prompt=prompt) for prompt in prompts]
    await harness.discord.until(
        lambda: all(item.response and item.response.buttons for item in jobs), why="the jobs"
    )
    return jobs


@pytest.fixture(autouse=True)
def _gate(engine: FakeEngine) -> None:
    engine.gate.clear()


async def test_my_jobs_are_listed_and_cancelled(harness: BotHarness, ben: Person) -> None:
    """Those of others are not; nothing is public."""
    house, boat = await paint(harness, harness.ada, "a house", "a boat")
    await paint(harness, ben, "a tree")
    panel = await open_panel(harness, harness.ada)
    assert "**Your jobs**: 2 of 3 in the queue" in panel.text
    assert "1. **a house** · " in panel.text and "2. **a boat** · " in panel.text
    assert "a tree" not in panel.text and f"/{house.response.id}" in panel.text  # type: ignore[union-attr]
    assert panel.buttons == ["✖ 1", "✖ 2", "🔄 Refresh"]
    await harness.ada.click(panel, "✖ 2")
    assert (await harness.result(boat)).content.endswith("Cancelled.")
    await harness.discord.until(lambda: "✖ Cancelled." in panel.text, why="the new list")
    assert "a boat" not in panel.text and "a house" in panel.text
    assert panel.buttons == ["✖ 1", "🔄 Refresh"]
    assert len(harness.discord.messages()) == 3


async def test_a_button_pressed_after_the_end_says_so(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The list is that of now."""
    (house,) = await paint(harness, harness.ada, "a house")
    panel = await open_panel(harness, harness.ada)
    engine.gate.set()
    await harness.result(house)
    await harness.ada.click(panel, "✖ 1")
    await harness.discord.until(lambda: "ended already" in panel.text, why="the reason")
    assert "You have no jobs" in panel.text and panel.buttons == ["🔄 Refresh"]
    assert harness.query("SELECT status FROM jobs")[0]["status"] == "done"


async def test_a_button_pressed_twice_cancels_once(harness: BotHarness) -> None:
    """The second press finds the job cancelled."""
    (house, _) = await paint(harness, harness.ada, "a house", "a boat")
    panel = await open_panel(harness, harness.ada)
    presses = await asyncio.gather(
        *(harness.ada.click(panel, "✖ 1") for _ in range(2)), return_exceptions=True
    )
    assert not [press for press in presses if isinstance(press, Exception)]
    await harness.discord.until(
        lambda: "a house" not in panel.text and "a boat" in panel.text, why="the new list"
    )
    statuses = [row["status"] for row in harness.query("SELECT status FROM jobs ORDER BY rowid")]
    assert statuses.count("cancelled") == 1 and statuses[0] == "cancelled"
    assert (await harness.result(house)).content.endswith("Cancelled.")


async def test_buttons_work_after_a_restart(harness: BotHarness, engine: FakeEngine) -> None:
    """They have all of their state."""
    (house,) = await paint(harness, harness.ada, "a house")
    panel = await open_panel(harness, harness.ada)
    await harness.stop()
    await harness.start()
    await eventually(lambda: engine.paints)
    await harness.ada.click(panel, "✖ 1")
    assert (await harness.result(house)).content.endswith("Cancelled.")
    await harness.discord.until(lambda: "✖ Cancelled." in panel.text, why="the new list")


async def test_moderators_see_and_cancel_all_of_the_server(
    harness: BotHarness, ben: Person, mo: Person
) -> None:
    """But not the jobs of channels that they cannot open, and not those of other servers."""
    (tree,) = await paint(harness, ben, "a tree")
    other_guild = harness.discord.add_guild("Other")
    harness.ada.join(other_guild)
    await harness.ada.invoke("imagine", {"prompt": "a boat"}, where=other_guild.channel)
    await eventually(lambda: len(harness.query("SELECT 1 FROM jobs")) == 2)
    panel = await open_panel(harness, mo)
    assert "You have no jobs" in panel.text
    await harness.ada.click(await open_panel(harness, harness.ada), "🔄 Refresh")
    await mo.click(panel, "All of this server")
    await harness.discord.until(lambda: "a tree" in panel.text, why="the jobs of the server")
    assert f"<@{ben.id}>" in panel.text and "a boat" not in panel.text
    assert "**Jobs of this server**: 1 of 2 in the queue" in panel.text
    await mo.click(panel, "✖ 1")
    assert (await harness.result(tree)).content.endswith("Cancelled.")


async def test_others_have_no_button_for_all_jobs(harness: BotHarness, ben: Person) -> None:
    """They see their own alone."""
    await paint(harness, ben, "a tree")
    panel = await open_panel(harness, harness.ada)
    assert panel.buttons == ["🔄 Refresh"] and "a tree" not in panel.text


def shown(view: discord.ui.LayoutView) -> str:
    """The texts of a panel, one a line; it keeps to Discord's limit of 40 components."""
    assert view.total_children_count <= 40 and view.content_length() <= 4000
    return "\n".join(
        item.content for item in view.walk_children() if isinstance(item, discord.ui.TextDisplay)
    )


async def test_a_long_queue_has_pages() -> None:
    """Each with the numbers that go on."""
    jobs = tuple(
        QueuedJob(job(f"{n:024}"), Progress(jobs_ahead=n)) for n in range(2 * PAGE_JOBS + 1)
    )
    queue = Queue(jobs=jobs, total=40)
    assert queue_panel.page_count(queue) == 3
    pages = [
        shown(queue_panel.panel(queue, Scope.SERVER, page, is_moderator=True)) for page in range(3)
    ]
    assert [page.count("\n") for page in pages] == [PAGE_JOBS, PAGE_JOBS, 1]
    assert pages[2].splitlines()[1].startswith("11. ") and "page 3 of 3" in pages[2]


async def test_moderators_do_not_see_private_prompts() -> None:
    """They can cancel such a job all the same; its author sees the prompt."""
    private = job(plan=PlanDetails(prompt="a secret", is_private=True))
    queue = Queue(jobs=(QueuedJob(private, Progress(percent=5)),), total=1)
    text = shown(queue_panel.panel(queue, Scope.SERVER, 0, is_moderator=True))
    assert "a secret" not in text and "1. *in private* · <@1> · Painting… 5 %" in text
    assert "a secret" in shown(queue_panel.panel(queue, Scope.MINE, 0, is_moderator=False))


async def test_a_panel_of_an_older_version_becomes_the_new_one(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its text is replaced."""
    (house,) = await paint(harness, harness.ada, "a house")
    panel = await open_panel(harness, harness.ada)
    panel.flags &= ~MessageFlags.COMPONENTS_V2
    panel.content = "**Your jobs**: 1 of 1 in the queue"
    panel.components = [{"type": 1, "id": 1, "components": [button_of(panel, "✖ 1")]}]
    await harness.ada.click(panel, "✖ 1")
    await harness.discord.until(lambda: "✖ Cancelled." in panel.text, why="the new list")
    assert panel.content == "" and panel.flags & MessageFlags.COMPONENTS_V2
    await harness.result(house)


def button_of(message: Message, label: str) -> dict[str, Any]:
    """The button of this label."""
    return next(part for part in walk_components(message.components) if part.get("label") == label)
