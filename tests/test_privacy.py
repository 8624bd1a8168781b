"""/privacy shows and deletes the data of a user."""

import asyncio
import json

from PIL import Image

from bot.messages import privacy_text
from bot.playground import Upload
from tests.bot_harness import BotHarness, eventually
from tests.deletion import (
    DELETION_NOTE,
    JOBS_OF_USERS,
    delete,
    ephemeral_response,
    files,
    request_deletion,
    values_on_disk,
)
from tests.fake_engine import FakeEngine, flat
from tests.samples import encoded

MARKER = "quokkafruit"
"""A prompt that occurs nowhere else."""


def sketch(colour: str = "red") -> Upload:
    """A small init image."""
    return Upload("a.png", encoded(Image.new("RGB", (64, 64), colour)))


async def test_a_new_user_has_no_data(harness: BotHarness) -> None:
    """There is nothing to delete either."""
    response = await ephemeral_response(await harness.ada.slash("privacy show"))
    assert "no jobs and no pictures" in response.content
    assert response.attachments == []
    assert (await request_deletion(harness, harness.ada)).content == privacy_text.NOTHING


async def test_show_counts_and_exports_the_data(harness: BotHarness) -> None:
    """The exported file has everything except the pictures."""
    await harness.imagine(prompt=MARKER, count=2, sketch=sketch())
    await harness.imagine(count=1, negative="rain")
    await harness.imagine(harness.discord.person("Ben"), prompt="a blue house")
    response = await ephemeral_response(await harness.ada.slash("privacy show"))
    assert "2 jobs, 3 pictures and 1 input picture of yours, since <t:" in response.content
    assert "stored until you delete it" in response.content
    assert "no prompts, but" in response.content
    first, second = json.loads(response.attachments[0].data)
    assert first["recipes"][0]["prompt"] == MARKER
    assert second["recipes"][0]["negative"] == "rain"
    assert first["person"] == second["person"] == str(harness.ada.id)
    sums = [picture["sha256"] for picture in first["pictures"]]
    stored = harness.query("SELECT sha256 FROM pictures ORDER BY rowid LIMIT 2")
    assert sums == [row["sha256"] for row in stored]
    assert "blue" not in response.attachments[0].data.decode()


async def test_delete_removes_everything_but_statistics(harness: BotHarness) -> None:
    """Prompts, ids, pictures and sketches are deleted from the database and from disk."""
    await harness.imagine(prompt=MARKER, negative="rain", count=2, sketch=sketch(), seed=4711)
    grid = await harness.imagine(count=1)
    await harness.result(await harness.ada.click(grid, "U1"))
    assert len(files(harness)) == 4
    text = await delete(harness)
    assert "Deleted: 2 jobs, 3 pictures and 1 input picture." in text
    assert files(harness) == set()
    assert (
        harness.query("SELECT * FROM pictures")
        == harness.query("SELECT * FROM deliveries WHERE kind != 'card'")
        == []
    )
    first, second = harness.query("SELECT * FROM jobs ORDER BY rowid")
    for job in (first, second):
        assert (job["person"], job["channel"], job["guild"]) == (0, 0, None)
        assert job["erased"] == "wish"
        assert job["status"] == "done"
    assert [recipe["steps"] for recipe in json.loads(first["recipes"])] == [4, 4]
    assert {recipe["seed"] for recipe in json.loads(first["recipes"])} == {0}


async def test_deleted_data_is_in_no_file(harness: BotHarness) -> None:
    """The values are neither in the database nor in its write-ahead log."""
    words = [f"{MARKER}{nth}" for nth in range(20)]
    grids = [await harness.imagine(prompt=word, negative=f"not{word}", count=1) for word in words]
    requests = harness.query("SELECT request FROM jobs")
    ids: list[str | int] = [row["request"].split(":")[1] for row in requests]
    ids += [str(harness.ada.id), *(grid.id for grid in grids), grids[0].channel.id]
    assert set(values_on_disk(harness.data, *words, *ids)) >= {*words, *(grid.id for grid in grids)}
    await delete(harness)
    await eventually(lambda: not values_on_disk(harness.data, MARKER, *ids))
    # Usage records name the user for 24 hours.
    await harness.execute("UPDATE usage SET at = at - 86400")
    await eventually(lambda: not values_on_disk(harness.data, harness.ada.id))
    for grid in grids:  # the messages on Discord stay
        assert MARKER in grid.content


async def test_nothing_is_deleted_without_confirmation(harness: BotHarness) -> None:
    """The second button keeps everything."""
    await harness.imagine()
    confirmation = await request_deletion(harness, harness.ada)
    assert "permanently" in confirmation.content and "1 job and 4 pictures" in confirmation.content
    await harness.ada.click(confirmation, "Keep it")
    await harness.discord.until(lambda: not confirmation.buttons, why="the response")
    assert confirmation.content == "Nothing was deleted."
    assert len(harness.query(JOBS_OF_USERS)) == 1 and len(files(harness)) == 4


async def test_the_confirmation_works_in_dms_and_after_a_restart(harness: BotHarness) -> None:
    """The buttons have no timeout."""
    await harness.imagine()
    confirmation = await request_deletion(harness, harness.ada, where=harness.ada.dm)
    await harness.stop()
    await harness.start()
    await harness.ada.click(confirmation, "Delete everything")
    await harness.discord.until(lambda: not confirmation.buttons, why="it is deleted")
    assert "Deleted: 1 job and 4 pictures." in confirmation.content
    assert harness.query(JOBS_OF_USERS) == []


async def test_a_repeated_deletion_changes_nothing(harness: BotHarness) -> None:
    """Simultaneous confirmations are handled as well; later jobs can be deleted too."""
    await harness.imagine()
    confirmations = [await request_deletion(harness, harness.ada) for _ in range(2)]
    await asyncio.gather(
        *(harness.ada.click(confirmation, "Delete everything") for confirmation in confirmations)
    )
    for confirmation in confirmations:
        await harness.discord.until(lambda: not confirmation.buttons, why="both are answered")  # noqa: B023
        assert "Deleted" in confirmation.content or confirmation.content == privacy_text.NOTHING
    assert harness.query(JOBS_OF_USERS) == [] and files(harness) == set()
    assert (await request_deletion(harness, harness.ada)).content == privacy_text.NOTHING
    assert "Deleted" in await delete_again(harness)


async def delete_again(harness: BotHarness) -> str:
    """Run another job and delete it."""
    await harness.imagine()
    assert len(harness.query(JOBS_OF_USERS)) == 1
    return await delete(harness)


async def test_jobs_of_others_are_not_deleted(harness: BotHarness) -> None:
    """Their files are kept and their buttons still work."""
    ben = harness.discord.person("Ben")
    await harness.imagine()
    ben_grid = await harness.imagine(ben, prompt="a blue house")
    await delete(harness)
    assert len(files(harness)) == 4
    assert (await harness.result(await harness.ada.click(ben_grid, "U1"))).attachments
    assert "U4" in (await harness.result(await ben.click(ben_grid, "V1"))).buttons
    assert [row["person"] for row in harness.query(JOBS_OF_USERS)] == [ben.id, ben.id]


async def test_a_variation_by_another_user_is_not_deleted(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """It still works, but cannot be re-rolled without its parent."""
    ben = harness.discord.person("Ben")
    grid = await harness.imagine()
    varied_picture = await harness.result(await ben.click(grid, "V1"))
    await delete(harness)
    single = await harness.result(await ben.click(varied_picture, "U2"))
    assert single.attachments[0].data == flat(engine.paints[1].recipes[1])
    assert "U4" in (await harness.result(await ben.click(varied_picture, "V3"))).buttons
    refusal = await harness.refusal(await ben.click(varied_picture, "🔄"))
    assert (
        refusal.startswith("These are variations of another picture.") and DELETION_NOTE in refusal
    )


async def test_a_shared_sketch_is_deleted_with_its_last_job(harness: BotHarness) -> None:
    """Until then, the job of the other user works."""
    ben = harness.discord.person("Ben")
    await harness.imagine(sketch=sketch())
    ben_grid = await harness.imagine(ben, sketch=sketch())
    (name,) = (file for file in files(harness) if file.startswith("sources/"))
    await delete(harness)
    assert name in files(harness)
    assert "U1" in (await harness.result(await ben.click(ben_grid, "🔄"))).buttons
    await delete(harness, ben)
    assert files(harness) == set()


async def test_a_variation_by_another_user_keeps_the_sketch(harness: BotHarness) -> None:
    """The variation can itself be varied."""
    ben = harness.discord.person("Ben")
    grid = await harness.imagine(sketch=sketch())
    varied_picture = await harness.result(await ben.click(grid, "V1"))
    await delete(harness)
    assert "U1" in (await harness.result(await ben.click(varied_picture, "V2"))).buttons
