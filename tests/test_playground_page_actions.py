"""Menus, cleared reactions and scrolling on the page, in a browser and by HTTP requests."""

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import discord
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from bot.playground import Playground
from tests.browser import chromium, needs_browser, open_page
from tests.playground_bot import PlaygroundBot, channel_of, png, start_bot
from tests.playground_menus import choose, send_menus
from tests.playground_modals import everything

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def playground() -> AsyncIterator[Playground]:
    """A local Discord on a free port."""
    async with Playground(port=0) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with the modal, which leaves the menus of messages to their view."""
    async with start_bot(playground, choose, everything) as online:
        online.silent = True
        yield online


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One Chromium for all tests."""
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def page(playground: Playground, browser: Browser) -> AsyncIterator[Page]:
    """The page; errors in the browser's console fail the test."""
    async with open_page(browser, playground) as page:
        await expect(page.locator("#status")).to_have_text("Imagine is online")
        yield page


@needs_browser
async def test_menus_of_a_message_are_used(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """One choice is sent at once, several with a button; other channel types are not offered."""
    role = playground.add_role("Painters")
    playground.add_thread(playground.channel, "sketches")
    await send_menus(playground, bot)
    menus = page.locator(".message").first.locator("select")
    await expect(menus).to_have_count(4)
    await menus.nth(0).select_option(label="Ben")
    reply = page.locator(".message").last
    await expect(reply).to_contain_text(f"Member {playground.person('Ben').id}")
    await menus.nth(1).select_option(label=["Moderators", "Painters"])
    await page.locator(".message").first.get_by_role("button", name="Choose").first.click()
    await expect(reply).to_contain_text(f"Role {role.id}")
    await expect(menus.nth(3).locator("option")).to_have_text(["Choose", "general", "after-dark"])


@needs_browser
async def test_a_menu_forgets_its_choice_when_its_message_is_edited(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Not before, and not for a reaction: as in Discord's own clients."""
    message = await send_menus(playground, bot)
    menu = page.locator(".message").first.locator("select").first
    await menu.select_option(label="Ben")
    await expect(page.locator(".message").last).to_contain_text("Member")
    await playground.person("Ada").react(message, "🔁")
    await expect(page.locator(".reaction")).to_be_visible()
    await expect(menu.locator("option:checked")).to_have_text("Ben")
    await channel_of(bot, playground).get_partial_message(message.id).edit(content="Again")
    await expect(menu.locator("option:checked")).to_have_text("Choose")


@needs_browser
async def test_clicks_choose_several_options(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Without the Ctrl key; a second click takes a choice back."""
    playground.add_role("Painters")
    await send_menus(playground, bot)
    menu = page.locator(".message").first.locator("select").nth(1)
    options = menu.locator("option")
    for name in ("Moderators", "Painters", "Moderators"):
        await options.filter(has_text=name).click()
    await expect(menu.locator("option:checked")).to_have_text(["Painters"])


@needs_browser
async def test_a_modal_is_submitted_once(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """However often the button is pressed."""
    await page.locator("#text").fill("/choose")
    await page.keyboard.press("Enter")
    await page.locator("#form select").first.select_option(label="Mod")
    await page.get_by_role("button", name="Submit").evaluate("node => {node.click(); node.click()}")
    await expect(page.locator("#form")).to_be_hidden()
    await page.locator("#text").fill("done")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message").last).to_contain_text("done")
    await expect(page.locator(".message")).to_have_count(2)


@needs_browser
async def test_menus_of_a_modal_are_used(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """The modal offers users, roles and channels, and shows which field is missing."""
    await page.locator("#text").fill("/choose")
    await page.keyboard.press("Enter")
    menus = page.locator("#form select")
    await expect(menus).to_have_count(4)
    await page.get_by_role("button", name="Submit").click()
    await expect(page.locator("#form .error")).to_have_text("The field User takes 1 to 1 choices.")
    await menus.nth(0).select_option(label="Mod")
    await menus.nth(3).select_option(label="after-dark")
    await page.get_by_role("button", name="Submit").click()
    reply = page.locator(".message").last
    await expect(reply).to_contain_text(f"Member {playground.person('Mod').id}")
    await expect(reply).to_contain_text(f"AppCommandChannel {playground.restricted.id}")


@needs_browser
async def test_files_and_choices_of_a_modal(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """A file upload, radio buttons and checkboxes; a missing choice is an error."""
    picture = png()
    await page.locator("#text").fill("/everything")
    await page.keyboard.press("Enter")
    form = page.locator("#form")
    await form.locator("input[type=file]").set_input_files(
        {"name": "a.png", "mimeType": "image/png", "buffer": picture}
    )
    await form.get_by_label("x", exact=True).check()
    await form.locator("select").select_option(label="Mod")
    await page.get_by_role("button", name="Submit").click()
    await expect(form.locator(".error")).to_have_text("The field Size takes 1 to 1 choices.")
    await form.get_by_label("m", exact=True).check()
    await page.get_by_role("button", name="Submit").click()
    expected = repr(["a.png", len(picture), "m", ["x"], "mod"])
    await expect(page.locator(".message").last).to_contain_text(expected)


@needs_browser
async def test_a_moderator_removes_all_reactions(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Other users have no button for it."""
    ada = playground.person("Ada")
    message = await ada.say("look")
    for emoji in ("🔁", "❌"):
        await ada.react(message, emoji)
    clear = page.get_by_role("button", name="Remove all reactions")
    await expect(page.locator(".reaction")).to_have_count(2)
    await expect(clear).to_have_count(0)
    await page.get_by_role("radio", name="Mod").click()
    await clear.click()
    await expect(page.locator(".reaction")).to_have_count(0)
    assert message.reactions == {}


@needs_browser
async def test_polls_forwards_and_pins_are_shown(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """A click on an answer votes, and another click on it takes the vote back."""
    poll = discord.Poll("Which one?", timedelta(hours=1))
    for answer in ("cat", "dog"):
        poll.add_answer(text=answer)
    sent = await channel_of(bot, playground).send(poll=poll)
    first = page.locator(".message").first
    await expect(first).to_contain_text("Which one?")
    for count in (1, 0):
        await first.get_by_role("button", name="cat").click()
        await expect(first.get_by_role("button", name="cat")).to_have_text(f"cat · {count}")
    message = await playground.person("Ada").say("look")
    await playground.person("Ben").forward(message)
    await expect(page.locator(".message").last.locator(".context")).to_have_text("↱ Forwarded")
    await expect(page.locator(".message").last.locator(".content")).to_have_text("look")
    await playground.person("Mod", moderator=True).pin(message)
    await expect(page.locator(".message").last).to_contain_text("pinned a message")
    assert playground.world.messages[sent.id].poll is not None


@pytest.mark.parametrize("count", [10, 11])
async def test_a_message_takes_ten_files(playground: Playground, count: int) -> None:
    """One more is an error, as in Discord's client, and nothing is sent."""
    ada = playground.person("Ada")
    form = aiohttp.FormData({"as": ada.name, "channel": str(playground.channel.id), "text": "x"})
    for number in range(count):
        form.add_field("file", b"x", filename=f"{number}.txt")
    url, headers = f"{playground.url}/playground/send", {"X-Playground": "1"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, data=form) as response,
    ):
        result = await response.json()
    sent = [len(message.attachments) for message in playground.messages()]
    error = {"error": "A message takes at most 10 files."}
    assert (result, sent) == (({}, [10]) if count == 10 else (error, []))


@pytest.mark.parametrize("length", [2000, 2001])
async def test_a_message_takes_2000_characters(playground: Playground, length: int) -> None:
    """One more is an error, as in Discord's client, and nothing is sent."""
    ada, text = playground.person("Ada"), "x" * length
    form = aiohttp.FormData({"as": ada.name, "channel": str(playground.channel.id), "text": text})
    form.add_field("file", b"x", filename="x.txt")
    url, headers = f"{playground.url}/playground/send", {"X-Playground": "1"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, data=form) as response,
    ):
        result = await response.json()
    error = {"error": "A message takes at most 2000 characters."}
    assert result == ({} if length == 2000 else error)
    assert [message.content for message in playground.messages()] == [text] * (length == 2000)


async def test_other_choices_are_an_error(playground: Playground, bot: PlaygroundBot) -> None:
    """A value that the menu does not offer is an error, and nothing is sent."""
    ada = playground.person("Ada")
    message = await send_menus(playground, bot)
    async with aiohttp.ClientSession(headers={"X-Playground": "1"}) as session:
        for values in (["5"], [{"id": 5}], "5", None):
            body = {"as": ada.name, "message": str(message.id), "custom_id": "user"}
            url = f"{playground.url}/playground/choose"
            async with session.post(url, json=body | {"values": values}) as response:
                assert "The menu user takes" in (await response.json())["error"]
    assert bot.interactions == []


@needs_browser
async def test_the_page_shows_the_end(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """A list that grows below its end stays there; a scrolled one goes there when one writes."""
    for line in range(40):
        await playground.person("Ada").say(f"line {line}")
    last = page.locator(".message").last
    await expect(last).to_contain_text("line 39")
    await expect(last).to_be_in_viewport()
    await last.evaluate("message => { message.style.paddingBottom = '2000px' }")
    await page.wait_for_function(
        "() => { const list = document.getElementById('scroll');"
        " const below = list.scrollHeight - list.scrollTop - list.clientHeight;"
        " return list.scrollHeight > 3000 && below < 2 }"
    )
    await page.locator("#scroll").evaluate("list => { list.scrollTop = 0 }")
    await expect(page.locator(".message").first).to_be_in_viewport()
    await page.locator("#text").fill("the newest line")
    await page.keyboard.press("Enter")
    await expect(page.locator(".message").last).to_be_in_viewport()
    await expect(page.locator(".message").last).to_contain_text("the newest line")


@needs_browser
async def test_places_without_the_bot(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """The page creates them once; its people have installed the bot for themselves."""
    await page.locator("#elsewhere").click()
    await expect(page.locator("#channels h2")).to_have_text(
        ["Playground", "Elsewhere", "Chats without the bot"]
    )
    await expect(page.locator("#elsewhere")).to_be_hidden()
    await page.locator("#channels button", has_text="👥").click()
    await expect(page.locator("#title")).to_have_text("👥 Ada, Ben, Mod, Admin")
    assert playground.person("Ben").user.has_app


@needs_browser
async def test_the_language_of_the_client_is_chosen(
    playground: Playground, bot: PlaygroundBot, page: Page
) -> None:
    """Each user has their own; Discord has no others."""
    ada = playground.person("Ada")
    await page.locator("#locale").select_option("de")
    await playground.until(lambda: ada.user.locale == "de", why="the language")
    await page.get_by_role("radio", name="Ben").click()
    await expect(page.locator("#locale")).to_have_value("en-US")
    await page.get_by_role("radio", name="Ada").click()
    await expect(page.locator("#locale")).to_have_value("de")
    async with aiohttp.ClientSession(headers={"X-Playground": "1"}) as session:
        url = f"{playground.url}/playground/locale"
        async with session.post(url, json={"as": "Ada", "locale": "tlh"}) as response:
            assert await response.json() == {"error": "Discord has no client in that language."}
    assert ada.user.locale == "de"
