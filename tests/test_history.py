"""/history: the own results, privately, in pages, with a search."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.db import migrations
from bot.db.database import FILENAME, Database
from bot.db.rows import from_job, from_picture
from bot.domain.history import HistoryFilter
from bot.messages import history_texts
from bot.playground import Interaction, Message
from bot.playground.client.options import Value
from tests.bot_harness import BotHarness, eventually
from tests.samples import job, picture, recipe
from tests.stored_jobs import delivered_job
from tests.test_db_migrations import insert, opened

BEFORE = 23
"""The last version without the table."""


async def page(harness: BotHarness, **options: Value) -> Message:
    """The private response to /history by Ada."""
    interaction = await harness.ada.invoke("history", options)
    return await private(harness, interaction)


async def private(harness: BotHarness, interaction: Interaction) -> Message:
    """The private response, once it has a text."""

    def answers() -> list[Message]:
        return [m for m in interaction.ephemerals if m.content.strip("…")]

    await harness.discord.until(answers, why="a private response")
    return answers()[0]


async def test_the_own_results_are_paged_and_shown(harness: BotHarness) -> None:
    """Newest first, with a thumbnail of each; the buttons work after a restart, and a choice brings
    the result back for all."""
    for nth in range(8):
        await harness.imagine(prompt=f"boat {nth}", count=1, seed=nth)
    await harness.imagine(harness.discord.person("Ben"), prompt="not Ada's", count=1)
    message = await page(harness)
    assert message.content.startswith("🗂 **8 results** · page 1 of 2\n`1` boat 7 · <t:")
    with Image.open(BytesIO(message.attachments[0].data)) as sheet:
        assert sheet.size == (3 * 260 - 4, 2 * 260 - 4)
    await harness.stop()
    await harness.start()
    await harness.ada.click(message, "Older ▶")
    await harness.discord.until(lambda: "page 2 of 2" in message.content, why="the second page")
    assert "`8` boat 0" in message.content and "boat 7" not in message.content
    with Image.open(BytesIO(message.attachments[0].data)) as sheet:
        assert sheet.size == (2 * 260 - 4, 256)
    [row] = harness.query(
        "SELECT id FROM jobs WHERE plan LIKE '%boat 0%' OR recipes LIKE '%boat 0%'"
    )
    result = await harness.result(
        await harness.ada.choose(message, history_texts.SHOW_ID, row["id"])
    )
    assert "boat 0" in result.content and result.attachments and "U1" in result.buttons
    assert not result.flags & 64
    await eventually(
        lambda: not harness.query("SELECT 1 FROM deliveries WHERE delivered_at IS NULL")
    )


async def test_words_models_and_days_are_filters(harness: BotHarness) -> None:
    """Together; a page remembers them."""
    await harness.imagine(prompt="Ein BLAUES Boot, 100% `Öl`", count=1)
    await harness.imagine(prompt="a red house", count=1)
    message = await page(harness, words="boot ÖL 0%", model="flat", since="today", until="today")
    assert message.content.startswith("🗂 **1 result** · with “boot ÖL 0%” · by flat · since <t:")
    assert "Ein BLAUES Boot, 100% \\`Öl\\`" in message.content
    searches: list[dict[str, Value]] = [
        {"words": "boot house"},
        {"words": "_"},
        {"until": "2020-01"},
    ]
    for options in searches:
        assert (await page(harness, **options)).content == history_texts.NO_MATCH
    interaction = await harness.ada.complete("history", "model", "FL")
    await harness.discord.until(lambda: interaction.choices is not None, why="choices")
    assert [choice["value"] for choice in interaction.choices or ()] == ["flat"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"since": "soon"}, "“soon” is no day."),
        ({"since": "2026-02-30"}, "“2026-02-30” is no day."),
        ({"since": "9999w"}, "“9999w” is no day."),
        ({"since": "today", "until": "7d"}, "`since` is after `until`"),
        ({"words": "\U0001f697" * 48}, "at most 48 characters"),
        ({"model": "other"}, "You have no finished pictures yet."),
    ],
)
async def test_bad_filters_are_refused(
    harness: BotHarness, options: dict[str, Value], sentence: str
) -> None:
    """Privately, in one sentence."""
    interaction = await harness.ada.invoke("history", options)
    assert sentence in await harness.refusal(interaction)


async def test_without_results_it_says_so(harness: BotHarness) -> None:
    """There are no buttons."""
    message = await page(harness)
    assert message.content == history_texts.NOTHING and not message.buttons


async def test_words_are_found_in_all_scripts(db: Database) -> None:
    """Parts of words, in any case and form; signs of LIKE are signs. Erased jobs are not found."""
    prompts = ["赤い家", "ＦＵＬＬ width", "50% off_white", "Éclair"]
    for nth, prompt in enumerate(prompts):
        work = recipe(prompt=prompt, negative="rain")
        await delivered_job(db, f"j{nth}", recipes=(work,), created_at=100.0 + nth, user_id=3)

    async def matches(words: str) -> list[str]:
        return [job.id for job in await db.history.latest(3, words, 10)]

    assert await matches("") == ["j3", "j2", "j1", "j0"]
    for words, expected in [("い家", "j0"), ("full", "j1"), ("0% f_w", "j2"), ("ÉCL", "j3")]:
        assert await matches(words) == [expected]
    assert await matches("rain") == [] and await matches("0_") == []
    found = await db.history.page(3, HistoryFilter(since=101.0, until=103.0), 9, 1)
    assert ([job.id for job in found.jobs], found.number, found.count) == (["j1"], 1, 2)
    assert await db.history.models(3) == ["flat"]
    await db.erasure.erase_user(3, now=500.0)
    assert await matches("") == []


async def test_jobs_of_older_versions_are_found_in_all_scripts(tmp_path: Path) -> None:
    """SQLite lowers ASCII letters only."""
    path = tmp_path / FILENAME
    migrations.migrate(path, migrations.migrations()[:BEFORE])
    work = recipe(prompt="ÄPFEL im Straßencafé ЁЛКА ＷＩＤＥ Éclair")
    with opened(path) as connection:
        insert(connection, "jobs", from_job(job("j1", user_id=3, recipes=(work,))))
        insert(connection, "pictures", from_picture(picture("j1", recipe=work)))
        connection.execute("UPDATE jobs SET status = 'done', ended_at = 5.0, attempt = 1")
    migrations.migrate(path)
    async with Database(path) as db:
        for words in ("äpfel", "STRASSENCAFÉ", "ёлка", "wide", "ÉCLAIR", "im éclair"):
            assert [item.id for item in await db.history.latest(3, words, 10)] == ["j1"], words


def test_the_longest_custom_id_is_allowed() -> None:
    """Discord allows 100 characters."""
    chosen = HistoryFilter(words="x" * 48, model="m" * 300, since=4e9, until=4e9)
    assert len(history_texts.page_id(999999, chosen)) <= 100
