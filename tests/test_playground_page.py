"""The web page of the local Discord, in a real browser and by bare requests."""

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
from tests.browser import chromium, needs_browser
from tests.playground_bot import Easel, channel_of, easel, png

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


@app_commands.command(name="guard", description="For admins")
@app_commands.default_permissions(manage_guild=True)
async def guard(interaction: discord.Interaction, channel: discord.TextChannel) -> None:
    """Say what was guarded."""
    await interaction.response.send_message(f"guarded {channel.name}")


class Complaint(discord.ui.Modal, title="Report"):
    """A text and a choice."""

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
        """Say what was filled in."""
        why, level = self.why.component, self.level.component
        assert isinstance(why, discord.ui.TextInput)
        assert isinstance(level, discord.ui.Select)
        await interaction.response.send_message(f"{why.value}, {level.values[0].lower()}")


@app_commands.context_menu(name="Report")
async def report(interaction: discord.Interaction, message: discord.Message) -> None:
    """Ask why."""
    await interaction.response.send_modal(Complaint(custom_id="report"))


@pytest_asyncio.fixture(loop_scope="module")
async def here() -> AsyncIterator[Playground]:
    """A local Discord on any free port."""
    async with Playground(port=0) as discord_server:
        yield discord_server


@pytest_asyncio.fixture(loop_scope="module")
async def bot(here: Playground) -> AsyncIterator[Easel]:
    """A bot that is online."""
    async with easel(here, admin, guard, report) as online:
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
@pytest.mark.parametrize("typed", ["/im", "/imagine"])
async def test_enter_takes_the_command_that_is_offered(
    here: Playground, bot: Easel, page: Page, typed: str
) -> None:
    """What lacks its prompt cannot be sent, so one may go on typing."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.locator("#text").press_sequentially(typed)
    await page.keyboard.press("Enter")
    await expect(page.locator("#text")).to_have_value("/imagine ")
    await page.locator("#text").press_sequentially("a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message")).to_contain_text("a boat")


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
async def test_threads_stand_below_their_channel(here: Playground, bot: Easel, page: Page) -> None:
    """A new thread appears at once; what is said there stays there. Servers have headings."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    thread = here.add_thread(here.channel, "sketches")
    await expect(page.locator("#channels button")).to_have_text(
        ["# general", "⤷ sketches", "# after-dark", "✉ Direct messages"]
    )
    await page.get_by_role("button", name="⤷ sketches").click()
    await page.locator("#text").fill("/imagine a boat")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_contain_text("a boat")
    assert len(here.messages(thread)) == 1
    here.person("Ada").join(here.add_guild("Other"))
    await expect(page.locator("#channels h2")).to_have_text(["Playground", "Other"])


@needs_browser
async def test_commands_are_offered_to_those_who_may(
    here: Playground, bot: Easel, page: Page
) -> None:
    """Only admins see what is theirs; channels are picked by name, of the right kind."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    here.add_thread(here.channel, "sketches")
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
async def test_options_complete_themselves(here: Playground, bot: Easel, page: Page) -> None:
    """What the bot offers for a half-typed option is chosen by a click."""
    await expect(page.locator("#status")).to_have_text("Imagine is here")
    await page.locator("#text").press_sequentially("/describe st")
    await expect(page.locator("#hints .choice")).to_have_text(["Starter", "Stable"])
    await page.get_by_role("button", name="Stable").click()
    await expect(page.locator("#text")).to_have_value("/describe model:stable ")
    await expect(page.locator("#hints .choice")).to_have_count(0)
    await page.keyboard.press("Enter")
    await expect(page.locator(".message .content")).to_contain_text("stable: which size?")


@needs_browser
async def test_the_apps_menu_and_its_form(here: Playground, bot: Easel, page: Page) -> None:
    """A message's menu lists the message commands; a form is filled in, or says what it takes."""
    await here.person("Ben").say("a red house")
    message = page.locator(".message").first
    await message.get_by_label("Apps").click()
    await expect(message.locator(".apps button")).to_have_text(["Show recipe", "Report"])
    await message.get_by_role("button", name="Show recipe").click()
    await expect(page.locator(".message.ephemeral")).to_contain_text("of: a red house")
    await message.get_by_label("Apps").click()
    await message.get_by_role("button", name="Report").click()
    form = page.locator("#form")
    await expect(form.locator("h2")).to_have_text("Report")
    await form.get_by_role("button", name="Submit").click()
    await expect(form.locator(".failed")).to_contain_text("Why takes 5 to 300 characters")
    await form.get_by_label("Why").fill("it is red")
    await form.get_by_label("How bad").select_option("Very")
    await form.get_by_role("button", name="Submit").click()
    await expect(form).to_be_hidden()
    await expect(page.locator(".message").last).to_contain_text("it is red, very")


@needs_browser
async def test_spoilers_are_blurred_until_clicked(here: Playground, bot: Easel, page: Page) -> None:
    """The first click shows the picture, the second opens it."""
    await channel_of(bot, here).send(file=discord.File(io.BytesIO(png()), "SPOILER_a.png"))
    shown = page.locator(".picture")
    await expect(shown).to_have_class("picture veiled")
    await shown.click()
    await expect(shown).to_have_class("picture")
    await expect(page.locator("#viewer")).to_be_hidden()
    await shown.click()
    await expect(page.locator("#viewer img")).to_be_visible()


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
        for name in ("send", "click", "use", "submit", "complete", "react", "dismiss"):
            for body in (b"", b"{", b"[]", b'{"as": "Nobody", "message": "x"}', b"\xff"):
                async with session.post(f"{here.url}/playground/{name}", data=body) as answer:
                    assert answer.status < 500
        async with session.get(f"{here.url}/playground/live?as=Nobody") as answer:
            assert answer.status == 404
