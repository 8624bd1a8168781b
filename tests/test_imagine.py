"""/imagine, from the command to the message."""

import asyncio
import itertools
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from bot.domain.limits import LIMITS
from bot.playground import Fault, Playground, Upload
from engine.contract import Sampler
from tests.bot_harness import ALL_BUTTONS, BotHarness, eventually
from tests.fake_engine import MODEL, FakeEngine, flat
from tests.samples import encoded

SKETCH = Upload("sketch.png", encoded(Image.new("RGB", (128, 64), "red")))


async def test_a_prompt_makes_four_pictures(harness: BotHarness, engine: FakeEngine) -> None:
    """One message shows a cancel button first, then the grid and all buttons."""
    interaction = await harness.ada.slash("imagine", prompt="a red house", seed=7)
    message = await harness.result(interaction)
    assert message.buttons == ALL_BUTTONS
    assert "a red house" in message.content and "seeds 7–10" in message.content
    assert len(harness.discord.messages()) == 1
    grid = Image.open(BytesIO(message.attachments[0].data))
    assert grid.size == (128, 128)
    for n, recipe in enumerate(engine.paints[0].recipes):
        cell = grid.crop((n % 2 * 64, n // 2 * 64, n % 2 * 64 + 64, n // 2 * 64 + 64))
        assert cell.tobytes() == Image.open(BytesIO(flat(recipe))).tobytes()


async def test_every_option_reaches_the_recipe_and_the_database(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The values are those that the user entered."""
    await harness.imagine(
        negative="rain", aspect="wide", seed=9, steps=3, guidance=2.5, sampler="ddim", count=2
    )
    first, second = engine.paints[0].recipes
    assert (first.negative, first.seed, first.steps) == ("rain", 9, 3)
    assert (first.guidance, first.sampler, second.seed) == (2.5, "ddim", 10)
    rows = harness.query("SELECT * FROM pictures ORDER BY nth")
    assert [(row["seed"], row["steps"], row["sampler"]) for row in rows] == [
        (9, 3, "ddim"),
        (10, 3, "ddim"),
    ]
    assert {(row["width"], row["height"]) for row in rows} == {(first.width, first.height)}


async def test_the_seed_minus_one_is_any_seed(harness: BotHarness, engine: FakeEngine) -> None:
    """As in other programs."""
    for _ in range(2):
        await harness.result(await harness.ada.slash("imagine", prompt="a red house", seed=-1))
    first, second = [paint.recipes[0].seed for paint in engine.paints]
    assert first != second and min(first, second) >= 0


async def test_without_a_seed_two_jobs_differ(harness: BotHarness, engine: FakeEngine) -> None:
    """The bot chooses a random seed and stores it."""
    for _ in range(2):
        await harness.result(await harness.ada.slash("imagine", prompt="a house"))
    assert engine.paints[0].recipes[0].seed != engine.paints[1].recipes[0].seed


async def test_progress_is_shown_while_a_job_runs(harness: BotHarness, engine: FakeEngine) -> None:
    """It shows a percentage, a preview and a cancel button, edited every two seconds at most."""
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house", steps=4)
    await harness.discord.until(
        lambda: interaction.response and "25 %" in interaction.response.content, why="a percentage"
    )
    assert interaction.response is not None
    assert [file.filename for file in interaction.response.attachments] == ["preview.jpg"]
    assert interaction.response.buttons == ["✖ Cancel"]
    engine.gate.set()
    message = await harness.result(interaction)
    times = [edit.at for edit in message.edits[1:-1]]
    assert all(after - before > 1.9 for before, after in itertools.pairwise(times))


async def test_a_sketch_is_the_init_image(harness: BotHarness, engine: FakeEngine) -> None:
    """The engine gets the sanitized sketch; the pictures have its aspect ratio."""
    await harness.imagine(sketch=SKETCH, strength=0.5)
    paint = engine.paints[0]
    [source] = paint.inputs
    assert Image.open(BytesIO(engine.inputs[source])).size == (128, 64)
    assert all(recipe.strength == 0.5 and recipe.width > recipe.height for recipe in paint.recipes)
    (source_file,) = (harness.data / "sources").iterdir()
    assert source_file.name == f"{paint.recipes[0].images[0]}.png"
    assert source_file.read_bytes() == engine.inputs[source]


async def test_the_command_works_in_dms(harness: BotHarness) -> None:
    """A direct message has no guild."""
    interaction = await harness.ada.slash("imagine", prompt="a house", where=harness.ada.dm)
    message = await harness.result(interaction)
    assert "U1" in message.buttons
    assert harness.discord.dms(harness.ada) == [message]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "\u200b \u200b"}, "prompt is empty"),
        ({"prompt": "\ud83d"}, "prompt is empty"),
        ({"prompt": "x" * 5000}, "5000 characters; at most 1000 are allowed"),
        ({"prompt": 7}, "is not valid"),
        ({"prompt": "a", "seed": -2}, "seed is -2; it must be 0 to"),
        ({"prompt": "a", "seed": 2**32}, "it must be 0 to 4294967295"),
        ({"prompt": "a", "seed": 10**3000}, "The seed is 1000"),
        ({"prompt": "a", "steps": 0}, "it must be 1 to 150"),
        ({"prompt": "a", "guidance": -1}, "it must be 0 to 30"),
        ({"prompt": "a", "sampler": "magic"}, "no sampler “magic”"),
        ({"prompt": "a", "aspect": "round"}, "no aspect “round”"),
        ({"prompt": "a", "count": 0}, "The count is 0; it must be 1 to"),
        ({"prompt": "a", "count": -17}, "The count is -17; it must be 1 to 16."),
        ({"prompt": "a", "strength": 0.5}, "needs a sketch"),
        ({"prompt": "a", "strength": 1.5, "sketch": SKETCH}, "strength is 1.5"),
        ({"prompt": "a", "strength": -0.1, "sketch": SKETCH}, "strength is -0.1"),
        ({}, "This command has changed"),
    ],
)
async def test_invalid_input_gets_one_ephemeral_response(
    harness: BotHarness, options: dict[str, Any], sentence: str
) -> None:
    """This includes input that Discord's clients would not send; nothing is queued or public."""
    interaction = await harness.ada.slash("imagine", checked=False, **options)
    assert sentence in await harness.refusal(interaction)
    assert harness.discord.messages() == []
    assert harness.query("SELECT * FROM jobs") == []


async def test_the_choices_are_the_samplers_that_work_with_the_model(
    discord: Playground, tmp_path: Path
) -> None:
    """A sampler that does not is no choice, and is refused if it is sent all the same."""
    limits = {name: 0 for name in Sampler if name not in (Sampler.DDIM, Sampler.EULER)}
    engine = FakeEngine(msgspec.structs.replace(MODEL, max_steps=limits))
    async with BotHarness(discord, engine, tmp_path) as harness:
        [options] = [
            each["options"] for each in discord.commands.all() if each["name"] == "imagine"
        ]
        [sampler] = [option for option in options if option["name"] == "sampler"]
        assert [choice["value"] for choice in sampler["choices"]] == ["ddim", "euler"]
        interaction = await harness.ada.slash("imagine", checked=False, prompt="a", sampler="lcm")
        sentence = await harness.refusal(interaction)
    assert "does not work with the sampler lcm. Choose one of: ddim, euler." in sentence


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"hello", "not an image that can be read"),
        (SKETCH.data[:60], "damaged or truncated"),
        (encoded(Image.new("RGB", (20, 20)), "PPM"), "not an image that can be read"),
    ],
)
async def test_a_bad_sketch_is_refused_in_an_ephemeral_message(
    harness: BotHarness, data: bytes, sentence: str
) -> None:
    """The file name does not matter; the public placeholder is deleted and nothing is painted."""
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", sketch=Upload("fine.png", data, "image/png")
    )
    assert sentence in await harness.refusal(interaction)
    await harness.discord.until(lambda: harness.discord.messages() == [], why="nothing is left")
    await eventually(lambda: harness.query("SELECT * FROM jobs")[0]["delivered_at"])
    (job,) = harness.query("SELECT * FROM jobs")
    assert job["status"] == "refused"
    [result] = harness.query("SELECT token FROM deliveries")
    assert result["token"] is None
    assert harness.engine.paints == []


async def test_a_sketch_of_11_mib_is_refused_at_once(harness: BotHarness) -> None:
    """It is refused before it is downloaded."""
    large = Upload("large.png", bytes(11 * 1024 * 1024))
    interaction = await harness.ada.slash("imagine", checked=False, prompt="a house", sketch=large)
    assert "10 MiB are allowed" in await harness.refusal(interaction)
    assert harness.query("SELECT * FROM jobs") == []


async def test_a_prompt_pings_nobody(harness: BotHarness) -> None:
    """Neither a message nor an edit mentions anyone."""
    message = await harness.imagine(prompt=f"@everyone @here <@{harness.ada.id}> <@&1>")
    assert message.pings == frozenset()
    bodies = [
        request.json for request in harness.discord.requests if "content" in str(request.json)
    ]
    assert bodies
    for body in bodies:
        assert isinstance(body, dict)
        mentions = body.get("allowed_mentions") or body.get("data", {}).get("allowed_mentions")
        assert mentions["parse"] == []


async def test_the_number_of_unfinished_jobs_is_limited(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The sixth is refused; the others run."""
    engine.gate.clear()
    interactions = [await harness.ada.slash("imagine", prompt=f"house {n}") for n in range(5)]
    for interaction in interactions:
        await interaction.acknowledged()
    sixth = await harness.ada.slash("imagine", prompt="house 6")
    assert "You have 5 jobs waiting" in await harness.refusal(sixth)
    engine.gate.set()
    for interaction in interactions:
        await harness.result(interaction)


async def test_waiting_users_see_their_position(harness: BotHarness, engine: FakeEngine) -> None:
    """Two users take turns."""
    engine.gate.clear()
    crowd = [harness.discord.person(f"Person {nth}") for nth in range(LIMITS.max_running_total)]
    first = [await person.slash("imagine", prompt="first") for person in crowd]
    await harness.discord.until(
        lambda: len(engine.paints) == LIMITS.max_running_total, why="all jobs are running"
    )
    ben = harness.discord.person("Ben")
    ada_jobs = [await harness.ada.slash("imagine", prompt=f"ada {n}") for n in range(3)]
    for interaction in ada_jobs:
        await interaction.acknowledged()
    ben_job = await ben.slash("imagine", prompt="ben 0")
    await harness.discord.until(
        lambda: (
            ben_job.response
            and f"Waiting: {LIMITS.max_running_total + 1} ahead" in ben_job.response.content
        ),
        why="the queue position of Ben",
    )
    engine.gate.set()
    for interaction in (*first, *ada_jobs, ben_job):
        await harness.result(interaction)
    assert [paint.recipes[0].prompt for paint in engine.paints[LIMITS.max_running_total :]] == [
        "ada 0",
        "ben 0",
        "ada 1",
        "ada 2",
    ]


async def test_the_row_class_chosen_by_load_is_stored(
    discord: Playground, engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is chosen if the setting allows it, and a replay needs it."""
    for adaptive, recorded in ((False, 8), (True, 16)):
        monkeypatch.setenv("IMAGINE_ADAPTIVE", str(adaptive))
        data = tmp_path / str(adaptive)
        async with BotHarness(discord, engine, data) as harness:
            await harness.imagine()
        with closing(sqlite3.connect(data / "imagine.db")) as record:
            assert record.execute("SELECT DISTINCT row_class FROM pictures").fetchall() == [
                (recorded,)
            ]


async def test_a_failed_job_shows_the_reason(harness: BotHarness, engine: FakeEngine) -> None:
    """The reason is that of the engine; there is no picture."""
    engine.failure = "The engine ran out of memory; ask for a smaller picture."
    message = await harness.imagine()
    assert "ran out of memory" in message.content
    assert (message.attachments, message.buttons) == ([], [])


async def test_withheld_pictures_are_blank_and_never_uploaded(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The grid shows the reason in their cells, and no file of them exists."""
    engine.flagged = {2}
    message = await harness.imagine()
    assert "Picture 2 withheld by the safety check" in message.content
    names = sorted(path.name for path in (harness.data / "pictures").rglob("*.png"))
    assert names == ["1.png", "3.png", "4.png"]
    interaction = await harness.ada.click(message, "U2")
    assert "Picture 2 was withheld" in await harness.refusal(interaction)
    interaction = await harness.ada.click(message, "V2")
    assert "Picture 2 was withheld" in await harness.refusal(interaction)


async def test_a_failed_picture_does_not_affect_the_others(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Its cell is blank, the reason is shown, and the others can be varied."""
    engine.overflowing = {3}
    message = await harness.imagine()
    assert "Picture 3 could not be painted. The model's values overflowed" in message.content
    names = sorted(path.name for path in (harness.data / "pictures").rglob("*.png"))
    assert names == ["1.png", "2.png", "4.png"]
    interaction = await harness.ada.click(message, "U3")
    assert "overflowed: try another seed, size or sampler." in await harness.refusal(interaction)
    engine.overflowing = set()
    interaction = await harness.ada.click(message, "V4")
    assert "V4" in (await harness.result(interaction)).buttons


async def test_an_unknown_command_is_answered(harness: BotHarness) -> None:
    """The response is ephemeral."""
    commands = harness.discord.commands.all()
    next(command for command in commands if command["name"] == "imagine")["name"] = "paint"
    interaction = await harness.ada.slash("paint", prompt="a house")
    assert "This command no longer exists" in await harness.refusal(interaction)


async def test_a_response_without_a_body_counts(harness: BotHarness) -> None:
    """Discord may reply to a callback with 204 and no body."""
    empty_response = Fault(status=204, after_commit=True)
    harness.discord.faults.next("POST", "/callback", empty_response, times=2)
    interaction = await harness.ada.slash("imagine", prompt="a house")
    assert "U1" in (await harness.result(interaction)).buttons
    refused = await harness.ada.slash("imagine", prompt="a", seed=-2, checked=False)
    assert "seed is -2" in await harness.refusal(refused)


async def test_a_slow_sketch_does_not_delay_other_users(harness: BotHarness) -> None:
    """Ben's job runs while Ada's sketch is downloaded."""
    fetched = asyncio.Event()
    harness.discord.faults.next("GET", "slow.png", Fault(until=fetched))
    sketch = Upload("slow.png", SKETCH.data)
    slow = await harness.ada.slash("imagine", prompt="slow", sketch=sketch)
    await slow.acknowledged()
    await harness.imagine(harness.discord.person("Ben"), sketch=SKETCH)
    assert slow.response is not None and not slow.response.attachments
    fetched.set()
    await harness.result(slow)


async def test_many_slow_sketches_do_not_delay_other_users(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The sketches of one user are downloaded one after another."""
    slow = Upload("slow.png", SKETCH.data)
    fetched = asyncio.Event()
    harness.discord.faults.next("GET", "slow.png", Fault(until=fetched), times=5)
    ada_jobs = [await harness.ada.slash("imagine", prompt="hers", sketch=slow) for _ in range(5)]
    for interaction in ada_jobs:
        await interaction.acknowledged()
    await harness.imagine(harness.discord.person("Ben"), prompt="his", sketch=SKETCH)
    assert [paint.recipes[0].prompt for paint in engine.paints] == ["his"]
    fetched.set()
    for interaction in ada_jobs:
        await harness.result(interaction)
