"""Parsing of typed commands, and validation of option values."""

import pytest

from bot.playground import InvalidOption, UnknownCommand, Upload
from bot.playground.client.options import fill_options, parse_values
from bot.playground.client.slash_parser import option_files, parse_command
from bot.playground.errors import Json, PlaygroundError
from bot.playground.model.subcommands import InvokableCommand
from bot.playground.rest.commands import command_json

COMMAND: Json = command_json(
    {
        "name": "imagine",
        "description": "Paint",
        "options": [
            {"type": 3, "name": "prompt", "description": "x", "required": True, "max_length": 9},
            {"type": 3, "name": "negative", "description": "x"},
            {"type": 4, "name": "seed", "description": "x", "min_value": 0},
            {
                "type": 10,
                "name": "strength",
                "description": "x",
                "min_value": 0.0,
                "max_value": 1.0,
            },
            {"type": 5, "name": "tiled", "description": "x"},
            {"type": 11, "name": "sketch", "description": "x"},
        ],
    },
    1,
)
IMAGINE = InvokableCommand(COMMAND)
BARE: Json = {"name": "help", "description": "x"}
FILE = Upload("a.png", b"x")


def test_a_typed_line_is_split_into_options() -> None:
    """Text before the first option is the first string option; unknown names stay text."""
    line = "/imagine a house: red seed:7 negative: fog, rain"
    assert parse_command([COMMAND], line).texts == {
        "prompt": "a house: red",
        "seed": "7",
        "negative": "fog, rain",
    }
    assert parse_command([COMMAND], "/imagine prompt:x").texts == {"prompt": "x"}
    assert parse_command([COMMAND], "/imagine").texts == {}


def test_an_unknown_command_lists_the_available_ones() -> None:
    """The error says so if there are none."""
    with pytest.raises(UnknownCommand, match=r"no command /paint\. There is: /imagine"):
        parse_command([COMMAND], "/paint x")
    with pytest.raises(UnknownCommand, match="not registered its commands yet"):
        parse_command([], "/paint x")


def test_typed_text_becomes_typed_values() -> None:
    """Numbers and booleans are parsed; other text for a number is an error."""
    texts = {"seed": "7", "strength": "0.5", "tiled": "True", "prompt": "7"}
    assert parse_values(IMAGINE.options, texts) == {
        "seed": 7,
        "strength": 0.5,
        "tiled": True,
        "prompt": "7",
    }
    with pytest.raises(InvalidOption, match="seed takes a number, not “seven”"):
        parse_values(IMAGINE.options, {"seed": "seven"})
    assert parse_values(IMAGINE.options, {"tiled": "no"}) == {"tiled": False}
    with pytest.raises(InvalidOption, match="tiled takes true or false, not “maybe”"):
        parse_values(IMAGINE.options, {"tiled": "maybe"})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "prompt is required"),
        ({"prompt": ""}, "1 to 9 characters"),
        ({"prompt": 7}, "prompt takes text"),
        ({"prompt": "x", "seed": 1.5}, "seed takes a whole number"),
        ({"prompt": "x", "seed": True}, "seed takes a whole number"),
        ({"prompt": "x", "seed": 2**53}, "from 0 to 9007199254740991"),
        ({"prompt": "x", "strength": float("nan")}, r"from 0 to 1\."),
        ({"prompt": "x", "tiled": "yes"}, "true or false"),
        ({"prompt": "x", "sketch": "a.png"}, "sketch takes a file"),
        ({"prompt": FILE}, "prompt takes no file"),
    ],
)
def test_an_invalid_value_is_refused_with_a_sentence(values: dict[str, str], sentence: str) -> None:
    """The error names the option and the accepted values."""
    with pytest.raises(InvalidOption, match=sentence):
        fill_options(IMAGINE, values)


def test_files_go_to_the_attachment_options() -> None:
    """Each to the option that it names, and others to those that are left, in order."""
    other = Upload("b.png", b"y")
    assert option_files(IMAGINE, {}, [FILE]) == {"sketch": FILE}
    assert option_files(IMAGINE, {"sketch": FILE}, []) == {"sketch": FILE}
    assert fill_options(IMAGINE, {"prompt": "x", "sketch": FILE}).uploads == {"sketch": FILE}
    options = [{"type": 11, "name": n, "description": "x"} for n in ("picture", "mask", "like")]
    edit = InvokableCommand(
        command_json({"name": "edit", "description": "x", "options": options}, 1)
    )
    assert option_files(edit, {"mask": other}, [FILE]) == {"mask": other, "picture": FILE}
    for command, named, others, sentence in (
        (IMAGINE, {}, [FILE, other], "/imagine takes one file."),
        (edit, {"mask": FILE}, [FILE, FILE, FILE], "/edit takes at most 3 files."),
        (edit, {"seed": FILE}, [], "/edit takes no file called seed."),
        (InvokableCommand(command_json(BARE, 1)), {}, [FILE], "/help takes no file."),
    ):
        with pytest.raises(PlaygroundError) as raised:
            option_files(command, named, others)
        assert str(raised.value) == sentence
