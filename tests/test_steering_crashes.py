"""Bot and engine killed while they paint from inputs, with LoRAs, references and controls."""

import resource
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import pytest
import pytest_asyncio
from PIL import Image, ImageDraw

from bot.playground import Interaction, Message, Person, Playground, Upload
from bot.playground.client.options import Value
from tests import tiny_model
from tests.bot_harness import eventually, final_response, query
from tests.crashing_bot import CrashingBot
from tests.samples import encoded
from tests.steering_settings import steering_settings
from tests.test_crashes import PATIENCE, public_messages, wait_until_delivered

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(180),
    pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux"),
]
SIDE: Final = 64
STEPS: Final = 12
CRASHES: Final = (
    ("fetched", "bot", ["blend"]),
    ("prepared", "bot", ["region"]),
    ("painting", "bot", ["lines", "lora"]),
    ("painting", "engine", ["lora", "edit", "zoom"]),
    ("committed", "bot", ["edit"]),
)


class Result(NamedTuple):
    """What a job has become."""

    pictures: list[tuple[int, str]]
    """The digests of the pixels, by their numbers."""
    edges: list[tuple[int, str, str]]
    """The pictures that these were made from: number, relation and parent."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CrashingBot]:
    """One bot for all tests, with all that steers pictures; each leaves it running."""
    folder = tmp_path_factory.mktemp("models")
    model = tiny_model.save(folder / "tiny")
    editor = tiny_model.save(folder / "editor", unet={"in_channels": 8})
    settings = steering_settings(folder, model)
    async with Playground(port=0, identify_interval=0) as discord:
        bot = CrashingBot(
            discord,
            tmp_path_factory.mktemp("data"),
            f"{model},{editor}",
            **settings,
        )
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert discord.violations == []


@pytest.fixture
def ada(bot: CrashingBot) -> Person:
    """A user."""
    return bot.discord.person("Ada")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def parent(bot: CrashingBot) -> Message:
    """The message of a picture that others are made from."""
    options: dict[str, Value] = {"prompt": "a red house", "steps": STEPS, "count": 1}
    interaction = await bot.discord.person("Ada").invoke("imagine", options)
    return await final_response(bot.discord, interaction, PATIENCE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def undisturbed(bot: CrashingBot, parent: Message) -> Mapping[str, Result]:
    """The result of each kind of jobs if nothing is killed."""
    people = [bot.discord.person("Ada"), bot.discord.person("Ben")]  # each may have 5 jobs
    interactions = {
        name: await job(bot, people[nth % 2], parent)
        for nth, (name, job) in enumerate(JOBS.items())
    }
    return {name: await result(bot, interaction) for name, interaction in interactions.items()}


def colour(name: str) -> Upload:
    """A picture of one colour."""
    return Upload(f"{name}.png", encoded(Image.new("RGB", (SIDE, SIDE), name)))


def drawing() -> Upload:
    """A sketch of a rectangle."""
    image = Image.new("RGB", (SIDE, SIDE), "white")
    ImageDraw.Draw(image).rectangle((16, 16, 48, 48), outline="black", width=4)
    return Upload("drawing.png", encoded(image))


def mask() -> Upload:
    """A mask of the right half."""
    image = Image.new("L", (SIDE, SIDE), 0)
    image.paste(255, (SIDE // 2, 0, SIDE, SIDE))
    return Upload("mask.png", encoded(image))


async def blend(_: CrashingBot, ada: Person, __: Message) -> Interaction:
    """Three pictures."""
    names = ("red", "green", "blue")
    pictures = {f"picture{nth}": colour(name) for nth, name in enumerate(names, start=1)}
    return await ada.invoke("blend", {**pictures, "ratios": "3:2:1", "count": 2})


async def edit(_: CrashingBot, ada: Person, __: Message) -> Interaction:
    """An upload, by words."""
    return await ada.invoke(
        "edit",
        {"picture": colour("green"), "instruction": "make it night", "steps": STEPS, "count": 2},
    )


async def region(bot: CrashingBot, ada: Person, parent: Message) -> Interaction:
    """The part of an earlier picture that an uploaded mask covers."""
    press = await ada.click(parent, "🖌 Vary region")
    await bot.discord.until(lambda: press.modal, why="the form")
    return await ada.submit(press, {"mask": [mask()]})


async def zoom(bot: CrashingBot, ada: Person, parent: Message) -> Interaction:
    """What is around an earlier picture."""
    [row] = query(bot.data, "SELECT job FROM deliveries WHERE message = ?", parent.id)
    return await ada.choose(parent, f"v1:more:{row['job']}:1", "zoom20")


async def lines(_: CrashingBot, ada: Person, __: Message) -> Interaction:
    """The lines of a sketch are followed."""
    options: dict[str, Value] = {
        "prompt": "a boat",
        "sketch": drawing(),
        "mode": "follow the lines",
    }
    return await ada.invoke("imagine", {**options, "steps": STEPS, "count": 2})


async def lora(_: CrashingBot, ada: Person, __: Message) -> Interaction:
    """With a LoRA and a reference."""
    options: dict[str, Value] = {"prompt": "a fox", "loras": "fox:0.7", "like": colour("blue")}
    return await ada.invoke("imagine", {**options, "steps": STEPS, "count": 2})


JOBS: Final[Mapping[str, Callable[[CrashingBot, Person, Message], Awaitable[Interaction]]]] = {
    "blend": blend,
    "edit": edit,
    "region": region,
    "zoom": zoom,
    "lines": lines,
    "lora": lora,
}


async def result(bot: CrashingBot, interaction: Interaction) -> Result:
    """What is stored of the job whose message this is."""
    message = await final_response(bot.discord, interaction, PATIENCE)
    assert message.attachments, message.content
    [job] = query(bot.data, "SELECT job FROM deliveries WHERE message = ?", message.id)
    sql = "SELECT nth, sha256 FROM pictures WHERE job = ? ORDER BY nth"
    pictures = query(bot.data, sql, job["job"])
    sql = "SELECT nth, relation, parent FROM lineage WHERE job = ? ORDER BY nth, parent"
    edges = query(bot.data, sql, job["job"])
    return Result(
        [(row["nth"], row["sha256"]) for row in pictures],
        [(row["nth"], row["relation"], row["parent"]) for row in edges],
    )


def check_files(bot: CrashingBot) -> None:
    """The database is intact, and each file of a picture or an input is of a job. The enlarged
    copies that messages show are no part of the database."""
    assert query(bot.data, "PRAGMA integrity_check")[0][0] == "ok"
    assert query(bot.data, "SELECT 1 FROM job_inputs WHERE url IS NOT NULL") == []
    paths = {row["path"] for row in query(bot.data, "SELECT path FROM pictures")}
    images = query(bot.data, "SELECT sha256 FROM job_images UNION SELECT sha256 FROM job_inputs")
    sources = {f"sources/{row['sha256']}.png" for row in images}
    for folder, expected in (("pictures", paths), ("sources", sources)):
        files = {path for path in (bot.data / folder).rglob("*.*") if "display" not in path.name}
        assert {str(path.relative_to(bot.data)) for path in files} == expected


@pytest.mark.parametrize(("moment", "victim", "names"), CRASHES)
async def test_a_kill_changes_no_picture(
    bot: CrashingBot,
    ada: Person,
    parent: Message,
    undisturbed: Mapping[str, Result],
    moment: str,
    victim: str,
    names: list[str],
) -> None:
    """Each job has one message, with the pictures of a job during which nothing was killed."""
    before = len(public_messages(bot))
    bot.crash_at(moment, victim, len(names))
    interactions = [await JOBS[name](bot, ada, parent) for name in names]
    await eventually(lambda: not bot.crash_file.exists())
    if victim == "bot":
        assert await bot.wait_until_ended() == -signal.SIGKILL
        await bot.start()
    for name, interaction in zip(names, interactions, strict=True):
        assert await result(bot, interaction) == undisturbed[name], name
    await wait_until_delivered(bot)
    assert len(public_messages(bot)) == before + len(names)
    check_files(bot)
    await eventually(bot.has_engine)
