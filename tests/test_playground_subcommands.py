"""Commands with subcommands and groups: registration, invocation and autocompletion."""

from collections.abc import AsyncIterator
from typing import Any, cast

import discord
import pytest
from discord import app_commands

from bot.playground import InvalidOption, Playground, UnknownCommand, Upload
from bot.playground.client.slash_parser import parse_command
from bot.playground.model.state import APPLICATION_ID
from bot.playground.model.subcommands import invokable_commands
from tests.playground_bot import PlaygroundBot, png, start_bot
from tests.playground_http import Http

Json = dict[str, Any]
admin = app_commands.Group(name="admin", description="For those who manage")
rules = app_commands.Group(name="rules", description="Words", parent=admin)


@admin.command(name="size", description="How large")
async def size(
    interaction: discord.Interaction[PlaygroundBot],
    level: str,
    pixels: app_commands.Range[int, 1, 9] = 1,
    sample: discord.Attachment | None = None,
) -> None:
    """Respond with the option values."""
    length = len(await sample.read()) if sample else 0
    await interaction.response.send_message(f"size {level} {pixels} {length}")


@size.autocomplete("level")
async def complete_level(
    interaction: discord.Interaction[PlaygroundBot], current: str
) -> list[app_commands.Choice[str]]:
    """A choice with the typed text and another option."""
    pixels = interaction.namespace.pixels
    return [app_commands.Choice(name=f"{current}, of {pixels}", value=current)]


@rules.command(name="add", description="One more word")
async def add(interaction: discord.Interaction[PlaygroundBot], word: str) -> None:
    """Respond with the word."""
    await interaction.response.send_message(f"added {word}")


@rules.command(name="list", description="All words")
async def list_words(interaction: discord.Interaction[PlaygroundBot]) -> None:
    """Respond."""
    await interaction.response.send_message("none")


@pytest.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot with subcommands."""
    async with start_bot(playground, admin) as online:
        yield online


def data_of(interaction: discord.Interaction) -> Json:
    """The data of the interaction."""
    return cast("Json", interaction.data)


async def test_a_subcommand_gets_its_options(playground: Playground, bot: PlaygroundBot) -> None:
    """Option values are nested in the subcommand."""
    interaction = await playground.person("Ada").slash("admin size", level="large", pixels=3)
    message = await interaction.finished()
    assert message is not None
    assert message.content == "size large 3 0"
    assert data_of(bot.interactions[0])["name"] == "admin"
    assert data_of(bot.interactions[0])["options"] == [
        {
            "name": "size",
            "type": 1,
            "options": [
                {"name": "level", "type": 3, "value": "large"},
                {"name": "pixels", "type": 4, "value": 3},
            ],
        }
    ]
    assert playground.violations == []


async def test_a_group_is_one_level_more(playground: Playground, bot: PlaygroundBot) -> None:
    """A subcommand of a group is nested twice; without options its list is empty."""
    ada = playground.person("Ada")
    add_message = await (await ada.slash("admin rules add", word="fog")).finished()
    list_message = await (await ada.slash("admin rules list")).finished()
    assert add_message is not None
    assert list_message is not None
    assert (add_message.content, list_message.content) == ("added fog", "none")
    assert data_of(bot.interactions[1])["options"] == [
        {"name": "rules", "type": 2, "options": [{"name": "list", "type": 1, "options": []}]}
    ]
    assert add_message.interaction_metadata is not None
    assert add_message.interaction_metadata.command == "admin rules add"


async def test_a_file_reaches_a_subcommand(playground: Playground, bot: PlaygroundBot) -> None:
    """An attachment option of a subcommand is resolved."""
    sample = Upload("a.png", png())
    message = await (
        await playground.person("Ada").slash("admin size", level="x", sample=sample)
    ).finished()
    assert message is not None
    assert message.content == f"size x 1 {len(png())}"


async def test_options_of_a_subcommand_are_autocompleted(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """The focused option and other options are nested in the subcommand."""
    interaction = await playground.person("Ada").complete("admin size", "level", "lar", pixels=4)
    await interaction.acknowledged()
    assert interaction.choices is not None
    assert [choice["name"] for choice in interaction.choices] == ["lar, of 4"]


async def test_only_subcommands_are_invokable(playground: Playground, bot: PlaygroundBot) -> None:
    """Only subcommands can be invoked, and their options are validated."""
    ada = playground.person("Ada")
    with pytest.raises(UnknownCommand, match=r"/admin here\. There is: /admin rules add, "):
        await ada.slash("admin")
    with pytest.raises(UnknownCommand, match=r"There is: /admin rules add, /admin rules list"):
        await ada.slash("admin rules")
    with pytest.raises(UnknownCommand, match="no command called /admin colour"):
        await ada.slash("admin colour")
    with pytest.raises(InvalidOption, match="pixels takes a number from 1 to 9"):
        await ada.slash("admin size", level="x", pixels=10)
    with pytest.raises(InvalidOption, match="/admin rules add has no option called colour"):
        await ada.slash("admin rules add", word="x", colour="red")
    assert bot.interactions == []


def option(name: str, type: int, *options: Json) -> Json:
    """An option with nested options."""
    result: Json = {"name": name, "description": "x", "type": type}
    return result | ({"options": list(options)} if options else {})


NSFW = option("nsfw", 1, option("channel", 7), option("level", 3))
WORDS = option("words", 2, option("add", 1, option("word", 3)), option("all", 1))
ADMIN: Json = {"name": "admin", "description": "x", "type": 1, "options": [NSFW, WORDS]}
IMAGINE: Json = {
    "name": "imagine",
    "description": "x",
    "type": 1,
    "options": [option("prompt", 3)],
}


def test_a_typed_line_names_a_subcommand() -> None:
    """The full name selects the subcommand; the rest of the line is option text."""
    parsed = parse_command([IMAGINE, ADMIN], "/admin nsfw channel:#x level:block")
    assert (parsed.command.name, parsed.texts) == (
        "admin nsfw",
        {"channel": "#x", "level": "block"},
    )
    parsed = parse_command([IMAGINE, ADMIN], "/admin  words add a red house")
    assert (parsed.command.name, parsed.texts) == ("admin words add", {"word": "a red house"})
    parsed = parse_command([IMAGINE, ADMIN], "/imagine admin nsfw")
    assert (parsed.command.name, parsed.texts) == ("imagine", {"prompt": "admin nsfw"})
    assert [command.name for command in invokable_commands([ADMIN])] == [
        "admin nsfw",
        "admin words add",
        "admin words all",
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("/admin", r"no command /admin\. There is: /admin nsfw, /admin words add, /admin words"),
        ("/admin nsfwx", r"no command /admin nsfwx\. There is: /admin nsfw"),
        ("/paint", r"no command /paint\. There is: /imagine, /admin nsfw"),
    ],
)
def test_an_incomplete_name_lists_the_subcommands(line: str, sentence: str) -> None:
    """The error has their full names."""
    with pytest.raises(UnknownCommand, match=sentence):
        parse_command([IMAGINE, ADMIN], line)


INVALID_OPTIONS: dict[str, list[Json]] = {
    "a value beside a subcommand": [option("a", 1), option("b", 3)],
    "a group in a group": [option("a", 2, option("b", 2, option("c", 1)))],
    "a subcommand in a subcommand": [option("a", 1, option("b", 1))],
    "a value in a group": [option("a", 2, option("b", 3))],
    "a value in a value": [option("a", 3, option("b", 3))],
    "an empty group": [option("a", 2)],
}


@pytest.mark.parametrize("options", INVALID_OPTIONS.values(), ids=INVALID_OPTIONS.keys())
async def test_a_wrong_tree_is_refused(http: Http, options: list[Json]) -> None:
    """Invalid nesting of groups, subcommands and values is refused."""
    command = {"name": "admin", "description": "x", "options": options}
    path = f"/applications/{APPLICATION_ID}/commands"
    status, body = await http.call("POST", path, json=command)
    assert (status, body["code"]) == (400, 50035)
    assert http.playground.commands.all() == []
