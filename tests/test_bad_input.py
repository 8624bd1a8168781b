"""Whatever is typed into options and forms gets a result or one private sentence."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import discord
import pytest
from discord import AppCommandOptionType, app_commands

from bot.errors import INTERNAL_ERROR
from bot.features import FEATURES
from bot.playground import Interaction, Message, Person, Upload
from bot.playground.client.options import Value
from tests.bot_harness import BotHarness, is_finished
from tests.changing import EDITOR, PAINTER, single
from tests.fake_engine import FakeEngine, flat_image
from tests.samples import encoded, recipe
from tests.test_fork import asked as fork_form

TEXT_INPUT: Final = discord.ComponentType.text_input.value
LONG: Final = "x" * 6000
TEXTS: Final = {
    "mentions": "@everyone @here <@1> <@&2> <#3>",
    "markdown": "**a** `b` ||c|| [d](https://example.org) <t:1:R>\n# e\n> f",
    "directions": "\u202ea\u2066b\u2069\u200f",
    "invisible": "\u200b\ufeff\u2060",
    "long": LONG,
    "digits": "9" * 400,
    "braces": "{" * 60 + "a|b,c}" + "__x__ [a:b:0.5",
    "flags": "a --seed --steps x —ar 0:0",
    "path": "../../etc/passwd\x00",
}
NUMBERS: Final = (-(2**53), 2**53, 0, -1)
FORM_LIMIT: Final = 4000
"""Discord's own, for the characters of a field."""
DIRECTIONS: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200f]")
PICTURE: Final = Upload("a.png", encoded(flat_image(recipe())))
NUMERIC: Final = (AppCommandOptionType.integer, AppCommandOptionType.number)


def leaves(command: object) -> Iterator[app_commands.Command[Any, ..., Any]]:
    """The slash commands of a command or a group."""
    if isinstance(command, app_commands.Group):
        for child in command.walk_commands():
            yield from leaves(child)
    elif isinstance(command, app_commands.Command):
        yield command


COMMANDS: Final = {
    command.qualified_name: command
    for feature in FEATURES
    for root in feature.commands
    for command in leaves(root)
    if command.parameters
}


def value_of(parameter: app_commands.Parameter, harness: BotHarness) -> Value:
    """A value that a required option takes."""
    values: dict[AppCommandOptionType, Value] = {
        AppCommandOptionType.attachment: PICTURE,
        AppCommandOptionType.integer: 1,
        AppCommandOptionType.number: 1.0,
        AppCommandOptionType.boolean: True,
        AppCommandOptionType.user: harness.ada,
        AppCommandOptionType.channel: harness.discord.channel,
    }
    choices = [choice.value for choice in parameter.choices]
    return choices[0] if choices else values.get(parameter.type, "a cat")


def bad_values(parameter: app_commands.Parameter) -> list[Any]:
    """What a client that checks nothing may send."""
    if parameter.type is AppCommandOptionType.string:
        return list(TEXTS.values())
    return list(NUMBERS) if parameter.type in NUMERIC else []


async def check_response(harness: BotHarness, interaction: Interaction, case: str) -> None:
    """It is a result, or one private message with a reason; nothing is pinged or turned around."""

    def responses() -> list[Message]:
        messages = [
            *interaction.ephemerals,
            *([interaction.response] if interaction.response else []),
        ]
        return [message for message in messages if is_finished(message)]

    await harness.discord.until(lambda: responses() or interaction.modal, why=case)
    for message in responses():
        assert INTERNAL_ERROR not in message.text, case
        assert "Discord rejected" not in message.text, case
        assert message.pings == frozenset(), case
        if not message.ephemeral:
            assert not DIRECTIONS.search(message.text), case
            assert "](https://example.org)" not in message.text.replace("\\]", ""), case
    assert len(interaction.ephemerals) <= 1, case


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", COMMANDS)
async def test_each_option_of_each_command(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """Discord's own clients check lengths, ranges and choices, others do not."""
    command = COMMANDS[name]
    root = command.root_parent or command
    person = harness.ada
    if root.default_permissions is not None:
        person = harness.discord.person("Admin", admin=True)
    required = {p.display_name: value_of(p, harness) for p in command.parameters if p.required}
    for parameter in command.parameters:
        for value in bad_values(parameter):
            options: dict[str, Value] = {**required, parameter.display_name: value}
            interaction = await person.invoke(name, options, checked=False)
            await check_response(harness, interaction, f"{name} {parameter.name}={value!r:.40}")
    assert "Traceback" not in caplog.text


async def opened(harness: BotHarness, interaction: Interaction) -> Interaction:
    """The interaction that was answered with a form, whose fields check nothing."""
    await harness.discord.until(lambda: interaction.modal, why="the form")
    assert interaction.modal is not None
    for row in interaction.modal["components"]:
        for name in ("max_length", "min_length"):
            row["component"].pop(name, None)
        row["component"]["required"] = False
    return interaction


FORMS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "✏️ Remix": ("click", {}),
    "✏️ Edit…": ("click", {}),
    "🖌 Vary region": ("click", {"where": ["4"]}),
    "🕰 Fork": ("fork", {}),
    "Change it…": ("use", {}),
    "Use as sketch": ("use", {}),
    "🚩 Report": ("use", {}),
}
"""How a form is opened, and what else is filled in."""


async def form_of(harness: BotHarness, label: str, shown: Message, person: Person) -> Interaction:
    """A form about a single picture."""
    way, _ = FORMS[label]
    if way == "fork":
        strip = await harness.result(await person.click(shown, label))
        return await opened(harness, await fork_form(harness, strip, 3))
    used = person.click(shown, label) if way == "click" else person.use(label, shown)
    return await opened(harness, await used)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("label", FORMS)
async def test_each_field_of_each_form(
    harness: BotHarness, engine: FakeEngine, caplog: pytest.LogCaptureFixture, label: str
) -> None:
    """Texts that no client of Discord's sends, too."""
    await harness.stop()
    engine.models = (PAINTER, EDITOR)
    await harness.start()
    shown = await single(harness)
    form = await form_of(harness, label, shown, harness.ada)
    assert form.modal is not None
    fields = [row["component"] for row in form.modal["components"]]
    for field in fields:
        for case, text in TEXTS.items() if field["type"] == TEXT_INPUT else ():
            values = {**FORMS[label][1], field["custom_id"]: text[:FORM_LIMIT]}
            interaction = await harness.ada.submit(form, values)
            await check_response(harness, interaction, f"{label} {field['custom_id']} {case}")
    assert "Traceback" not in caplog.text
