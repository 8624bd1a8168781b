"""Commands with subcommands and groups: registered, used, completed and typed, as on Discord."""

from collections.abc import AsyncIterator
from typing import Any, cast

import discord
import pytest
from discord import app_commands

from bot.playground import InvalidOption, Playground, UnknownCommand, Upload
from bot.playground.client.slash_parser import parse_command
from bot.playground.model.state import APPLICATION_ID
from bot.playground.model.subcommands import invokable_commands
from tests.playground_bot import Easel, easel, png
from tests.playground_http import Http

Json = dict[str, Any]
admin = app_commands.Group(name="admin", description="For those who manage")
rules = app_commands.Group(name="rules", description="Words", parent=admin)


@admin.command(name="size", description="How large")
async def size(
    interaction: discord.Interaction[Easel],
    level: str,
    pixels: app_commands.Range[int, 1, 9] = 1,
    sample: discord.Attachment | None = None,
) -> None:
    """Say what was set."""
    length = len(await sample.read()) if sample else 0
    await interaction.response.send_message(f"size {level} {pixels} {length}")


@size.autocomplete("level")
async def complete_level(
    interaction: discord.Interaction[Easel], current: str
) -> list[app_commands.Choice[str]]:
    """What begins so, and what else was filled in."""
    pixels = interaction.namespace.pixels
    return [app_commands.Choice(name=f"{current}, of {pixels}", value=current)]


@rules.command(name="add", description="One more word")
async def add(interaction: discord.Interaction[Easel], word: str) -> None:
    """Say what was added."""
    await interaction.response.send_message(f"added {word}")


@rules.command(name="list", description="All words")
async def list_words(interaction: discord.Interaction[Easel]) -> None:
    """Say that there is none."""
    await interaction.response.send_message("none")


@pytest.fixture
async def bot(here: Playground) -> AsyncIterator[Easel]:
    """A bot with a command of two levels."""
    async with easel(here, admin) as online:
        yield online


def data_of(interaction: discord.Interaction) -> Json:
    """What the interaction carried."""
    return cast("Json", interaction.data)


async def test_a_subcommand_gets_its_options(here: Playground, bot: Easel) -> None:
    """The options arrive inside the subcommand's, and discord.py calls the subcommand."""
    asked = await here.person("Ada").slash("admin size", level="large", pixels=3)
    message = await asked.finished()
    assert message is not None
    assert message.content == "size large 3 0"
    assert data_of(bot.asked[0])["name"] == "admin"
    assert data_of(bot.asked[0])["options"] == [
        {
            "name": "size",
            "type": 1,
            "options": [
                {"name": "level", "type": 3, "value": "large"},
                {"name": "pixels", "type": 4, "value": 3},
            ],
        }
    ]
    assert here.violations == []


async def test_a_group_is_one_level_more(here: Playground, bot: Easel) -> None:
    """A subcommand of a group is nested twice; without options it carries an empty list."""
    ada = here.person("Ada")
    added = await (await ada.slash("admin rules add", word="fog")).finished()
    listed = await (await ada.slash("admin rules list")).finished()
    assert added is not None
    assert listed is not None
    assert (added.content, listed.content) == ("added fog", "none")
    assert data_of(bot.asked[1])["options"] == [
        {"name": "rules", "type": 2, "options": [{"name": "list", "type": 1, "options": []}]}
    ]
    assert added.origin is not None
    assert added.origin.command == "admin rules add"


async def test_a_file_reaches_a_subcommand(here: Playground, bot: Easel) -> None:
    """An attachment option inside a subcommand is resolved like any other."""
    sample = Upload("a.png", png())
    message = await (
        await here.person("Ada").slash("admin size", level="x", sample=sample)
    ).finished()
    assert message is not None
    assert message.content == f"size x 1 {len(png())}"


async def test_options_of_a_subcommand_complete_themselves(here: Playground, bot: Easel) -> None:
    """The focused option is nested too; the other options come along."""
    typed = await here.person("Ada").complete("admin size", "level", "lar", pixels=4)
    await typed.acknowledged()
    assert typed.choices is not None
    assert [choice["name"] for choice in typed.choices] == ["lar, of 4"]


async def test_a_client_offers_the_leaves_only(here: Playground, bot: Easel) -> None:
    """A command that has subcommands is not used itself; its options are checked as any."""
    ada = here.person("Ada")
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
    assert bot.asked == []


def option(name: str, kind: int, *options: Json) -> Json:
    """An option that may hold options."""
    made: Json = {"name": name, "description": "x", "type": kind}
    return made | ({"options": list(options)} if options else {})


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
    """All words of its name are the command's, the rest is text for its options."""
    typed = parse_command([IMAGINE, ADMIN], "/admin nsfw channel:#x level:block")
    assert (typed.used.name, typed.texts) == ("admin nsfw", {"channel": "#x", "level": "block"})
    typed = parse_command([IMAGINE, ADMIN], "/admin  words add a red house")
    assert (typed.used.name, typed.texts) == ("admin words add", {"word": "a red house"})
    typed = parse_command([IMAGINE, ADMIN], "/imagine admin nsfw")
    assert (typed.used.name, typed.texts) == ("imagine", {"prompt": "admin nsfw"})
    assert [known.name for known in invokable_commands([ADMIN])] == [
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
def test_half_a_name_is_told_what_follows(line: str, sentence: str) -> None:
    """The sentence names the subcommands that could be meant."""
    with pytest.raises(UnknownCommand, match=sentence):
        parse_command([IMAGINE, ADMIN], line)


BAD: dict[str, list[Json]] = {
    "a value beside a subcommand": [option("a", 1), option("b", 3)],
    "a group in a group": [option("a", 2, option("b", 2, option("c", 1)))],
    "a subcommand in a subcommand": [option("a", 1, option("b", 1))],
    "a value in a group": [option("a", 2, option("b", 3))],
    "a value in a value": [option("a", 3, option("b", 3))],
    "an empty group": [option("a", 2)],
}


@pytest.mark.parametrize("options", BAD.values(), ids=BAD.keys())
async def test_a_wrong_tree_is_refused(http: Http, options: list[Json]) -> None:
    """Groups hold subcommands, those hold values, and nothing stands at the wrong level."""
    command = {"name": "admin", "description": "x", "options": options}
    path = f"/applications/{APPLICATION_ID}/commands"
    status, answer = await http.call("POST", path, json=command)
    assert (status, answer["code"]) == (400, 50035)
    assert http.here.commands.all() == []
