"""Photos, and the form of Use as sketch, for tests of sketches."""

from collections.abc import Mapping
from io import BytesIO

from PIL import Image, ImageDraw

from bot.playground import Interaction, Message, Person, Upload
from bot.playground.client.modals import FieldValue
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine
from tests.samples import encoded

MENU = "Use as sketch"
WORDS: Mapping[str, FieldValue] = {"prompt": "a lighthouse"}


def photo(width: int = 256, height: int = 128, name: str = "photo.png") -> Upload:
    """A white photo with a black disc in its centre, whose diameter is half the shorter side."""
    image = Image.new("RGB", (width, height), "white")
    radius = min(width, height) // 4
    middle = width // 2, height // 2
    box = (middle[0] - radius, middle[1] - radius, middle[0] + radius - 1, middle[1] + radius - 1)
    ImageDraw.Draw(image).ellipse(box, fill="black")
    return Upload(name, encoded(image), "image/png")


def disc_in(data: bytes) -> tuple[int, int]:
    """The width and height of what is dark in a file."""
    with Image.open(BytesIO(data)) as image:
        box = image.convert("L").point(lambda level: 255 if level < 128 else 0).getbbox()
    assert box is not None
    return box[2] - box[0], box[3] - box[1]


def sketch_of(engine: FakeEngine) -> bytes:
    """The only input image of the last job."""
    [digest] = engine.paints[-1].inputs
    return engine.inputs[digest]


async def form(harness: BotHarness, interaction: Interaction) -> Interaction:
    """The interaction that was answered with the form."""
    await harness.discord.until(lambda: interaction.modal, why="the form")
    return interaction


async def used(harness: BotHarness, message: Message, person: Person | None = None) -> Interaction:
    """The form that the menu of a message opens."""
    return await form(harness, await (person or harness.ada).use(MENU, message))


async def private(harness: BotHarness, interaction: Interaction) -> Message:
    """The only private response, once it is complete."""
    await harness.discord.until(
        lambda: interaction.ephemerals and not interaction.ephemerals[0].loading,
        why="a private response",
    )
    [message] = interaction.ephemerals
    return message
