"""Validation of application commands and their localizations, as Discord validates them."""

from typing import Any

import pytest

from bot.playground.model.state import APPLICATION_ID
from tests.openapi import OpenApi
from tests.playground_forms import Rule, codes, without
from tests.playground_http import Http

Json = dict[str, Any]
MAX, LENGTH = "BASE_TYPE_MAX_LENGTH", "BASE_TYPE_BAD_LENGTH"
REQUIRED, CHOICES = "BASE_TYPE_REQUIRED", "BASE_TYPE_CHOICES"
HIGH, LOW, COERCE = "NUMBER_TYPE_MAX", "NUMBER_TYPE_MIN", "NUMBER_TYPE_COERCE"
NAME, TYPE = "APPLICATION_COMMAND_INVALID_NAME", "UNION_TYPE_CHOICES"
STRING, INTEGER, NUMBER, BOOLEAN, CHANNEL = 3, 4, 10, 5, 7
URL = f"/applications/{APPLICATION_ID}/commands"


def command(**fields: object) -> Json:
    """A slash command."""
    return {"name": "paint", "description": "Paint", "type": 1} | fields


def option(**fields: object) -> Json:
    """A string option."""
    return {"name": "prompt", "description": "What", "type": STRING} | fields


def with_option(**fields: object) -> Json:
    """A slash command with one option."""
    return command(options=[option(**fields)])


def with_choice(value: object = "a", type: int = STRING, **fields: object) -> Json:
    """A slash command with an option that has one choice."""
    return with_option(type=type, choices=[{"name": "a", "value": value} | fields])


def menu(**fields: object) -> Json:
    """A message command."""
    return {"name": "Show recipe", "type": 3} | fields


def sub(**fields: object) -> Json:
    """A subcommand."""
    return option(name="now", type=1, **fields)


RULES: dict[str, Rule] = {
    "a name in capitals": Rule(command(name="Paint"), "name", NAME, command(name="päint-1")),
    "a name with a space": Rule(command(name="paint it"), "name", NAME, menu()),
    "a name with a sign": Rule(command(name="paint!"), "name", NAME, command(name="ไทย")),
    "a long name": Rule(command(name="x" * 33), "name", LENGTH, command(name="x" * 32)),
    "no name": Rule(without(command(), "name"), "name", REQUIRED, command()),
    "a long menu name": Rule(menu(name="x" * 33), "name", LENGTH, menu(name="x" * 32)),
    "no description": Rule(without(command(), "description"), "description", REQUIRED, command()),
    "an empty description": Rule(command(description=""), "description", LENGTH, command()),
    "a type that is a name": Rule(command(type="CHAT_INPUT"), "type", COERCE, command(type=1)),
    "a long description": Rule(
        command(description="x" * 101), "description", MAX, command(description="x" * 100)
    ),
    "a menu command's description": Rule(
        menu(description="x"),
        "description",
        "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_INVALID",
        menu(description=""),
    ),
    "a menu command's options": Rule(
        menu(options=[option()]),
        "options",
        "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS_INVALID",
        menu(options=[]),
    ),
    "a type": Rule(command(type=5), "type", CHOICES, command(type=1)),
    "a localized name in capitals": Rule(
        command(name_localizations={"de": "Malen"}),
        "name_localizations",
        NAME,
        command(name_localizations={"de": "malen"}),
    ),
    "a long localized name": Rule(
        command(name_localizations={"de": "x" * 33}),
        "name_localizations.de",
        LENGTH,
        menu(name_localizations={"de": "Rezept zeigen"}),
    ),
    "an unknown locale": Rule(
        command(name_localizations={"xx": "paint"}),
        "name_localizations.xx",
        CHOICES,
        command(name_localizations={"pt-BR": "pintar"}),
    ),
    "a locale with an underscore": Rule(
        command(description_localizations={"pt_BR": "Pintar"}),
        "description_localizations.pt_BR",
        CHOICES,
        command(description_localizations={"pt-BR": "Pintar"}),
    ),
    "a long localized description": Rule(
        command(description_localizations={"de": "x" * 101}),
        "description_localizations.de",
        LENGTH,
        command(description_localizations={"de": "x" * 100}),
    ),
    "a null localization": Rule(
        command(name_localizations={"de": None}),
        "name_localizations.de",
        REQUIRED,
        command(name_localizations={}),
    ),
    "localizations in a list": Rule(
        command(name_localizations=["de"]),
        "name_localizations",
        "DICT_TYPE_CONVERT",
        command(name_localizations=None),
    ),
    "26 options": Rule(
        command(options=[option(name=f"o{n}") for n in range(26)]),
        "options",
        MAX,
        command(options=[option(name=f"o{n}") for n in range(25)]),
    ),
    "an option in capitals": Rule(
        with_option(name="Prompt"), "options.0.name", NAME, with_option()
    ),
    "a localized option in capitals": Rule(
        with_option(name_localizations={"de": "Wort"}),
        "options.0.name_localizations.de",
        NAME,
        with_option(name_localizations={"de": "wort"}),
    ),
    "an option of no type": Rule(
        command(options=[without(option(), "type")]),
        "options.0",
        "TAG_FIELD_MISSING",
        with_option(),
    ),
    "an option of type 12": Rule(with_option(type=12), "options.0", TYPE, with_option(type=11)),
    "an option without a description": Rule(
        with_option(description=""), "options.0.description", LENGTH, with_option()
    ),
    "an option twice": Rule(
        command(options=[option(), option()]),
        "options.1.name",
        "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATED",
        command(options=[option(), option(name="b")]),
    ),
    "required after optional": Rule(
        command(options=[option(), option(name="b", required=True)]),
        "options.1",
        "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        command(options=[option(required=True), option(name="b")]),
    ),
    "a subcommand beside an option": Rule(
        command(options=[sub(), option()]),
        "options",
        "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        command(options=[sub(options=[option()])]),
    ),
    "a subcommand in a subcommand": Rule(
        command(options=[sub(options=[sub()])]),
        "options.0.options.0",
        TYPE,
        command(options=[option(name="group", type=2, options=[sub()])]),
    ),
    "a group without subcommands": Rule(
        command(options=[option(type=2)]),
        "options.0.options",
        REQUIRED,
        command(options=[option(type=2, options=[sub()])]),
    ),
    "a choice's name": Rule(
        with_choice(name="x" * 101),
        "options.0.choices.0.name",
        LENGTH,
        with_choice(name="x" * 100),
    ),
    "a choice's value": Rule(
        with_choice("x" * 101), "options.0.choices.0.value", MAX, with_choice("x" * 100)
    ),
    "a choice's localized name": Rule(
        with_choice(name_localizations={"de": "x" * 101}),
        "options.0.choices.0.name_localizations.de",
        LENGTH,
        with_choice(name_localizations={"de": "Groß"}),
    ),
    "a number for a string option": Rule(
        with_choice(7), "options.0.choices.0.value", "STRING_TYPE_CONVERT", with_choice("7")
    ),
    "a text for an integer option": Rule(
        with_choice("many", INTEGER), "options.0.choices.0.value", COERCE, with_choice(7, INTEGER)
    ),
    "an unsafe integer": Rule(
        with_choice(1 << 53, INTEGER),
        "options.0.choices.0.value",
        HIGH,
        with_choice((1 << 53) - 1, INTEGER),
    ),
    "26 choices": Rule(
        with_option(choices=[{"name": f"{n}", "value": f"{n}"} for n in range(26)]),
        "options.0.choices",
        MAX,
        with_option(choices=[{"name": f"{n}", "value": f"{n}"} for n in range(25)]),
    ),
    "a choice without a value": Rule(
        with_option(choices=[{"name": "a"}]),
        "options.0.choices.0.value",
        REQUIRED,
        with_choice(1.5, NUMBER),
    ),
    "the same choice twice": Rule(
        with_option(choices=[{"name": "a", "value": "a"}, {"name": "a", "value": "b"}]),
        "options.0.choices",
        "APPLICATION_COMMAND_OPTIONS_CHOICES_DUPLICATED",
        with_option(choices=[{"name": "a", "value": "a"}, {"name": "b", "value": "a"}]),
    ),
    "choices and autocompletion": Rule(
        with_option(autocomplete=True, choices=[{"name": "a", "value": "a"}]),
        "options.0",
        "APPLICATION_COMMAND_OPTIONS_CHOICES_AUTOCOMPLETE",
        with_option(autocomplete=True, choices=[]),
    ),
    "min_length above max_length": Rule(
        with_option(min_length=5, max_length=4),
        "options.0.min_length",
        HIGH,
        with_option(min_length=5, max_length=5),
    ),
    "max_length of 6001": Rule(
        with_option(max_length=6001), "options.0.max_length", HIGH, with_option(max_length=6000)
    ),
    "max_length of 0": Rule(
        with_option(max_length=0), "options.0.max_length", LOW, with_option(max_length=1)
    ),
    "min_value above max_value": Rule(
        with_option(type=INTEGER, min_value=5, max_value=4),
        "options.0.min_value",
        HIGH,
        with_option(type=INTEGER, min_value=4, max_value=5),
    ),
    "a fraction for an integer": Rule(
        with_option(type=INTEGER, min_value=0.5),
        "options.0.min_value",
        COERCE,
        with_option(type=NUMBER, min_value=0.5),
    ),
    "a channel type": Rule(
        with_option(type=CHANNEL, channel_types=[99]),
        "options.0.channel_types.0",
        CHOICES,
        with_option(type=CHANNEL, channel_types=[0, 5]),
    ),
    "contexts": Rule(command(contexts=[3]), "contexts.0", CHOICES, command(contexts=[0, 1, 2])),
    "no context": Rule(command(contexts=[]), "contexts", LENGTH, command(contexts=None)),
    "a context twice": Rule(
        command(contexts=[0, 0]),
        "contexts.1",
        "SET_TYPE_ALREADY_CONTAINS_VALUE",
        command(contexts=[0]),
    ),
    "an installation": Rule(
        command(integration_types=[2]),
        "integration_types.0",
        CHOICES,
        command(integration_types=[0, 1]),
    ),
    "permissions": Rule(
        command(default_member_permissions="admin"),
        "default_member_permissions",
        COERCE,
        command(default_member_permissions="8"),
    ),
    "a boolean": Rule(command(nsfw="no"), "nsfw", "BOOLEAN_TYPE_CONVERT", command(nsfw=False)),
    "8000 characters in the longest language": Rule(
        command(
            options=[
                option(
                    name=f"o{n}",
                    choices=[
                        {"name": f"{c}", "name_localizations": {"de": "x" * 100}, "value": f"{c}"}
                        for c in range(25)
                    ],
                )
                for n in range(4)
            ]
        ),
        "",
        "APPLICATION_COMMAND_TOO_LARGE",
        with_option(
            choices=[
                {"name": f"{c}", "name_localizations": {"de": "x" * 100}, "value": f"{c}"}
                for c in range(25)
            ]
        ),
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_command_is_refused_at_the_path(http: Http, rule: Rule) -> None:
    """A 400 with code 50035 and the error at its path; the nearest valid command is created."""
    status, body = await http.call("POST", URL, json=rule.refused)
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, rule.path) == [rule.code]
    status, body = await http.call("PUT", URL, json=[rule.refused])
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, f"0.{rule.path}".rstrip(".")) == [rule.code]
    assert http.playground.commands.all() == []
    status, body = await http.call("POST", URL, json=rule.accepted)
    assert status == 201, body


async def test_names_are_unique_by_type(http: Http) -> None:
    """Two commands of a type cannot have the same name; a slash and a message command can."""
    status, body = await http.call("PUT", URL, json=[command(), command()])
    assert (status, codes(body, "1")) == (400, ["APPLICATION_COMMANDS_DUPLICATE_NAME"])
    commands = [command(), menu(name="paint")]
    assert (await http.call("PUT", URL, json=commands))[0] == 200


async def test_an_overwrite_is_a_list(http: Http) -> None:
    """An object is refused, and the commands stay."""
    await http.call("POST", URL, json=command())
    status, body = await http.call("PUT", URL, json=command())
    assert (status, codes(body, "")) == (400, ["LIST_TYPE_CONVERT"])
    status, body = await http.call("PUT", URL, json=[command(), 7])
    assert (status, codes(body, "1")) == (400, ["MODEL_TYPE_CONVERT"])
    assert len(http.playground.commands.all()) == 1


async def test_an_edit_is_checked_with_what_stays(http: Http) -> None:
    """The fields of an edit are checked; null removes options."""
    _, created = await http.call("POST", URL, json=with_option())
    url = f"{URL}/{created['id']}"
    status, body = await http.call("PATCH", url, json={"name": "Paint"})
    assert (status, codes(body, "name")) == (400, [NAME])
    status, body = await http.call("PATCH", url, json={"options": None})
    assert status == 200
    assert "options" not in body


async def test_an_edit_keeps_the_type_and_the_names_apart(
    http: Http, openapi: OpenApi | None
) -> None:
    """The type is ignored; the name of another command of the type is refused with 40041."""
    await http.call("POST", URL, json=command(name="sketch"))
    _, created = await http.call("POST", URL, json=command())
    url = f"{URL}/{created['id']}"
    status, body = await http.call("PATCH", url, json={"name": "sketch"})
    assert (status, body["code"]) == (400, 40041)
    status, body = await http.call("PATCH", url, json={"name": "paint", "type": 3})
    assert (status, body["type"]) == (200, 1)
    if openapi is not None:
        openapi.problems.clear()  # the type is not documented
