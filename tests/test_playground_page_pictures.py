"""The sizes of pictures on the web page, in a browser."""

import io
from collections.abc import AsyncIterator

import discord
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Locator, Page, expect

from bot.playground import Playground
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, channel_of

SIZES = [(2088, 300), (1792, 1199), (128, 128), (1024, 1024), (90, 1600), (300, 12)]


@pytest_asyncio.fixture
async def page(playground: Playground) -> AsyncIterator[Page]:
    """The page; errors in the browser's console fail the test."""
    async with chromium() as browser, open_page(browser, playground) as page:
        yield page


async def shown_size(node: Locator) -> tuple[float, float]:
    """Width and height in the browser's pixels."""
    box = await node.bounding_box()
    assert box is not None
    return box["width"], box["height"]


@needs_browser
async def test_every_picture_keeps_its_ratio(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Its frame is as large as the picture, also if that is wide and low, and so when opened."""
    for size in SIZES:
        buffer = io.BytesIO()
        Image.new("RGB", size, "tomato").save(buffer, "PNG")
        buffer.seek(0)
        await channel_of(bot, playground).send(file=discord.File(buffer, "a.png"))
    await expect(page.locator(".picture")).to_have_count(len(SIZES))
    for width in (1100, 390):
        await page.set_viewport_size({"width": width, "height": 800})
        for nth, size in enumerate(SIZES):
            await check_sizes(page, page.locator(".picture").nth(nth), size, width)
        assert not await page.evaluate("document.body.scrollWidth > document.body.clientWidth")


async def check_sizes(page: Page, frame: Locator, size: tuple[int, int], width: int) -> None:
    """Fail if a picture of this size has another ratio or is too large, in its frame or opened."""
    across, down = await shown_size(frame.locator("img"))
    assert await shown_size(frame) == pytest.approx((across + 2, down + 2), abs=0.5)
    assert across / size[0] == pytest.approx(down / size[1], rel=0.02)
    assert across <= min(560, width) and down <= 421
    await frame.click()
    opened = await shown_size(page.locator("#viewer img"))
    assert opened[0] / size[0] == pytest.approx(opened[1] / size[1], rel=0.02)
    assert across <= opened[0] <= width and opened[1] <= 800
    await page.locator("#viewer img").click()
