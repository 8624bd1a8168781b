"""Start the bot without a token, open the page and paint."""

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
from tests.playground_pad import attach, open_pad, stroke

ROOT: Final = Path(__file__).parents[1]
README_SCREENSHOT: Final = ROOT / "tests" / "playground.png"
UPDATE_README: Final = "IMAGINE_KEEP_PICTURE"
"""If set (by `make picture`), the screenshot replaces that of the README."""
TIMEOUT_MS: Final = 60_000.0
"""Milliseconds."""
pytestmark = [pytest.mark.timeout(300), needs_browser]


@pytest_asyncio.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    """The URL of the playground of `python -m bot` with the starter model."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("DISCORD")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"),
        cwd=ROOT,
        env={
            **environment,
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
            parts = line.decode().split()
            if parts and parts[-1].startswith("http://127.0.0.1"):
                break
    yield parts[-1]
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    assert process.returncode == 0


@pytest_asyncio.fixture
async def page(url: str) -> AsyncIterator[Page]:
    """The page, after the bot has connected."""
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 1120, "height": 840})
        page.set_default_timeout(TIMEOUT_MS)
        await page.goto(url)
        await expect(page.locator("#status")).to_contain_text("is online", timeout=TIMEOUT_MS)
        yield page


async def imagine(page: Page, arguments: str) -> Locator:
    """Send /imagine and wait for the grid."""
    count = await page.locator(".message").count()
    await page.locator("#text").fill(f"/imagine {arguments}")
    await page.keyboard.press("Enter")
    message = page.locator(".message").nth(count)
    await expect(message.get_by_role("button", name="V4")).to_be_visible(timeout=TIMEOUT_MS)
    return message


async def test_a_newcomer_paints(page: Page, tmp_path: Path) -> None:
    """A command shows four pictures; U, V, 🔄 and sketches work."""
    grid = await imagine(page, "a red house at night seed:7")
    picture = grid.locator(".picture img")
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("naturalWidth", 1024, timeout=TIMEOUT_MS)  # enlarged
    screenshot = README_SCREENSHOT if UPDATE_README in os.environ else tmp_path / "playground.png"
    await page.screenshot(path=screenshot)
    with Image.open(screenshot) as image:
        assert len(image.convert("RGB").getcolors(maxcolors=2**24) or []) > 1000

    await grid.get_by_role("button", name="U2").click()
    full_size = page.locator(".message").nth(1)
    await expect(full_size.locator(".picture img")).to_be_visible(timeout=TIMEOUT_MS)
    await expect(full_size.locator(".context")).to_contain_text(
        "a red house at night · @Ada 20 steps"
    )
    await expect(full_size.locator(".context")).to_contain_text("dpmpp_2m")
    for index, button in enumerate(("V3", "🔄"), start=2):
        await grid.get_by_role("button", name=button).click()
        answer = page.locator(".message").nth(index)
        await expect(answer.get_by_role("button", name="V4")).to_be_visible(timeout=TIMEOUT_MS)

    await open_pad(page, page.get_by_role("button", name="Draw a picture"))
    await page.get_by_role("radio", name="Blue", exact=True).check()
    await page.get_by_role("slider", name="Width").fill("100")
    await stroke(page, (0, 0.9), (1, 0.9), (0, 0.75), (1, 0.75))
    await attach(page)
    sketch_grid = await imagine(page, "a boat on the sea strength:0.6")
    await expect(sketch_grid).to_contain_text("from a sketch")
