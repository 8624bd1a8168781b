"""/privacy shows and deletes the data of a user."""

import asyncio
import json

from PIL import Image

from bot.messages import privacy_text
from bot.playground import Upload
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
from tests.house import House, eventually
from tests.samples import encoded

MARKER = "quokkafruit"
"""A prompt that occurs nowhere else."""


def sketch(colour: str = "red") -> Upload:
    """A small init image."""
    return Upload("a.png", encoded(Image.new("RGB", (64, 64), colour)))


async def test_a_new_user_has_no_data(house: House) -> None:
    """There is nothing to delete either."""
    response = await ephemeral_response(await house.ada.slash("privacy show"))
    assert "no jobs and no pictures" in response.content
    assert response.attachments == []
    assert (await request_deletion(house, house.ada)).content == privacy_text.NOTHING


async def test_show_counts_and_exports_the_data(house: House) -> None:
    """The exported file has everything except the pictures."""
    await house.imagine(prompt=MARKER, count=2, sketch=sketch())
    await house.imagine(count=1, negative="rain")
    await house.imagine(house.discord.person("Ben"), prompt="a blue house")
    response = await ephemeral_response(await house.ada.slash("privacy show"))
    assert "2 jobs, 3 pictures and 1 sketch of yours, since <t:" in response.content
    assert "stored until you delete it" in response.content
    assert "no prompts, but" in response.content
    first, second = json.loads(response.attachments[0].data)
    assert first["recipes"][0]["prompt"] == MARKER
    assert second["recipes"][0]["negative"] == "rain"
    assert first["person"] == second["person"] == str(house.ada.id)
    sums = [picture["sha256"] for picture in first["pictures"]]
    assert sums == [row["sha256"] for row in house.query("SELECT sha256 FROM pictures LIMIT 2")]
    assert "blue" not in response.attachments[0].data.decode()


async def test_delete_removes_everything_but_statistics(house: House) -> None:
    """Prompts, ids, pictures and sketches are deleted from the database and from disk."""
    await house.imagine(prompt=MARKER, negative="rain", count=2, sketch=sketch(), seed=4711)
    grid = await house.imagine(count=1)
    await house.result(await house.ada.click(grid, "U1"))
    assert len(files(house)) == 4
    text = await delete(house)
    assert "Deleted: 2 jobs, 3 pictures and 1 sketch." in text
    assert files(house) == set()
    assert house.query("SELECT * FROM pictures") == house.query("SELECT * FROM job_messages") == []
    first, second = house.query("SELECT * FROM jobs ORDER BY rowid")
    for job in (first, second):
        assert (job["person"], job["channel"], job["guild"], job["message"]) == (0, 0, None, None)
        assert (job["application"], job["token"], job["erased"]) == (None, None, "wish")
        assert job["status"] == "done"
    assert [recipe["steps"] for recipe in json.loads(first["recipes"])] == [4, 4]
    assert {recipe["seed"] for recipe in json.loads(first["recipes"])} == {0}


async def test_deleted_data_is_in_no_file(house: House) -> None:
    """The values are neither in the database nor in its write-ahead log."""
    words = [f"{MARKER}{nth}" for nth in range(20)]
    grids = [await house.imagine(prompt=word, negative=f"not{word}", count=1) for word in words]
    requests = house.query("SELECT request FROM jobs")
    ids: list[str | int] = [row["request"].split(":")[1] for row in requests]
    ids += [str(house.ada.id), *(grid.id for grid in grids), grids[0].channel.id]
    assert set(values_on_disk(house.data, *words, *ids)) >= {*words, *(grid.id for grid in grids)}
    await delete(house)
    await eventually(lambda: not values_on_disk(house.data, MARKER, *ids))
    # Usage records name the user for 24 hours.
    await asyncio.to_thread(house.execute, "UPDATE usage SET at = at - 86400")
    await eventually(lambda: not values_on_disk(house.data, house.ada.id))
    for grid in grids:  # the messages on Discord stay
        assert MARKER in grid.content


async def test_nothing_is_deleted_without_confirmation(house: House) -> None:
    """The second button keeps everything."""
    await house.imagine()
    confirmation = await request_deletion(house, house.ada)
    assert "permanently" in confirmation.content and "1 job and 4 pictures" in confirmation.content
    await house.ada.click(confirmation, "Keep it")
    await house.discord.until(lambda: not confirmation.buttons, why="the response")
    assert confirmation.content == "Nothing was deleted."
    assert len(house.query(JOBS_OF_USERS)) == 1 and len(files(house)) == 4


async def test_the_confirmation_works_in_dms_and_after_a_restart(house: House) -> None:
    """The buttons have no timeout."""
    await house.imagine()
    confirmation = await request_deletion(house, house.ada, where=house.ada.dm)
    await house.stop()
    await house.start()
    await house.ada.click(confirmation, "Delete everything")
    await house.discord.until(lambda: not confirmation.buttons, why="it is deleted")
    assert "Deleted: 1 job and 4 pictures." in confirmation.content
    assert house.query(JOBS_OF_USERS) == []


async def test_a_repeated_deletion_changes_nothing(house: House) -> None:
    """Simultaneous confirmations are handled as well; later jobs can be deleted too."""
    await house.imagine()
    confirmations = [await request_deletion(house, house.ada) for _ in range(2)]
    await asyncio.gather(
        *(house.ada.click(confirmation, "Delete everything") for confirmation in confirmations)
    )
    for confirmation in confirmations:
        await house.discord.until(lambda: not confirmation.buttons, why="both are answered")  # noqa: B023
        assert "Deleted" in confirmation.content or confirmation.content == privacy_text.NOTHING
    assert house.query(JOBS_OF_USERS) == [] and files(house) == set()
    assert (await request_deletion(house, house.ada)).content == privacy_text.NOTHING
    assert "Deleted" in await delete_again(house)


async def delete_again(house: House) -> str:
    """Run another job and delete it."""
    await house.imagine()
    assert len(house.query(JOBS_OF_USERS)) == 1
    return await delete(house)


async def test_jobs_of_others_are_not_deleted(house: House) -> None:
    """Their files are kept and their buttons still work."""
    ben = house.discord.person("Ben")
    await house.imagine()
    ben_grid = await house.imagine(ben, prompt="a blue house")
    await delete(house)
    assert len(files(house)) == 4
    assert (await house.result(await house.ada.click(ben_grid, "U1"))).attachments
    assert "U4" in (await house.result(await ben.click(ben_grid, "V1"))).buttons
    assert [row["person"] for row in house.query(JOBS_OF_USERS)] == [ben.id, ben.id]


async def test_a_variation_by_another_user_is_not_deleted(house: House, engine: FakeEngine) -> None:
    """It still works, but cannot be re-rolled without its parent."""
    ben = house.discord.person("Ben")
    grid = await house.imagine()
    varied_picture = await house.result(await ben.click(grid, "V1"))
    await delete(house)
    single = await house.result(await ben.click(varied_picture, "U2"))
    assert single.attachments[0].data == flat(engine.paints[1].recipes[1])
    assert "U4" in (await house.result(await ben.click(varied_picture, "V3"))).buttons
    refusal = await house.refusal(await ben.click(varied_picture, "🔄"))
    assert (
        refusal.startswith("These are variations of another picture.") and DELETION_NOTE in refusal
    )


async def test_a_shared_sketch_is_deleted_with_its_last_job(house: House) -> None:
    """Until then, the job of the other user works."""
    ben = house.discord.person("Ben")
    await house.imagine(sketch=sketch())
    ben_grid = await house.imagine(ben, sketch=sketch())
    (name,) = (file for file in files(house) if file.startswith("sources/"))
    await delete(house)
    assert name in files(house)
    assert "U1" in (await house.result(await ben.click(ben_grid, "🔄"))).buttons
    await delete(house, ben)
    assert files(house) == set()


async def test_a_variation_by_another_user_keeps_the_sketch(house: House) -> None:
    """The variation can itself be varied."""
    ben = house.discord.person("Ben")
    grid = await house.imagine(sketch=sketch())
    varied_picture = await house.result(await ben.click(grid, "V1"))
    await delete(house)
    assert "U1" in (await house.result(await ben.click(varied_picture, "V2"))).buttons
