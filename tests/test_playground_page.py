"""The web page, in a browser and by plain HTTP requests."""

import io
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import discord
import pytest
import pytest_asyncio
from discord import app_commands
from playwright.async_api import Browser, Page, expect

from bot.playground import Playground
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, channel_of, png, start_bot

ACTIONS = (
    *("click", "choose", "use", "submit", "react", "clear", "dismiss"),
    *("condition", "all-off"),
)
HOSTILE = '<img src=x onerror="document.title=1"> **b** ||s|| <@1> [x](javascript:1) `c` \u202e'
admin = app_commands.Group(name="admin", description="For those who manage")
rules = app_commands.Group(name="rules", description="Words", parent=admin)
pytestmark = pytest.mark.asyncio(loop_scope="module")


@admin.command(name="size", description="How large")
async def size(interaction: discord.Interaction, level: str, loud: bool = False) -> None:
    """Respond with the option values."""
    await interaction.response.send_message(f"{level}, loud: {loud}")


@rules.command(name="add", description="One more word")
async def add(interaction: discord.Interaction, word: str) -> None:
    """Respond with the word."""
    await interaction.response.send_message(f"added {word}")


@app_commands.command(name="guard", description="For admins")
@app_commands.default_permissions(manage_guild=True)
async def guard(interaction: discord.Interaction, channel: discord.TextChannel) -> None:
    """Respond with the channel."""
    await interaction.response.send_message(f"guarded {channel.name}")


class Complaint(discord.ui.Modal, title="Report"):
    """A modal with a text input and a select menu."""

    why: discord.ui.Label["Complaint"] = discord.ui.Label(
        text="Why",
        description="In your words",
        component=discord.ui.TextInput(
            custom_id="why",
            style=discord.TextStyle.paragraph,
            min_length=5,
            max_length=300,
        ),
    )
    level: discord.ui.Label["Complaint"] = discord.ui.Label(
        text="How bad",
        component=discord.ui.Select(
            custom_id="level",
            options=[discord.SelectOption(label="Rather"), discord.SelectOption(label="Very")],
        ),
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Respond with the submitted values."""
        why, level = self.why.component, self.level.component
        assert isinstance(why, discord.ui.TextInput)
        assert isinstance(level, discord.ui.Select)
        await interaction.response.send_message(f"{why.value}, {level.values[0].lower()}")


@app_commands.context_menu(name="Report")
async def report(interaction: discord.Interaction, message: discord.Message) -> None:
    """Respond with the modal."""
    await interaction.response.send_modal(Complaint(custom_id="report"))


@pytest_asyncio.fixture(loop_scope="module")
async def playground() -> AsyncIterator[Playground]:
    """A local Discord on a free port."""
    async with Playground(port=0) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A connected bot."""
    async with start_bot(playground, admin, guard, report) as connected_bot:
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


@needs_browser
async def test_an_example_command_shows_a_picture(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Sending an example command shows the response with its picture and buttons."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.get_by_role("button", name="/imagine a red house at night").click()
    await page.keyboard.press("Enter")
    message = page.locator(".message")
    await expect(message.locator(".picture img")).to_have_attribute("alt", "grid.png")
    await expect(message).to_contain_text("a red house at night – @Ada")
    await expect(message.locator(".context")).to_have_text("Ada used /imagine")
    await expect(message.locator(".button")).to_have_text(["U1", "🔄", "V1"])
    await expect(message.locator(".button").nth(2)).to_be_disabled()
    await expect(page.locator("#empty")).to_be_hidden()
    await message.locator(".picture").click()
    await expect(page.locator("#viewer img")).to_be_visible()


@needs_browser
async def test_options_are_offered_and_sent(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Typing suggests commands, then their options, then choices."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.locator("#text").press_sequentially("/im")
    await page.keyboard.press("Tab")
    await page.locator("#text").press_sequentially("a boat")
    await page.get_by_role("button", name="aspect").click()
    await page.get_by_role("button", name="wide").click()
    await page.locator("#text").press_sequentially("seed:12")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text("seed 12, 3:2")


@needs_browser
@pytest.mark.parametrize("text", ["/im", "/imagine"])
async def test_enter_inserts_the_suggested_command(
    playground: Playground, bot: PlaygroundBot, page: Page, text: str
) -> None:
    """Enter completes a command that lacks a required option instead of sending it."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.locator("#text").press_sequentially(text)
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value("/imagine ")
    await page.locator("#text").press_sequentially("a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text("a boat")


@needs_browser
async def test_a_subcommand_is_offered_and_sent(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Subcommands are suggested by their full name."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
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
    await expect(page.locator(".message .context")).to_have_text("Ada used /admin size")


@needs_browser
async def test_a_rejected_option_shows_an_error(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """A rejected option shows an error, and the text stays in the box."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.locator("#text").fill("/imagine a boat seed:-5")
    await page.keyboard.press("Enter")
    await expect(page.locator("#notice")).to_contain_text("seed takes a number from 0")
    await expect(page.locator("#text")).to_have_value("/imagine a boat seed:-5")
    await page.locator("#text").fill("/imagine a boat seed:5")
    await expect(page.locator("#notice")).to_be_empty()
    assert bot.interactions == []


@needs_browser
async def test_a_sketch_is_attached(
    playground: Playground, bot: PlaygroundBot, page: Page, tmp_path: Path
) -> None:
    """A selected file is sent as the attachment option."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    sketch = tmp_path / "sketch.png"
    sketch.write_bytes(png("gold"))
    await page.locator("#picker").set_input_files(sketch)
    await expect(page.locator("#files")).to_contain_text("sketch.png")
    await expect(page.locator("#text")).to_have_value("/imagine ")
    await page.locator("#text").press_sequentially("a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text(f"{len(png('gold'))} bytes")


@needs_browser
async def test_buttons_and_reactions_work(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Clicks, dismissing, reactions and failed interactions."""
    interaction = await playground.person("Ada").slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    await page.get_by_role("button", name="U1").click()
    ephemeral = page.locator(".message.ephemeral")
    await expect(ephemeral).to_contain_text("Only you can see this")
    await ephemeral.get_by_role("button", name="Dismiss message").click()
    await expect(ephemeral).to_have_count(0)
    await page.locator(".reaction-menu summary").click()
    await page.locator(".reaction-menu").get_by_role("button", name="🔁").click()
    await expect(page.locator(".reaction.mine")).to_have_text("🔁1")
    assert interaction.response is not None
    assert list(interaction.response.reactions) == ["🔁"]
    await page.locator(".reaction").click()
    await expect(page.locator(".reaction")).to_have_count(0)
    bot.silent = True
    await page.get_by_role("button", name="🔄").click()
    await expect(page.locator(".error")).to_have_text("This interaction failed")


@needs_browser
async def test_users_and_channels_have_separate_views(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """A DM is visible to its recipient only."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.get_by_role("radio", name="Ben").click()
    await page.locator("#text").fill("hello from Ben")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .head strong")).to_have_text("Ben")
    user = await bot.fetch_user(playground.person("Ben").id)
    await user.send("your seeds: <t:0:R>")
    await page.get_by_role("button", name="Direct messages").click()
    await expect(page.locator(".message .content")).to_contain_text("your seeds: ")
    await page.get_by_role("radio", name="Ada").click()
    await expect(page.locator(".message")).to_have_count(0)


@needs_browser
async def test_threads_are_listed_below_their_channel(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """New threads are listed at once; with several guilds the list has headings."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    thread = playground.add_thread(playground.channel, "sketches")
    await expect(page.locator("#channels button")).to_have_text(
        ["# general", "⤷ sketches", "# after-dark", "✉ Direct messages"]
    )
    await page.get_by_role("button", name="⤷ sketches").click()
    await page.locator("#text").fill("/imagine a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_contain_text("a boat")
    assert len(playground.messages(thread)) == 1
    playground.person("Ada").join(playground.add_guild("Other"))
    await expect(page.locator("#channels h2")).to_have_text(["Playground", "Other"])


@needs_browser
async def test_commands_are_suggested_by_permission(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Commands are suggested by permission, and channels by type."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    playground.add_thread(playground.channel, "sketches")
    await page.locator("#text").fill("/gu")
    await expect(page.locator("#hints button")).to_have_count(0)
    await page.get_by_role("radio", name="Admin").click()
    await page.locator("#text").fill("/gu")
    await page.locator("#hints .command").click()
    await page.get_by_role("button", name="channel").click()
    await expect(page.locator("#hints button")).to_have_text(["general", "after-dark"])
    await page.locator("#hints").get_by_role("button", name="after-dark").click()
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_have_text("guarded after-dark")


@needs_browser
async def test_options_are_autocompleted(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Autocomplete choices are suggested, and inserted by a click."""
    await expect(page.locator("#status")).to_have_text("Imagine is online")
    await page.locator("#text").press_sequentially("/describe st")
    await expect(page.locator("#hints .choice")).to_have_text(["Starter", "Stable"])
    await page.get_by_role("button", name="Stable").click()
    await expect(page.locator("#text")).to_have_value("/describe model:stable ")
    await expect(page.locator("#hints .choice")).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_contain_text("stable: which size?")


@needs_browser
async def test_the_apps_menu_and_its_modal(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """The Apps menu lists message commands; a modal shows errors and is submitted."""
    await playground.person("Ben").say("a red house")
    message = page.locator(".message").first
    await message.get_by_label("Apps").click()
    await expect(message.locator(".apps button")).to_have_text(["Show recipe", "Report"])
    await message.get_by_role("button", name="Show recipe").click()
    await expect(page.locator(".context").last).to_have_text("Ada used Show recipe")
    await expect(page.locator(".message.ephemeral")).to_contain_text("of: a red house")
    await message.get_by_label("Apps").click()
    await message.get_by_role("button", name="Report").click()
    form = page.locator("#form")
    await expect(form.locator("h2")).to_have_text("Report")
    await form.get_by_role("button", name="Submit").click()
    await expect(form.locator(".error")).to_contain_text("Why takes 5 to 300 characters")
    await form.get_by_label("Why").fill("it is red")
    await form.get_by_label("How bad").select_option("Very")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_be_hidden()
    await expect(page.locator(".message").last).to_contain_text("it is red, very")


@needs_browser
async def test_spoilers_are_blurred_until_clicked(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """The first click reveals a spoiler, the second opens it."""
    await channel_of(bot, playground).send(file=discord.File(io.BytesIO(png()), "SPOILER_a.png"))
    picture = page.locator(".picture")
    await expect(picture).to_have_class("picture blurred")
    await picture.click()
    await expect(picture).to_have_class("picture")
    await expect(page.locator("#viewer")).to_be_hidden()
    await picture.click()
    await expect(page.locator("#viewer img")).to_be_visible()


@needs_browser
async def test_hostile_text_stays_text(playground: Playground, page: Page) -> None:
    """HTML is shown as text, and links with other schemes are not links."""
    await playground.person("Ada").say(HOSTILE)
    content = page.locator(".message .content")
    await expect(content).to_contain_text("<img src=x onerror=")
    await expect(content.locator("strong")).to_have_text("b")
    await expect(content.locator("img")).to_have_count(0)
    await expect(content.locator("a")).to_have_count(0)
    assert await page.title() == "Playground – a local Discord"
    await playground.person("Ada").say("a\n```\nb: 1\nc\n```\n```d```<t:43200:D>")
    await expect(content.last.locator("pre")).to_have_text(["b: 1\nc", "d"])
    assert await content.last.evaluate("node => node.textContent") == "a\nb: 1\ncdJanuary 1, 1970"


@needs_browser
async def test_the_page_fits_a_phone(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """At 360 pixels the page does not scroll horizontally."""
    await page.set_viewport_size({"width": 360, "height": 700})
    await playground.person("Ada").say("x" * 500)
    await expect(page.locator(".message")).to_be_visible()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360


async def test_other_websites_cannot_act(playground: Playground) -> None:
    """Requests without the page's header, or with another host name, are refused."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{playground.url}/playground/click", json={}) as response:
            assert response.status == 403
        headers = {"Host": "evil.example"}
        async with session.get(f"{playground.url}/playground/people", headers=headers) as response:
            assert response.status == 403
        async with session.get(playground.url) as response:
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_bad_requests_are_refused_not_crashed(playground: Playground) -> None:
    """Malformed requests to the page's routes get a status below 500."""
    headers = {"X-Playground": "1"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for name in (*ACTIONS, "send", "complete"):
            for body in (b"", b"{", b"[]", b'{"as": "Nobody", "message": "x"}', b"\xff"):
                async with session.post(
                    f"{playground.url}/playground/{name}", data=body
                ) as response:
                    assert response.status < 500
        async with session.get(f"{playground.url}/playground/live?as=Nobody") as response:
            assert response.status == 404
