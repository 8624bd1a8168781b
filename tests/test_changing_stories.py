"""Edit, Vary region, Zoom out, Pan and /blend with the real bot, engine and tiny models."""

from collections.abc import AsyncIterator
from io import BytesIO

import pytest
import pytest_asyncio
from diffusers import StableDiffusionPipeline
from PIL import Image, ImageChops

from bot.playground import Interaction, Message, Person, Playground, Upload
from bot.playground.client.modals import FieldValue
from bot.playground.client.options import Value
from tests import tiny_model
from tests.bot_harness import ALL_BUTTONS, final_response, query
from tests.bot_process import BotProcess
from tests.ip_adapter_writer import write_ip_adapter
from tests.samples import pixels_digest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]
PATIENCE = 60.0
SIDE = 64


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bot(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BotProcess]:
    """One bot for all tests, with a model, one that edits, and an IP-Adapter."""
    folder = tmp_path_factory.mktemp("models")
    model = tiny_model.save(folder / "tiny")
    editor = tiny_model.save(folder / "editor", unet={"in_channels": 8})
    unet = StableDiffusionPipeline.from_pretrained(model).unet
    adapter = write_ip_adapter(folder / "adapter", unet)
    async with Playground(port=0, identify_interval=0) as discord:
        bot = BotProcess(
            discord,
            tmp_path_factory.mktemp("data"),
            f"{model},{editor}",
            IMAGINE_IP_ADAPTER=str(adapter),
        )
        await bot.start()
        yield bot
        assert await bot.stop() == 0
    assert discord.violations == []


@pytest.fixture
def ada(bot: BotProcess) -> Person:
    """A user."""
    return bot.discord.person("Ada")


async def shown(bot: BotProcess, interaction: Interaction) -> Message:
    """The message with the result."""
    return await final_response(bot.discord, interaction, PATIENCE)


async def single(bot: BotProcess, ada: Person, seed: int) -> tuple[Message, Image.Image]:
    """The result of a job of one picture, and the picture; the message may show it enlarged."""
    options: dict[str, Value] = {"prompt": "a red house", "steps": 4, "count": 1, "seed": seed}
    message = await shown(bot, await ada.invoke("imagine", options))
    return message, latest(bot, count=1)[0]


async def submitted(
    bot: BotProcess, ada: Person, message: Message, button: str, values: dict[str, FieldValue]
) -> Message:
    """The result of a form behind a button."""
    interaction = await ada.click(message, button)
    await bot.discord.until(lambda: interaction.modal, timeout=PATIENCE, why="the modal")
    return await shown(bot, await ada.submit(interaction, values))


async def chosen(bot: BotProcess, ada: Person, message: Message, name: str) -> Message:
    """The result of an option of the menu below the only picture."""
    [row] = query(bot.data, "SELECT job FROM pictures ORDER BY rowid DESC LIMIT 1")
    return await shown(bot, await ada.choose(message, f"v1:more:{row['job']}:1", name))


def latest(bot: BotProcess, count: int = 4) -> list[Image.Image]:
    """The stored pictures of the last job, which are those that the engine says it painted."""
    rows = query(
        bot.data,
        "SELECT * FROM pictures WHERE job = (SELECT job FROM pictures ORDER BY rowid DESC LIMIT 1) "
        "ORDER BY nth",
    )
    assert len(rows) == count
    files = [(bot.data / row["path"]).read_bytes() for row in rows]
    assert [pixels_digest(data) for data in files] == [row["sha256"] for row in rows]
    return [Image.open(BytesIO(data)).convert("RGB") for data in files]


def distance(first: Image.Image, second: Image.Image) -> float:
    """The mean difference of their pixels, in levels of 256."""
    difference = ImageChops.difference(first, second).convert("L").tobytes()
    return sum(difference) / len(difference)


async def test_a_region_leaves_the_other_pixels_as_they_are(bot: BotProcess, ada: Person) -> None:
    """To the bit; the region is painted four times."""
    message, original = await single(bot, ada, 10)
    result = await submitted(bot, ada, message, "🖌 Vary region", {"where": ["8"]})
    assert result.buttons == ALL_BUTTONS
    pictures = latest(bot)
    kept, repainted = (0, 0, SIDE, 36), (48, 48, SIDE, SIDE)
    for item in pictures:
        assert item.crop(kept).tobytes() == original.crop(kept).tobytes()
        assert distance(item.crop(repainted), original.crop(repainted)) > 1
    assert len({item.tobytes() for item in pictures}) == 4


async def test_a_pan_has_the_picture_at_its_end(bot: BotProcess, ada: Person) -> None:
    """Its pixels fade into the new ones near the edge."""
    message, original = await single(bot, ada, 20)
    await chosen(bot, ada, message, "panleft")
    for item in latest(bot):
        assert item.size == (96, SIDE)
        kept = item.crop((32 + 8, 0, 96, SIDE))
        assert kept.tobytes() == original.crop((8, 0, SIDE, SIDE)).tobytes()


async def test_a_zoom_has_the_picture_in_its_middle(bot: BotProcess, ada: Person) -> None:
    """At half of its size."""
    message, original = await single(bot, ada, 30)
    await chosen(bot, ada, message, "zoom20")
    small = original.resize((32, 32), Image.Resampling.LANCZOS)
    for item in latest(bot):
        assert item.size == (SIDE, SIDE)
        middle = item.crop((16 + 8, 16 + 8, 48 - 8, 48 - 8))
        assert middle.tobytes() == small.crop((8, 8, 24, 24)).tobytes()


async def test_an_edit_is_painted_by_the_editor(bot: BotProcess, ada: Person) -> None:
    """Its replay has equal bits: the input image is stored with the job."""
    message, _ = await single(bot, ada, 40)
    result = await submitted(
        bot, ada, message, "✏️ Edit…", {"instruction": "make it night", "keep": "2"}
    )
    assert result.content.startswith("Edited: **make it night**")
    assert len({item.tobytes() for item in latest(bot)}) == 4
    [row] = query(bot.data, "SELECT * FROM pictures ORDER BY rowid DESC LIMIT 1")
    assert row["model"].endswith("editor")
    code, output = await bot.replay(row["id"])
    assert (code, "The same bits" in output) == (0, True), output


async def test_a_blend_differs_by_its_ratios(bot: BotProcess, ada: Person) -> None:
    """With the same seed and noise."""
    files = [(await single(bot, ada, seed))[0].attachments[0].data for seed in (50, 60)]
    uploads = {
        f"picture{nth}": Upload(f"{nth}.png", data, "image/png")
        for nth, data in enumerate(files, start=1)
    }
    results = []
    for ratios in ("1:1", "1:1", "1:9"):
        options = {**uploads, "ratios": ratios, "seed": 7, "count": 1}
        await shown(bot, await ada.invoke("blend", options))
        results.append(latest(bot, count=1)[0])
    assert results[0].tobytes() == results[1].tobytes()
    assert distance(results[0], results[2]) > 0
    [row] = query(bot.data, "SELECT * FROM pictures ORDER BY rowid DESC LIMIT 1")
    assert (row["seed"], row["subseed"]) == (50, 7)
