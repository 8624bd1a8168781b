"""/help explains the features from their own data; /about says what the bot is."""

from functools import partial

import aiohttp
import msgspec

from bot.client import ACTIONS, Client
from bot.domain.user_data import RetentionPolicy
from bot.features import FEATURES
from bot.messages import help_pages
from bot.messages.about_text import about
from bot.messages.help_pages import Contents, Topic
from bot.monitoring.software import Package, packages
from bot.playground import Interaction, Message
from engine.contract import TextModelCard, TextModelCards
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL


async def private_response(harness: BotHarness, interaction: Interaction) -> Message:
    """The private response."""
    await harness.discord.until(
        lambda: interaction.ephemerals and interaction.ephemerals[0].content, why="the help"
    )
    (message,) = interaction.ephemerals
    return message


def starts_with(message: Message, text: str) -> bool:
    """Whether a message starts with this text now."""
    return message.content.startswith(text)


async def open_help(harness: BotHarness, *, moderator: bool = False, **options: str) -> Message:
    """The private response to /help."""
    person = harness.discord.person("Mo", admin=True) if moderator else harness.ada
    return await private_response(harness, await person.invoke("help", dict(options)))


async def test_help_lists_the_commands(harness: BotHarness) -> None:
    """All that the user sees; those for moderators are for moderators."""
    message = await open_help(harness)
    texts = [message.content]
    assert texts[0].startswith("**Commands**") and "`/imagine` Make pictures from a" in texts[0]
    while "▶" in message.buttons:
        await harness.ada.click(message, "▶")
        await harness.discord.until(lambda: message.content != texts[-1], why="another page")
        texts.append(message.content)
    text = "".join(texts)
    assert "`/privacy delete`" in text and "`/admin" not in text and "`/stats`" not in text
    assert harness.discord.messages() == []


async def test_each_topic_is_explained(harness: BotHarness) -> None:
    """Menus, buttons and reactions by their own labels."""
    message = await open_help(harness, moderator=True)
    mo = harness.discord.person("Mo")
    for topic, words in (
        (Topic.MENUS, "*Show recipe*"),
        (Topic.BUTTONS, "**U1, U2, …**"),
        (Topic.REACTIONS, "🔁 Vary all pictures"),
        (Topic.MODERATION, "`/admin words add`"),
    ):
        await mo.choose(message, help_pages.custom_id(help_pages.MENU, 0), topic.value)
        heading = f"**{topic.heading}**"
        await harness.discord.until(partial(starts_with, message, heading), why=heading)
        assert words in message.content


async def test_the_options_of_a_command(harness: BotHarness) -> None:
    """From the menu, or as the option of /help, with or without the slash."""
    message = await open_help(harness)
    await harness.ada.choose(message, help_pages.custom_id(help_pages.MENU, 1), "/imagine")
    await harness.discord.until(lambda: message.content.startswith("**/imagine**"))
    assert "`prompt` (needed) " in message.content
    for name in ("lineage", "/Lineage"):
        text = (await open_help(harness, command=name)).content
        assert text.startswith("**/lineage**") and "`picture` (needed)" in text
    none = await open_help(harness, command="queue")
    assert none.content.endswith("It has no options.")


async def test_a_command_that_is_not_there(harness: BotHarness) -> None:
    """One private sentence, without mentions and Markdown; also for moderators' commands."""
    for name in ("stats", "**x** <@1>"):
        text = (await open_help(harness, command=name)).content
        assert text.startswith("There is no command ") and "<@1>" not in text.replace("\\<", "")
    assert harness.discord.messages() == []


async def test_commands_are_suggested(harness: BotHarness) -> None:
    """By what was typed."""
    typing = await harness.ada.complete("help", "command", "/priv")
    await harness.discord.until(lambda: typing.choices, why="suggestions")
    assert [choice["value"] for choice in typing.choices or ()] == [
        "privacy delete",
        "privacy show",
    ]


def everything() -> Contents:
    """The help of all features."""
    client = Client(aiohttp.TraceConfig())
    return help_pages.contents(client.tree, client.actions, client.reactions, lambda _: True)


async def test_every_page_fits_discords_limits() -> None:
    """2,000 characters, five rows, 25 options, 100 characters of a custom id; nothing is left
    out."""
    contents = everything()
    pages = {topic.value: help_pages.topic_pages(contents, topic) for topic in Topic}
    pages |= {f"/{name}": help_pages.command_pages(c) for name, c in contents.commands.items()}
    assert len(contents.commands) <= 75
    for subject, texts in pages.items():
        for number, text in enumerate(texts):
            assert 0 < len(text) <= 2000
            rows = help_pages.view(contents, subject, number, len(texts)).to_components()
            assert len(rows) <= 5
            for item in (item for row in rows for item in row["components"]):
                assert len(item["custom_id"]) <= 100 and len(item.get("options", ())) <= 25
    text = "\n".join("\n".join(texts) for texts in pages.values())
    for name, command in contents.commands.items():
        assert f"`/{name}`" in text
        assert all(f"`{parameter.display_name}`" in text for parameter in command.parameters)
    explained = [action for action in ACTIONS if action.summary]
    assert all(action.label in text and action.summary in text for action in explained)
    private = {"showagain", "editof", "filmof", "open", "sketchmenu", "describemenu"}
    assert {action.name for action in ACTIONS} - {action.name for action in explained} == private
    assert all(emoji in text for feature in FEATURES for emoji in feature.reactions)


async def test_about_is_private(harness: BotHarness) -> None:
    """It names version, model and licences, and how to see and delete one's data."""
    message = await private_response(harness, await harness.ada.slash("about"))
    for words in ("imagine-bot", "licence MIT", "Model: flat (licence not named)", "discord.py ("):
        assert words in message.content
    assert "`/privacy delete`" in message.content and "Source" not in message.content
    assert harness.discord.messages() == []


def test_about_names_licences_and_the_source() -> None:
    """Names of models and licences are escaped; the text fits, with many packages too."""
    card = msgspec.structs.replace(MODEL, name="a/*b*", licence="open<@1>rail")
    own = Package("imagine-bot", "1.2", "MIT")
    many = [Package(f"package-{n}", "1", "Apache-2.0") for n in range(200)]
    text = about("1.2", [card], [own, *many], RetentionPolicy(days=30), "https://x.org/a_b")
    assert "Model: \\*b\\* (open\\<@1>rail)." in text and len(text) <= 2000
    assert "for 30 days" in text and "Source: <https://x.org/a_b>" in text
    cards = TextModelCards(captioner=TextModelCard(name="a/*c*", licence="mit"))
    text = about("1.2", [card], [own], RetentionPolicy(), None, cards)
    assert "Pictures are described by: a/\\*c\\* (mit)." in text and "expanded by" not in text
    text = about(
        "1.2", [], [own, Package("msgspec", "0.19", "BSD-3-Clause")], RetentionPolicy(), None
    )
    assert text.startswith("**imagine-bot 1.2**, licence MIT. ")
    assert "none is loaded" in text and text.endswith("Made with msgspec (BSD-3-Clause).")


def test_the_licences_of_installed_packages_are_read() -> None:
    """The bot's own is the first; tools for tests are left out."""
    own, *dependencies = packages()
    licences = {package.name: package.licence for package in dependencies}
    assert (own.name, own.licence) == ("imagine-bot", "MIT")
    assert licences["msgspec"] == "BSD-3-Clause" and licences["aiosqlite"] == "MIT License"
    assert "pytest" not in licences
