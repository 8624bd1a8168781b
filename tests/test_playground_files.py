"""Attachments: spoilers, image sizes, and the CDN with injected faults."""

import io

import aiohttp
import discord
import pytest
from PIL import Image

from bot.playground import Fault, Playground, Upload
from bot.playground.model.image_size import image_size
from engine.imaging.video import FilmWriter
from tests.playground_bot import PlaygroundBot, channel_of, file, png
from tests.playground_http import Http


async def test_spoilers_are_marked(playground: Playground, bot: PlaygroundBot) -> None:
    """A name that starts with SPOILER_ marks a spoiler."""
    channel = channel_of(bot, playground)
    spoiler = discord.File(io.BytesIO(png()), "a.png", spoiler=True)
    bot_message = await channel.send(files=[spoiler, file("b.png")])
    assert [(a.filename, a.flags.spoiler) for a in bot_message.attachments] == [
        ("SPOILER_a.png", True),
        ("b.png", False),
    ]
    assert [a.spoiler for a in playground.messages()[0].attachments] == [True, False]
    await bot_message.edit(attachments=[bot_message.attachments[0]])
    assert [a.spoiler for a in playground.messages()[0].attachments] == [True]


async def test_the_spoiler_flag_of_a_request_marks_a_file(
    playground: Playground, http: Http
) -> None:
    """`is_spoiler` marks a spoiler regardless of the name; it must be a boolean."""
    entry: dict[str, object] = {"id": "0", "is_spoiler": True}
    _, message = await http.post({"attachments": [entry]}, [png()])
    assert message["attachments"][0]["flags"] == 1 << 3
    status, _ = await http.post({"attachments": [entry | {"is_spoiler": "yes"}]}, [png()])
    assert status == 400


def encoded(format: str, **options: object) -> bytes:
    """An image of 30 by 20 pixels."""
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "teal").save(buffer, format, **options)
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
    """The width and height of every supported format are read."""
    assert image_size(data) == (30, 20)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", encoded("PNG")[:18], encoded("JPEG")[:8], b"RIFF0000WEBPVP9 ", b"\xff\xd8\xff"],
)
def test_other_files_have_no_size(data: bytes) -> None:
    """Text, truncated files and unknown formats have no size."""
    assert image_size(data) is None


async def test_downloads_can_have_faults(playground: Playground) -> None:
    """Faults of the CDN: an error status, half of the file, a delay."""
    data = png("gold", 256)
    message = await playground.person("Ada").say("look", Upload("a.png", data))
    url = message.attachments[0].url
    async with aiohttp.ClientSession() as session:
        playground.faults.next("GET", "/attachments/", Fault(status=503))
        async with session.get(url) as response:
            assert response.status == 503
        playground.faults.next("GET", "/attachments/", Fault(drop=True))
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url) as response:
                await response.read()
        playground.faults.next("GET", "/attachments/", Fault(delay=0.01))
        async with session.get(url) as response:
            assert await response.read() == data


async def test_a_file_that_is_no_picture_is_only_downloaded(playground: Playground) -> None:
    """Other content types are served as downloads and without sniffing."""
    message = await playground.person("Ada").say("", Upload("x.html", b"<script>1</script>"))
    url = message.attachments[0].url
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.headers["Content-Disposition"] == "attachment"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def film() -> bytes:
    """An MP4 of 48 by 32 pixels."""
    writer = FilmWriter((48, 32), 1)
    writer.add(Image.new("RGB", (48, 32), "teal"))
    return writer.finish()


def test_the_size_of_a_video_is_read() -> None:
    """It stands in the header of its track."""
    assert image_size(film()) == (48, 32)
    assert image_size(film()[:64]) is None
    assert image_size(b"\0\0\0\x08ftyptkhd") is None


async def test_parts_of_a_video_are_served(playground: Playground) -> None:
    """A player jumps to a time by requesting a range of bytes."""
    data = film()
    message = await playground.person("Ada").say("", Upload("a.mp4", data))
    url = message.attachments[0].url
    async with aiohttp.ClientSession() as session:
        async with session.get(url) as response:
            assert response.headers["Content-Type"] == "video/mp4"
            assert response.headers["Accept-Ranges"] == "bytes"
            assert "Content-Disposition" not in response.headers
            assert await response.read() == data
        for header, part in [("bytes=10-19", data[10:20]), ("bytes=-5", data[-5:])]:
            async with session.get(url, headers={"Range": header}) as response:
                assert response.status == 206
                assert await response.read() == part
                assert response.headers["Content-Range"].endswith(f"/{len(data)}")
        for header in ("bytes=9999999-", "lines=1-2"):
            async with session.get(url, headers={"Range": header}) as response:
                assert response.status == 416


async def test_recently_deleted_files_can_be_fetched(playground: Playground) -> None:
    """Only the most recently deleted files can still be fetched."""
    ada = playground.person("Ada")
    messages = [await ada.say("", Upload(f"{n}.png", png())) for n in range(40)]
    for message in messages:
        await ada.delete(message)
    async with aiohttp.ClientSession() as session:
        async with session.get(messages[-1].attachments[0].url) as response:
            assert response.status == 200
        async with session.get(messages[0].attachments[0].url) as response:
            assert response.status == 404


async def test_command_attachments_are_limited(playground: Playground) -> None:
    """Only the newest files of command options are stored."""
    urls = []
    for index in range(100):
        file = playground.world.cdn.store(
            Upload("a.png", png()), attachment_id=index, channel_id=1, ephemeral=True
        )
        playground.world.add_command_attachment(file)
        urls.append(file.url)
    async with aiohttp.ClientSession() as session:
        async with session.get(urls[-1]) as response:
            assert response.status == 200
        async with session.get(urls[0]) as response:
            assert response.status == 404
