"""Files of the local Discord: their sizes in pixels, and a CDN that fails on demand."""

import io

import aiohttp
import discord
import pytest
from PIL import Image

from bot.playground import Fault, Playground, Upload
from bot.playground.model.image_size import size_of
from tests.playground_bot import Easel, channel_of, file, png
from tests.playground_http import Http


async def test_hidden_files_say_so(here: Playground, bot: Easel) -> None:
    """A name that begins with SPOILER_, or the request's flag, makes a spoiler of a file."""
    channel = channel_of(bot, here)
    hidden = discord.File(io.BytesIO(png()), "a.png", spoiler=True)
    sent = await channel.send(files=[hidden, file("b.png")])
    assert [(a.filename, a.flags.spoiler) for a in sent.attachments] == [
        ("SPOILER_a.png", True),
        ("b.png", False),
    ]
    assert [a.spoiler for a in here.messages()[0].attachments] == [True, False]
    await sent.edit(attachments=[sent.attachments[0]])
    assert [a.spoiler for a in here.messages()[0].attachments] == [True]


async def test_the_flag_of_a_request_hides_a_file(here: Playground, http: Http) -> None:
    """`is_spoiler` hides a file of any name; it is true or false."""
    entry: dict[str, object] = {"id": "0", "is_spoiler": True}
    _, made = await http.post({"attachments": [entry]}, [png()])
    assert made["attachments"][0]["flags"] == 1 << 3
    status, _ = await http.post({"attachments": [entry | {"is_spoiler": "yes"}]}, [png()])
    assert status == 400


def encoded(kind: str, **more: object) -> bytes:
    """A picture of 30 by 20 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, kind, **more)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        encoded("PNG"),
        encoded("GIF"),
        encoded("JPEG"),
        encoded("JPEG", progressive=True),
        encoded("WEBP"),
        encoded("WEBP", lossless=True),
        encoded("WEBP", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"),
    ],
    ids=["png", "gif", "jpeg", "progressive", "webp", "lossless", "extended"],
)
def test_the_size_is_read_from_the_header(data: bytes) -> None:
    """Every format that Discord shows tells its width and height."""
    assert size_of(data) == (30, 20)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", encoded("PNG")[:18], encoded("JPEG")[:8], b"RIFF0000WEBPVP9 ", b"\xff\xd8\xff"],
)
def test_what_is_no_picture_has_no_size(data: bytes) -> None:
    """Text, cut files and unknown kinds have no width and height, and do not crash."""
    assert size_of(data) is None


async def test_a_file_can_fail_come_late_or_break_off(here: Playground) -> None:
    """The CDN gives an error, half of the bytes, or all of them after a while."""
    data = png("gold", 256)
    message = await here.person("Ada").say("look", Upload("a.png", data))
    address = message.attachments[0].url
    async with aiohttp.ClientSession() as session:
        here.faults.next("GET", "/attachments/", Fault(status=503))
        async with session.get(address) as answer:
            assert answer.status == 503
        here.faults.next("GET", "/attachments/", Fault(drop=True))
        with pytest.raises(aiohttp.ClientError):
            async with session.get(address) as answer:
                await answer.read()
        here.faults.next("GET", "/attachments/", Fault(delay=0.01))
        async with session.get(address) as answer:
            assert await answer.read() == data


async def test_a_file_that_is_no_picture_is_only_downloaded(here: Playground) -> None:
    """What a browser could run is never shown in place, and never guessed at."""
    message = await here.person("Ada").say("", Upload("x.html", b"<script>1</script>"))
    address = message.attachments[0].url
    async with aiohttp.ClientSession() as session, session.get(address) as answer:
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_removed_files_linger_but_not_for_ever(here: Playground) -> None:
    """The last few removed files can still be fetched; older ones are gone from memory."""
    ada = here.person("Ada")
    said = [await ada.say("", Upload(f"{n}.png", png())) for n in range(40)]
    for message in said:
        await ada.delete(message)
    async with aiohttp.ClientSession() as session:
        async with session.get(said[-1].attachments[0].url) as answer:
            assert answer.status == 200
        async with session.get(said[0].attachments[0].url) as answer:
            assert answer.status == 404


async def test_files_of_commands_are_not_kept_for_ever(here: Playground) -> None:
    """No message shows them, so only the newest are in memory."""
    brought = []
    for nth in range(100):
        file = here.world.cdn.store(Upload("a.png", png()), id=nth, channel_id=1, ephemeral=True)
        here.world.add_command_attachment(file)
        brought.append(file.url)
    async with aiohttp.ClientSession() as session:
        async with session.get(brought[-1]) as answer:
            assert answer.status == 200
        async with session.get(brought[0]) as answer:
            assert answer.status == 404
