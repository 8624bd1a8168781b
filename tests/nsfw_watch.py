"""Watches what a bot uploads, and knows flat colours that it may not upload."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image

from bot.playground import Attachment, Channel, Message
from bot.playground.rest.serializers.messages import channel_json
from engine.contract import Paint
from tests.fake_engine import FakeEngine, flat
from tests.house import House

Colour = tuple[int, ...]


class Uploads:
    """Tells of each file of each message of this house's Discord once, as it comes."""

    def __init__(self, house: House, tell: Callable[[Message, Attachment], None]) -> None:
        self._tell = tell
        self._known: set[int] = set()
        house.discord.world.watchers.append(self._look)

    def _look(self, message: Message) -> None:
        for file in message.attachments:
            if file.id not in self._known:
                self._known.add(file.id)
                self._tell(message, file)


def colours(file: bytes) -> set[Colour]:
    """All that are in this picture."""
    picture = Image.open(BytesIO(file)).convert("RGB")
    return {colour for _, colour in picture.getcolors(2**24) or [] if isinstance(colour, tuple)}


def painted(paint: Paint, nth: int) -> Colour:
    """The one colour of the nth picture (from 1) of a job."""
    [colour] = colours(flat(paint.recipes[nth - 1]))
    return colour


def flagged(engine: FakeEngine, of: set[int]) -> set[Colour]:
    """The colours of these pictures (from 1) of all jobs."""
    return {painted(paint, nth) for paint in engine.paints for nth in of}


async def choose(house: House, level: str, channel: Channel | None = None) -> str:
    """An admin chooses what becomes of flagged pictures; the answer."""
    where = {"channel": channel} if channel else {}
    admin = house.discord.person("Root", admin=True)
    return await house.refusal(await admin.invoke("admin nsfw", {"level": level, **where}))


def restrict(house: House, channel: Channel, *, nsfw: bool) -> None:
    """The channel is age-restricted from now on, or is so no more."""
    channel.nsfw = nsfw
    house.discord.world.emit("CHANNEL_UPDATE", channel_json(channel), channel)
