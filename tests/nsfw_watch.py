"""Observe a bot's uploads, and recognise pictures of the fake engine by their colour."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image

from bot.playground import Attachment, Channel, Message
from bot.playground.rest.serializers.channels import channel_json
from engine.contract import Paint
from tests.bot_harness import BotHarness
from tests.fake_engine import FakeEngine, flat

Colour = tuple[int, ...]


class Uploads:
    """Calls `on_upload` once for each uploaded file."""

    def __init__(
        self, harness: BotHarness, on_upload: Callable[[Message, Attachment], None]
    ) -> None:
        self._on_upload = on_upload
        self._reported_ids: set[int] = set()
        harness.discord.world.watchers.append(self._on_message)

    def _on_message(self, message: Message) -> None:
        for file in message.attachments:
            if file.id not in self._reported_ids:
                self._reported_ids.add(file.id)
                self._on_upload(message, file)


def colours(file: bytes) -> set[Colour]:
    """All colours of the pixels."""
    picture = Image.open(BytesIO(file)).convert("RGB")
    pixels = picture.width * picture.height  # getcolors takes memory for as many colours
    return {colour for _, colour in picture.getcolors(pixels) or [] if isinstance(colour, tuple)}


def painted(paint: Paint, nth: int) -> Colour:
    """The colour of the nth picture (from 1) of a job."""
    [colour] = colours(flat(paint.recipes[nth - 1]))
    return colour


def flagged(engine: FakeEngine, of: set[int]) -> set[Colour]:
    """The colours of the pictures with these numbers (from 1) of all jobs."""
    return {painted(paint, nth) for paint in engine.paints for nth in of}


async def choose(harness: BotHarness, level: str, channel: Channel | None = None) -> str:
    """Set the NSFW policy of the guild or a channel as an admin; return the response."""
    options = {"channel": channel} if channel else {}
    admin = harness.discord.person("Root", admin=True)
    return await harness.refusal(await admin.invoke("admin nsfw", {"level": level, **options}))


def restrict(harness: BotHarness, channel: Channel, *, nsfw: bool) -> None:
    """Set or remove the age restriction of a channel."""
    channel.nsfw = nsfw
    harness.discord.world.emit("CHANNEL_UPDATE", channel_json(channel), channel)
