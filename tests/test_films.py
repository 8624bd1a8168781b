"""🎬 Film: the steps of a picture as a video, from its button and from the Apps menu."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from PIL import Image, ImageChops, ImageStat

from bot.messages.captured import DIFFERS
from bot.playground import Fault, Message, Upload
from engine.contract import Capture
from engine.imaging import video
from tests.bot_harness import BotHarness, eventually, is_finished
from tests.deletion import delete, files
from tests.fake_engine import FakeEngine, flat_image, png
from tests.nsfw_watch import choose, restrict


async def film_of(harness: BotHarness, message: Message, nth: int = 1) -> Message:
    """The film of a picture of a result, by the button below the picture."""
    picture = await harness.result(await harness.ada.click(message, f"U{nth}"))
    return await harness.result(await harness.ada.click(picture, "🎬 Film"))


def film_in(message: Message) -> bytes:
    """The only attachment, which is a film."""
    [attachment] = message.attachments
    assert attachment.filename.endswith(".mp4")
    assert attachment.content_type == "video/mp4"
    return attachment.data


def last_frame(film: bytes) -> Image.Image:
    *_, frame = video.decode(film)
    return frame


def is_near(a: Image.Image, b: Image.Image) -> bool:
    """Whether the first image, at the size of the second, hardly differs from it."""
    difference = ImageChops.difference(a.resize(b.size), b.convert("RGB"))
    return max(ImageStat.Stat(difference).mean) < 6


async def test_the_button_shows_a_film_of_the_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The recipe is painted again as it is, with its row class, and the film ends with it."""
    grid = await harness.imagine()
    film = await film_of(harness, grid, 3)
    painted, again = engine.paints
    assert again.recipes == (painted.recipes[2],)
    assert again.capture.film
    assert not again.adaptive and not again.fingerprint
    assert is_near(last_frame(film_in(film)), flat_image(painted.recipes[2]))
    assert film.content.startswith("Film: **a red house**")
    assert DIFFERS not in film.content
    [edge] = harness.query("SELECT * FROM lineage")
    [job] = harness.query("SELECT * FROM jobs WHERE kind = 'film'")
    [parent] = harness.query("SELECT * FROM pictures WHERE nth = 3")
    assert (edge["child"], edge["parent"]) == (f"{job['id']}-1", parent["id"])
    assert edge["relation"] == "film"


async def test_the_film_fits_into_the_upload_limit(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine gets the limit that Discord reports."""
    await film_of(harness, await harness.imagine())
    assert engine.paints[-1].capture == Capture(film=True, film_bytes=10 * 1024 * 1024)


async def test_the_apps_menu_asks_which_picture(harness: BotHarness, engine: FakeEngine) -> None:
    """A grid has several, so its user chooses one in a private menu."""
    grid = await harness.imagine()
    interaction = await harness.ada.use("Film", grid)
    await harness.discord.until(lambda: interaction.ephemerals, why="the menu")
    [question] = interaction.ephemerals
    [job] = harness.query("SELECT * FROM jobs")
    chosen = await harness.ada.choose(question, f"v1:filmof:{job['id']}:0", "2")
    film = await harness.result(chosen)
    assert is_near(last_frame(film_in(film)), flat_image(engine.paints[0].recipes[1]))


async def test_the_apps_menu_of_one_picture_asks_nothing(harness: BotHarness) -> None:
    """A film of a film is a film of the same picture."""
    single = await harness.imagine(count=1)
    film = await harness.result(await harness.ada.use("Film", single))
    again = await harness.result(await harness.ada.use("Film", film))
    assert film_in(again) == film_in(film)


async def test_a_sketch_is_used_again(harness: BotHarness, engine: FakeEngine) -> None:
    """It is read from the data folder; the engine gets it once more."""
    sketch = Upload("sketch.png", png(Image.new("RGB", (64, 64), "red")))
    await film_of(harness, await harness.imagine(sketch=sketch, strength=0.5))
    assert engine.paints[1].inputs == engine.paints[0].inputs
    assert len(engine.paints[1].inputs) == 1


async def test_a_changed_picture_is_reported(harness: BotHarness) -> None:
    """Other software may paint other pixels; the message says so."""
    grid = await harness.imagine()
    await harness.execute("UPDATE pictures SET sha256 = ?", "a" * 64)
    film = await film_of(harness, grid)
    assert DIFFERS in film.content
    assert film_in(film)


async def test_an_old_picture_is_compared_by_its_file(harness: BotHarness) -> None:
    """Pictures from before pixel digests have only that of their file."""
    grid = await harness.imagine()
    await harness.execute("UPDATE pictures SET sha256 = NULL")
    film = await film_of(harness, grid)
    assert DIFFERS not in film.content


async def test_the_model_must_be_loaded(harness: BotHarness, engine: FakeEngine) -> None:
    """Nothing is queued, and the reason is private."""
    single = await harness.imagine(count=1)
    await harness.stop()
    engine.change_model("other")
    await harness.start()
    reason = await harness.refusal(await harness.ada.use("Film", single))
    assert "needs the model flat" in reason
    assert len(harness.query("SELECT * FROM jobs")) == 1


async def test_a_film_that_takes_too_long_is_refused(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frames count: the picture alone may be painted again. Nothing is queued."""
    single = await harness.imagine(count=1)
    await harness.stop()
    monkeypatch.setenv("IMAGINE_MAX_SECONDS", "0.15")
    await harness.start()
    reason = await harness.refusal(await harness.ada.use("Film", single))
    assert "at most 0.15 seconds are allowed in one request" in reason
    assert len(harness.query("SELECT * FROM jobs")) == 1
    await harness.result(await harness.ada.click(single, "🔄"))


async def test_there_is_no_film_of_a_removed_picture(harness: BotHarness) -> None:
    """Moderators removed it after its message was posted."""
    grid = await harness.imagine()
    picture = await harness.result(await harness.ada.click(grid, "U1"))
    moderator = harness.discord.person("Mo", moderator=True)
    removal = await moderator.use("Remove picture", grid)
    await harness.discord.until(lambda: removal.ephemerals, why="the removal")
    reason = await harness.refusal(await harness.ada.click(picture, "🎬 Film"))
    assert "Moderators removed this" in reason


async def test_there_is_no_film_of_a_deleted_picture(harness: BotHarness) -> None:
    """Its user deleted all data."""
    grid = await harness.imagine(count=1)
    await delete(harness)
    ben = harness.discord.person("Ben")
    reason = await harness.refusal(await ben.use("Film", grid))
    assert "deleted at its author's request" in reason


async def test_there_is_no_film_of_a_withheld_picture(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its steps would show what the picture does not."""
    engine.flagged = {1}
    grid = await harness.imagine(count=1)
    reason = await harness.refusal(await harness.ada.use("Film", grid))
    assert "withheld by the safety check" in reason
    assert len(engine.paints) == 1


async def test_there_is_no_film_of_other_messages(harness: BotHarness) -> None:
    """Somebody's words show no picture."""
    message = await harness.ada.say("hello")
    reason = await harness.refusal(await harness.ada.use("Film", message))
    assert "no picture of mine in this message. Use Film where" in reason


async def test_there_is_no_film_before_a_picture_is_finished(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The reason is another one once the job was cancelled, as for its recipe."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a red house")
    await interaction.acknowledged()
    message = interaction.response
    assert message is not None
    await harness.discord.until(lambda: "✖ Cancel" in message.buttons, why="it can be cancelled")
    for command in ("Film", "Show recipe"):
        refusal = await harness.refusal(await harness.ada.use(command, message))
        assert refusal == "There is no finished picture yet."
    await harness.ada.click(message, "✖ Cancel")
    await harness.result(interaction)
    for command in ("Film", "Show recipe"):
        refusal = await harness.refusal(await harness.ada.use(command, message))
        assert refusal == "This request ended without a picture."


async def test_flagged_frames_make_the_film_a_spoiler(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """In a channel that shows flagged pictures as spoilers."""
    restrict(harness, harness.discord.channel, nsfw=True)
    await choose(harness, "spoiler")
    single = await harness.imagine(count=1)
    engine.flags_frames = True
    film = await harness.result(await harness.ada.use("Film", single))
    assert film_in(film)
    assert film.attachments[0].spoiler


async def test_a_flagged_film_is_withheld_elsewhere(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """An engine that sends flagged frames although the job excludes them is not trusted."""
    single = await harness.imagine(count=1)
    engine.flags_frames = True
    film = await harness.result(await harness.ada.use("Film", single))
    assert "The film was withheld by the safety check." in film.content
    assert film.attachments[0].filename.endswith(".png")
    assert not any(name.endswith(".mp4") for name in files(harness))


async def test_a_film_is_deleted_with_its_job(harness: BotHarness) -> None:
    """/privacy delete reaches its file, its row and its lineage."""
    await film_of(harness, await harness.imagine())
    assert any(name.endswith("1-film.mp4") for name in files(harness))
    await delete(harness)
    await eventually(lambda: files(harness) == set())
    assert harness.query("SELECT * FROM artifacts") == []
    assert harness.query("SELECT * FROM lineage") == []


@pytest.fixture
async def interrupted(harness: BotHarness, engine: FakeEngine) -> AsyncIterator[Message]:
    """The message of a film whose picture is stored, but which is not finished; the bot is gone."""
    grid = await harness.imagine(count=1)
    engine.film_gate.clear()
    interaction = await harness.ada.use("Film", grid)
    await eventually(lambda: len(harness.query("SELECT * FROM pictures")) == 2)
    await harness.stop()
    engine.film_gate.set()
    assert interaction.response is not None
    yield interaction.response


async def test_a_film_is_made_after_a_restart(
    harness: BotHarness, engine: FakeEngine, interrupted: Message
) -> None:
    """Its picture was stored, but the bot was stopped before the film was finished."""
    await harness.start()
    await harness.discord.until(lambda: is_finished(interrupted), why="the film", timeout=60)
    assert film_in(interrupted)
    assert len(engine.paints) == 3
    assert len(harness.query("SELECT * FROM artifacts")) == 1


async def test_a_film_is_shown_if_its_picture_cannot_be_written_again(
    harness: BotHarness, interrupted: Message
) -> None:
    """It was stored before the bot was stopped; the film is paid for."""
    [job] = harness.query("SELECT id FROM jobs WHERE kind = 'film'")
    file = harness.data / f"pictures/{job['id']}/1.png"
    file.unlink()
    file.mkdir()
    await harness.start()
    await harness.discord.until(lambda: is_finished(interrupted), why="the film", timeout=60)
    assert film_in(interrupted)
    assert len(harness.query("SELECT * FROM pictures")) == 2
    assert len(harness.query("SELECT * FROM usage")) == 2


async def test_a_film_survives_an_engine_that_dies(harness: BotHarness, engine: FakeEngine) -> None:
    """It dies after the picture was stored; the next one paints picture and film."""
    single = await harness.imagine(count=1)
    engine.film_gate.clear()
    interaction = await harness.ada.use("Film", single)
    await eventually(lambda: len(harness.query("SELECT * FROM pictures")) == 2)
    engine.die()
    engine.film_gate.set()
    assert film_in(await harness.result(interaction))
    assert len(harness.query("SELECT * FROM pictures")) == 2
    assert len(harness.query("SELECT * FROM artifacts")) == 1


async def test_an_undelivered_film_is_delivered_after_a_restart(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Discord took nothing until the bot was stopped."""
    single = await harness.imagine(count=1)
    engine.gate.clear()
    interaction = await harness.ada.use("Film", single)
    await interaction.acknowledged()
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=1000)
    engine.gate.set()
    await eventually(lambda: harness.query("SELECT * FROM artifacts"))
    await eventually(lambda: not harness.query("SELECT * FROM jobs WHERE ended_at IS NULL"))
    await harness.stop()
    assert interaction.response is not None and not is_finished(interaction.response)
    harness.discord.faults.clear()
    await harness.start()
    assert film_in(await harness.result(interaction))
    assert len(engine.paints) == 2


async def test_two_people_get_a_film_each(harness: BotHarness, engine: FakeEngine) -> None:
    """They press at the same time."""
    single = await harness.imagine(count=1)
    ben = harness.discord.person("Ben")
    first, second = await harness.ada.use("Film", single), await ben.use("Film", single)
    films = [film_in(await harness.result(interaction)) for interaction in (first, second)]
    assert films[0] == films[1]
    assert len(engine.paints) == 3


async def test_without_a_film_the_picture_is_shown(harness: BotHarness, engine: FakeEngine) -> None:
    """The message says why it is no film."""
    single = await harness.imagine(count=1)
    engine.makes_films = False
    film = await harness.result(await harness.ada.use("Film", single))
    assert "The film could not be made" in film.content
    assert film.attachments[0].filename.endswith(".png")


async def test_a_film_that_fails_says_why(harness: BotHarness, engine: FakeEngine) -> None:
    """The picture is shown, and the reason is stored."""
    single = await harness.imagine(count=1)
    engine.artifact_failure = "The engine ran out of films."
    film = await harness.result(await harness.ada.use("Film", single))
    assert "The film could not be made, so here is the picture." in film.content
    assert "The engine ran out of films." in film.content
    assert film.attachments[0].filename.endswith(".png")
    [artifact] = harness.query("SELECT role, path, failed FROM artifacts")
    assert tuple(artifact) == ("film", None, "The engine ran out of films.")
    assert len(engine.paints) == 2


async def test_a_film_is_removed_with_its_picture(harness: BotHarness) -> None:
    """It shows the same picture, so moderators need not remove it too."""
    grid = await harness.imagine()
    film = await film_of(harness, grid)
    moderator = harness.discord.person("Mo", moderator=True)
    removal = await moderator.use("Remove picture", grid)
    await harness.discord.until(lambda: removal.ephemerals, why="the removal")
    await harness.discord.until(lambda: film.deleted and grid.deleted, why="both messages are gone")
    await eventually(lambda: files(harness) == set())
    [artifact] = harness.query("SELECT * FROM artifacts")
    assert artifact["removed_at"] is not None


async def test_a_running_film_of_a_removed_picture_is_cancelled(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """At once, also while the messages are still being deleted."""
    single = await harness.imagine(count=1)
    engine.film_gate.clear()
    await harness.ada.use("Film", single)
    await eventually(lambda: len(engine.paints) == 2)
    end = asyncio.Event()
    harness.discord.faults.next("DELETE", "/messages/", Fault(until=end))
    moderator = harness.discord.person("Mo", moderator=True)
    removal = await moderator.use("Remove picture", single)
    await eventually(lambda: harness.discord.faults.pending == 0)
    engine.film_gate.set()
    status = "SELECT status FROM jobs WHERE kind = 'film' AND ended_at IS NOT NULL"
    await eventually(lambda: harness.query(status))
    assert [row["status"] for row in harness.query(status)] == ["cancelled"]
    end.set()
    await harness.discord.until(lambda: removal.ephemerals, why="the removal")


async def test_a_film_is_no_sample_of_what_pictures_cost(harness: BotHarness) -> None:
    """Its frames take time too, so it would make pictures look dearer; its user pays for both."""
    single = await harness.imagine(count=1)
    await harness.result(await harness.ada.use("Film", single))
    rows = harness.query("SELECT seconds, work FROM usage ORDER BY at")
    assert [row["seconds"] > 0 for row in rows] == [True, True]
    assert [row["work"] is None for row in rows] == [False, True]
