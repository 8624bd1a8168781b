"""Start Debian's Chromium with Playwright."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import pytest
from playwright.async_api import Browser, Page, async_playwright

from bot.playground import Playground

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_ARGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
needs_browser = pytest.mark.skipif(
    CHROMIUM is None and "CI" not in os.environ,
    reason="Chromium is not installed (on Debian: apt install chromium)",
)
"""Skips the test if there is no browser; in CI it runs, and fails."""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A headless browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(browser: Browser, playground: Playground) -> AsyncIterator[Page]:
    """The playground's page; errors in the browser's console fail the test."""
    errors: list[str] = []
    page = await browser.new_page(viewport={"width": 1100, "height": 800})
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text))
    await page.goto(playground.url.replace("127.0.0.1", "localhost"))
    yield page
    await page.close()
    assert errors == []
