"""The page's switches of conditions, and the preview of a replied-to message, in a browser."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.playground import Playground
from bot.playground.conditions import table
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, start_bot

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def playground() -> AsyncIterator[Playground]:
    """A local Discord on a free port."""
    async with Playground(port=0) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A connected bot."""
    async with start_bot(playground) as connected_bot:
        yield connected_bot


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(playground: Playground, browser: Browser) -> AsyncIterator[Page]:
    """The page; errors in the browser's console fail the test."""
    async with open_page(browser, playground) as page:
        yield page


async def send(page: Page, text: str) -> None:
    """Type a message or a command, and press Enter."""
    await page.locator("#text").fill(text)
    await page.keyboard.press("Enter")


@needs_browser
async def test_a_switch_changes_what_the_bot_gets(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """By keyboard alone; the banner names what is on, and ends it."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await expect(page.locator("#banner")).to_be_hidden()
    await page.locator("#bad-days").press("Enter")
    await expect(page.get_by_role("heading", name="Discord’s bad days")).to_be_focused()
    assert await page.get_by_role("switch").count() == len(table.CONDITIONS)
    await page.get_by_role("switch", name="Unknown interaction").press("Space")
    await expect(page.locator("#banner")).to_contain_text("bad day: Unknown interaction (10062)")
    assert playground.conditions.active == [table.UNKNOWN_INTERACTIONS]
    await page.keyboard.press("Escape")
    await expect(page.locator("#bad-days")).to_be_focused()
    await send(page, "/imagine a boat")
    await expect(page.locator("#notice")).to_have_text("The application did not respond")
    await page.locator("#banner button").press("Enter")
    await expect(page.locator("#banner")).to_be_hidden()
    assert playground.conditions.active == []
    await send(page, "/imagine a boat")
    await expect(page.locator(".message .picture img")).to_be_visible()


@needs_browser
async def test_the_state_is_shown_on_each_page(
    playground: Playground, page: Page, browser: Browser
) -> None:
    """Another page shows what is on, also after it was loaded; so does a phone."""
    switch = page.get_by_role("switch", name="Slow answers")
    await page.locator("#bad-days").click()
    playground.conditions.set(table.SLOW_ANSWERS, on=True)
    await expect(switch).to_be_checked()
    await page.set_viewport_size({"width": 360, "height": 700})
    await page.reload()
    await expect(page.locator("#bad-days")).to_have_text("Bad days 1")
    await page.locator("#bad-days").click()
    await expect(switch).to_be_checked()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    await page.locator("#conditions").get_by_role("button", name="All off").click()
    await expect(switch).not_to_be_checked()
    await page.get_by_role("button", name="Close").click()
    await expect(page.locator("#conditions")).to_be_hidden()


@needs_browser
async def test_the_preview_of_a_reply_has_no_markup(playground: Playground, page: Page) -> None:
    """It is one line, however long the message is, and spoilers stay hidden."""
    ada = playground.person("Ada")
    text = f"**bold `code` {'x' * 120}**\n-# *more* ||secret|| <@{ada.id}> \\*"
    original = await ada.say(text)
    await ada.say("yes", reply_to=original)
    context = page.locator(".message .context").last
    await expect(context).to_have_text(f"↱ Ada bold code {'x' * 120} more ▮▮▮ @Ada *")


async def test_other_websites_cannot_switch(playground: Playground) -> None:
    """Requests need the page's header and a known user and condition."""
    async with aiohttp.ClientSession() as session:
        for action in ("condition", "all-off"):
            url = f"{playground.url}/playground/{action}"
            body = {"as": playground.person("Ada").name, "condition": "outage", "on": True}
            async with session.post(url, json=body) as response:
                assert response.status == 403
        headers = {"X-Playground": "1"}
        url = f"{playground.url}/playground/condition"
        async with session.post(url, json=body | {"condition": "x"}, headers=headers) as response:
            assert "no condition x" in (await response.json())["error"]
    assert playground.conditions.active == []
