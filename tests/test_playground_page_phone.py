"""The page on a phone: nothing is cut off, and what a mouse would show by hovering is there."""

from collections.abc import AsyncIterator

import discord
import pytest_asyncio
from discord import app_commands
from playwright.async_api import Locator, Page, async_playwright, expect

from bot.playground import Playground
from tests.browser import CHROMIUM, CHROMIUM_ARGS, needs_browser
from tests.playground_bot import PlaygroundBot, channel_of, start_bot
from tests.playground_modals import everything

PHONE = "iPhone 13"
pytestmark = needs_browser


@app_commands.command(name="echo", description="Say it again")
@app_commands.describe(words="What to say", times="How often")
async def echo(
    interaction: discord.Interaction, words: str, times: app_commands.Range[int, 1, 3] = 1
) -> None:
    """Say nothing."""
    await interaction.response.send_message(words)


@pytest_asyncio.fixture
async def playground() -> AsyncIterator[Playground]:
    """A local Discord on a free port."""
    async with Playground(port=0) as server:
        yield server


@pytest_asyncio.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with a modal that has all kinds of fields."""
    async with start_bot(playground, everything, echo) as online:
        online.silent = True
        yield online


@pytest_asyncio.fixture
async def page(playground: Playground, bot: PlaygroundBot) -> AsyncIterator[Page]:
    """The page on a phone; errors in the browser's console fail the test."""
    errors: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        device = {**playwright.devices[PHONE]}
        device.pop("default_browser_type")
        page = await browser.new_page(**device)
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text))
        await page.goto(playground.url.replace("127.0.0.1", "localhost"))
        await expect(page.locator("#status")).to_have_class("online")
        yield page
        await browser.close()
    assert errors == []


async def assert_visible(page: Page, items: Locator) -> None:
    """All of them are inside of the screen, and large enough for a finger."""
    assert page.viewport_size is not None
    for item in await items.all():
        box = await item.bounding_box()
        assert box is not None and box["height"] >= 28
        assert box["x"] >= 0 and box["x"] + box["width"] <= page.viewport_size["width"]
        assert box["y"] >= 0 and box["y"] + box["height"] <= page.viewport_size["height"]


async def test_reactions_and_apps_fit(page: Page, bot: PlaygroundBot) -> None:
    """All emoji can be tapped."""
    await page.locator("#text").fill("hello")
    await page.locator("#send").tap()
    message = page.locator(".message").first
    await message.get_by_label("Add a reaction").tap()
    emoji = message.locator(".reaction-menu button")
    await expect(emoji).to_have_count(10)
    await assert_visible(page, emoji)
    await emoji.filter(has_text="✉").tap()
    await expect(message.locator(".reaction")).to_contain_text("✉️1")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_an_option_is_explained_while_it_is_typed(page: Page) -> None:
    """Touch screens show no titles."""
    await page.locator("#text").fill("/echo hello ")
    await page.get_by_role("button", name="times").tap()
    hint = page.locator("#hints .hint")
    await expect(hint).to_have_text("times: How often (1 to 3)")
    await page.locator("#text").fill("/echo hello")
    await expect(hint).to_have_count(0)


async def test_a_long_form_keeps_its_buttons_in_sight(page: Page) -> None:
    """And its fields are as wide as the screen allows; Safari enlarges smaller texts."""
    await page.locator("#text").fill("/everything")
    await page.locator("#send").tap()
    submit = page.get_by_role("button", name="Submit")
    await assert_visible(page, submit)
    sizes = (
        await page.locator("#form")
        .locator("input, textarea, select")
        .evaluate_all("nodes => nodes.map(node => parseFloat(getComputedStyle(node).fontSize))")
    )
    assert sizes and min(sizes) >= 16


async def test_a_card_has_its_buttons_beside_its_texts(
    page: Page, playground: Playground, bot: PlaygroundBot
) -> None:
    """Components V2, with a link to a message on the page."""
    person = playground.person("Ada")
    first = await person.say("the first message")
    url = f"https://discord.com/channels/{playground.guild_id}/{playground.channel.id}/{first.id}"
    view = discord.ui.LayoutView()
    card = discord.ui.Container[discord.ui.LayoutView]()
    for number in (1, 2):
        cancel = discord.ui.Button[discord.ui.LayoutView](
            label=f"✖ {number}", custom_id=f"{number}"
        )
        words = "a long line of words " * 6
        card.add_item(discord.ui.Section(f"{words}{url} [masked]({url})", accessory=cancel))
        card.add_item(discord.ui.Separator())
    view.add_item(card)
    await channel_of(bot, playground).send(view=view)
    sections = page.locator(".section")
    await expect(sections).to_have_count(2)
    await assert_visible(page, sections.locator("button"))
    for section in await sections.all():
        text = await section.locator(":scope > :first-child").bounding_box()
        button = await section.locator("button").bounding_box()
        assert text is not None and button is not None
        assert text["x"] + text["width"] <= button["x"]
    links = sections.first.locator("a")
    assert await links.all_text_contents() == ["💬 message", "masked"]
    await links.first.tap()
    await expect(page.get_by_text("the first message")).to_be_in_viewport()
    assert len(page.context.pages) == 1


async def test_escaped_marks_are_characters(page: Page, playground: Playground) -> None:
    """Also between marks that count."""
    await playground.person("Ada").say(r"**a \_\_b\_\_ \*c\*** _d_")
    content = page.locator(".message .content")
    await expect(content).to_have_text("a __b__ *c* d")
    await expect(content.locator("strong")).to_have_text("a __b__ *c*")
