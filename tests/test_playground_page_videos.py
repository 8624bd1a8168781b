"""Videos on the playground's page, in Chromium."""

import io
from collections.abc import AsyncIterator

import discord
import pytest_asyncio
from PIL import Image
from playwright.async_api import Page, expect

from bot.playground import Playground
from engine.imaging.video import FRAMES_PER_SECOND, HOLD_SECONDS, FilmWriter
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, channel_of

FRAMES = 5


@pytest_asyncio.fixture
async def page(playground: Playground) -> AsyncIterator[Page]:
    """The page; errors in the browser's console fail the test."""
    async with chromium() as browser, open_page(browser, playground) as page:
        yield page


def film() -> bytes:
    """An MP4 that gets brighter."""
    writer = FilmWriter((256, 256), FRAMES)
    for number in range(FRAMES):
        writer.add(Image.new("RGB", (64, 64), (40 * number,) * 3))
    return writer.finish()


@needs_browser
async def test_a_video_plays_to_its_end(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Chromium decodes the film, whose last frame is held; a spoiler is blurred until a click."""
    channel = channel_of(bot, playground)
    await channel.send(file=discord.File(io.BytesIO(film()), "film.mp4"))
    video = page.locator(".video video")
    await expect(video).to_be_visible()
    duration = await video.evaluate(
        "video => new Promise((resolve, reject) => {"
        " video.onended = () => resolve(video.duration);"
        " video.onerror = () => reject(video.error.message);"
        " video.muted = true; video.playbackRate = 4; video.play(); })"
    )
    assert abs(duration - (FRAMES / FRAMES_PER_SECOND + HOLD_SECONDS)) < 0.11
    await expect(video).to_have_js_property("videoWidth", 256)
    await channel.send(file=discord.File(io.BytesIO(film()), "SPOILER_film.mp4"))
    spoiler = page.locator(".video").last
    await expect(spoiler).to_have_class("video blurred")
    await spoiler.click()
    await expect(spoiler).to_have_class("video")
