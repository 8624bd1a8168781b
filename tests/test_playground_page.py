"""The web page of the local Discord, in a real browser and by bare requests."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
import pytest_asyncio
from discord import app_commands
from playwright.async_api import Browser, Page, expect

from bot.playground import Playground
from tests.browser import chromium, needs_browser
from tests.playground_bot import Easel, easel, png

HOSTILE = '<img src=x onerror="document.title=1"> **b** ||s|| <@1> [x](javascript:1) `c` \u202e'
admin = app_commands.Group(name="admin", description="For those who manage")
rules = app_commands.Group(name="rules", description="Words", parent=admin)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@admin.command(name="size", description="How large")
async def size(interaction: discord.Interaction, level: str, loud: bool = False) -> None:
    """Say what was set."""
    await interaction.response.send_message(f"{level}, loud: {loud}")


@rules.command(name="add", description="One more word")
async def add(interaction: discord.Interaction, word: str) -> None:
    """Say what was added."""
    await interaction.response.send_message(f"added {word}")


@pytest_asyncio.fixture(loop_scope="module")
async def here() -> AsyncIterator[Playground]:
    """A local Discord on any free port."""
    async with Playground(port=0) as discord_server:
        yield discord_server


@pytest_asyncio.fixture(loop_scope="module")
async def bot(here: Playground) -> AsyncIterator[Easel]:
    """A bot that is online."""
    async with easel(here, admin) as online:
        yield online


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def page(here: Playground, browser: Browser) -> AsyncIterator[Page]:
    """The page, freshly opened; whatever the browser complains about fails the test."""
    complaints: list[str] = []
    page = await browser.new_page(viewport={"width": 1100, "height": 800})
    page.set_default_timeout(15_000)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text))
    await page.goto(here.url.replace("127.0.0.1", "localhost"))
    yield page
    await page.close()
    assert complaints == []


@needs_browser
async def test_a_picture_is_asked_for_and_arrives(here: Playground, bot: Easel, page: Page) -> None:
    """Clicking an example and sending it shows the bot's message, its picture and its buttons."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.get_by_role("button", name="/imagine a red house at night").click()
    await page.keyboard.press("Enter")
    message = page.locator(".message")
    await expect(message.locator(".picture img")).to_have_attribute("alt", "grid.png")
    await expect(message).to_contain_text("a red house at night – @Ada")
    await expect(message.locator(".used")).to_have_text("Ada used /imagine")
    await expect(message.locator(".button")).to_have_text(["U1", "🔄", "V1"])
    await expect(message.locator(".button").nth(2)).to_be_disabled()
    await expect(page.locator("#empty")).to_be_hidden()
    await message.locator(".picture").click()
    await expect(page.locator("#viewer img")).to_be_visible()


@needs_browser
async def test_options_are_offered_and_sent(here: Playground, bot: Easel, page: Page) -> None:
    """Typing a slash offers commands, then their options, then their choices."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.locator("#text").press_sequentially("/im")
    await page.keyboard.press("Tab")
    await page.locator("#text").press_sequentially("a boat")
    await page.get_by_role("button", name="aspect").click()
    await page.get_by_role("button", name="wide").click()
    await page.locator("#text").press_sequentially("seed:12")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text("seed 12, 3:2")


@needs_browser
async def test_a_subcommand_is_offered_and_sent(here: Playground, bot: Easel, page: Page) -> None:
    """Subcommands are offered by all their words, then their own options."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.locator("#text").press_sequentially("/adm")
    await expect(page.locator("#hints .command b")).to_have_text(
        ["/admin rules add", "/admin size"]
    )
    await page.locator("#hints .command").nth(1).click()
    await page.get_by_role("button", name="loud").click()
    await page.get_by_role("button", name="true").click()
    await page.locator("#text").press_sequentially("level:large")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_have_text("large, loud: True")
    await expect(page.locator(".message .used")).to_have_text("Ada used /admin size")


@needs_browser
async def test_a_refused_option_is_said_and_kept(here: Playground, bot: Easel, page: Page) -> None:
    """What the client refuses is told below the box, and the text stays to be mended."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.locator("#text").fill("/imagine a boat seed:-5")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("seed takes a number from 0")
    await expect(page.locator("#text")).to_have_value("/imagine a boat seed:-5")
    assert bot.asked == []


@needs_browser
async def test_a_sketch_is_attached(
    here: Playground, bot: Easel, page: Page, tmp_path: Path
) -> None:
    """A chosen file goes to the command's attachment option."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    sketch = tmp_path / "sketch.png"
    sketch.write_bytes(png("gold"))
    await page.locator("#picker").set_input_files(sketch)
    await expect(page.locator("#file")).to_contain_text("sketch.png")
    await expect(page.locator("#text")).to_have_value("/imagine ")
    await page.locator("#text").press_sequentially("a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text(f"{len(png('gold'))} bytes")


@needs_browser
async def test_buttons_and_reactions_work(here: Playground, bot: Easel, page: Page) -> None:
    """A press is answered privately, silence shows as a failure, reactions are counted."""
    asked = await here.person("Ada").slash("imagine", prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    await page.get_by_role("button", name="U1").click()
    private = page.locator(".message.ephemeral")
    await expect(private).to_contain_text("Only you can see this")
    await private.get_by_role("button", name="Dismiss message").click()
    await expect(private).to_have_count(0)
    await page.locator(".more summary").click()
    await page.locator(".more").get_by_role("button", name="🔁").click()
    await expect(page.locator(".reaction.mine")).to_have_text("🔁1")
    assert asked.response is not None
    assert list(asked.response.reactions) == ["🔁"]
    await page.locator(".reaction").click()
    await expect(page.locator(".reaction")).to_have_count(0)
    bot.silent = True
    await page.get_by_role("button", name="🔄").click()
    await expect(page.locator(".failed")).to_have_text("This interaction failed")


@needs_browser
async def test_people_and_channels_are_apart(here: Playground, bot: Easel, page: Page) -> None:
    """Private answers are for one person; direct messages have their own view."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.get_by_role("radio", name="Ben").click()
    await page.locator("#text").fill("hello from Ben")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .head strong")).to_have_text("Ben")
    user = await bot.fetch_user(here.person("Ben").id)
    await user.send("your seeds: <t:0:R>")
    await page.get_by_role("button", name="Direct messages").click()
    await expect(page.locator(".message .content")).to_contain_text("your seeds: ")
    await page.get_by_role("radio", name="Ada").click()
    await expect(page.locator(".message")).to_have_count(0)


@needs_browser
async def test_hostile_text_stays_text(here: Playground, page: Page) -> None:
    """Markup is never markup: tags are shown, links with odd schemes are no links."""
    await here.person("Ada").say(HOSTILE)
    content = page.locator(".message .content")
    await expect(content).to_contain_text("<img src=x onerror=")
    await expect(content.locator("strong")).to_have_text("b")
    await expect(content.locator("img")).to_have_count(0)
    await expect(content.locator("a")).to_have_count(0)
    assert await page.title() == "Playground – a local Discord"


@needs_browser
async def test_the_page_fits_a_phone(here: Playground, bot: Easel, page: Page) -> None:
    """At 360 pixels nothing is wider than the screen, and long words break."""
    await page.set_viewport_size({"width": 360, "height": 700})
    await here.person("Ada").say("x" * 500)
    await expect(page.locator(".message")).to_be_visible()
    wide = await page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360


async def test_other_websites_cannot_act(here: Playground) -> None:
    """Without the page's own header, or by a foreign host name, nothing is done."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{here.url}/playground/click", json={}) as answer:
            assert answer.status == 403
        foreign = {"Host": "evil.example"}
        async with session.get(f"{here.url}/playground/people", headers=foreign) as answer:
            assert answer.status == 403
        async with session.get(here.url) as answer:
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


async def test_bad_requests_are_refused_not_crashed(here: Playground) -> None:
    """Nonsense to the page's own addresses gets an answer below 500."""
    own = {"X-Playground": "1"}
    async with aiohttp.ClientSession(headers=own) as session:
        for name in ("send", "click", "react", "dismiss"):
            for body in (b"", b"{", b"[]", b'{"as": "Nobody", "message": "x"}', b"\xff"):
                async with session.post(f"{here.url}/playground/{name}", data=body) as answer:
                    assert answer.status < 500
        async with session.get(f"{here.url}/playground/live?as=Nobody") as answer:
            assert answer.status == 404
