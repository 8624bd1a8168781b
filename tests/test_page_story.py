"""What a newcomer does: start the bot without a token, open the page, paint."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.browser import chromium, needs_browser

ROOT: Final = Path(__file__).parents[1]
README_PICTURE: Final = ROOT / "tests" / "playground.png"
KEEP: Final = "IMAGINE_KEEP_PICTURE"
"""Set it (make picture does) and the screenshot becomes the README's."""
PATIENCE: Final = 60_000.0
"""Milliseconds."""
pytestmark = [pytest.mark.timeout(300), needs_browser]


@pytest_asyncio.fixture
async def address(tmp_path: Path) -> AsyncIterator[str]:
    """Of the playground that `python -m bot` serves, with the starter model behind it."""
    nothing_set = {name: v for name, v in os.environ.items() if not name.startswith("DISCORD")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"),
        cwd=ROOT,
        env={
            **nothing_set,
            "DISCORD_TOKEN": "",
            "IMAGINE_DATA": str(tmp_path / "data"),
            "IMAGINE_MODEL": "starter",
            "IMAGINE_PLAYGROUND_PORT": "0",
        },
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(120):
        async for line in process.stdout:
            words = line.decode().split()
            if words and words[-1].startswith("http://127.0.0.1"):
                break
    yield words[-1]
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


@pytest_asyncio.fixture
async def page(address: str) -> AsyncIterator[Page]:
    """The page, with the bot online."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1120, "height": 840})
        page.set_default_timeout(PATIENCE)
        await page.goto(address)
        await expect(page.locator("#status")).to_contain_text("is here", timeout=PATIENCE)
        yield page


async def imagine(page: Page, words: str) -> Locator:
    """Type a command and wait for its grid."""
    before = await page.locator(".message").count()
    await page.locator("#text").fill(f"/imagine {words}")
    await page.keyboard.press("Enter")
    message = page.locator(".message").nth(before)
    await expect(message.get_by_role("button", name="V4")).to_be_visible(timeout=PATIENCE)
    return message


async def test_a_newcomer_paints(page: Page, tmp_path: Path) -> None:
    """A command brings four pictures; U, V and 🔄 work; a sketch is painted over."""
    grid = await imagine(page, "a red house at night seed:7")
    await expect(grid.locator(".picture img")).to_be_visible()
    picture = README_PICTURE if KEEP in os.environ else tmp_path / "playground.png"
    await page.screenshot(path=picture)
    with Image.open(picture) as seen:
        assert len(seen.convert("RGB").getcolors(maxcolors=2**24) or []) > 1000

    await grid.get_by_role("button", name="U2").click()
    single = page.locator(".message").nth(1)
    await expect(single.locator(".picture img")).to_be_visible(timeout=PATIENCE)
    await expect(single.locator(".used")).to_contain_text("a red house at night · @Ada 20 steps")
    await expect(single.locator(".used")).to_contain_text("dpmpp_2m")
    for nth, button in enumerate(("V3", "🔄"), start=2):
        await grid.get_by_role("button", name=button).click()
        answer = page.locator(".message").nth(nth)
        await expect(answer.get_by_role("button", name="V4")).to_be_visible(timeout=PATIENCE)

    sketch = tmp_path / "sketch.png"
    Image.new("RGB", (128, 128), "royalblue").save(sketch)
    await page.locator("#picker").set_input_files(sketch)
    drawn = await imagine(page, "a boat on the sea strength:0.6")
    await expect(drawn).to_contain_text("over a sketch")
