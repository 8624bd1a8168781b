"""Validation of modals, autocomplete choices and other interaction callbacks."""

from typing import Any

import pytest

from bot.playground import Playground
from bot.playground.model.interactions import Interaction
from bot.playground.model.messages import MessageFlags
from bot.playground.model.permissions import EVERYONE, Permission
from bot.playground.model.state import APPLICATION_ID
from tests.playground_bot import png
from tests.playground_forms import Rule, button, codes, option, row, rows, select, text, titled
from tests.playground_http import Http

Json = dict[str, Any]
MAX, LENGTH = "BASE_TYPE_MAX_LENGTH", "BASE_TYPE_BAD_LENGTH"
REQUIRED, CHOICES = "BASE_TYPE_REQUIRED", "BASE_TYPE_CHOICES"
HIGH, LOW, COERCE = "NUMBER_TYPE_MAX", "NUMBER_TYPE_MIN", "NUMBER_TYPE_COERCE"
CHANNEL_MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, AUTOCOMPLETE, MODAL = 4, 5, 6, 7, 8, 9


def modal(*components: Json, **fields: object) -> Json:
    """The data of a modal."""
    parts = list(components) or [label(field())]
    return {"custom_id": "edit", "title": "Edit", "components": parts} | fields


def field(**fields: object) -> Json:
    """A text input."""
    return {"type": 4, "custom_id": "prompt", "style": 1} | fields


def label(component: Json, **fields: object) -> Json:
    """A label with a component."""
    return {"type": 18, "label": "Prompt", "component": component} | fields


def radio(*values: str) -> Json:
    """A radio group."""
    return {"type": 21, "custom_id": "radio", "options": [option(value) for value in values]}


CHILD = "components.0.component"
INPUT = "components.0.components.0"
RULES: dict[str, Rule] = {
    "a title": Rule(modal(title="x" * 46), "title", LENGTH, modal(title="x" * 45)),
    "no title": Rule(modal(title=None), "title", REQUIRED, modal()),
    "an empty title": Rule(modal(title=""), "title", LENGTH, modal(title="x")),
    "a custom id": Rule(
        modal(custom_id="x" * 101), "custom_id", LENGTH, modal(custom_id="x" * 100)
    ),
    "no components": Rule(modal(components=[]), "components", LENGTH, modal()),
    "six components": Rule(
        modal(*[text()] * 6), "components", LENGTH, modal(*[text()] * 4, label(field()))
    ),
    "a container": Rule(
        modal({"type": 17, "components": [text()]}), "components.0", "UNION_TYPE_CHOICES", modal()
    ),
    "a button in a row": Rule(
        modal(row(button())), INPUT, "UNION_TYPE_CHOICES", modal(row(field(label="x")))
    ),
    "a row's input without a label": Rule(
        modal(row(field())), f"{INPUT}.label", REQUIRED, modal(row(field(label="x")))
    ),
    "two inputs in a row": Rule(
        modal(row(field(label="x"), field(label="y", custom_id="b"))),
        "components.0.components.1",
        "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
        modal(row(field(label="x")), row(field(label="y", custom_id="b"))),
    ),
    "an input's label": Rule(
        modal(row(field(label="x" * 46))),
        f"{INPUT}.label",
        LENGTH,
        modal(row(field(label="x" * 45))),
    ),
    "a label": Rule(
        modal(label(field(), label="x" * 46)),
        "components.0.label",
        LENGTH,
        modal(label(field(), label="x" * 45)),
    ),
    "a label's description": Rule(
        modal(label(field(), description="x" * 101)),
        "components.0.description",
        LENGTH,
        modal(label(field(), description="x" * 100)),
    ),
    "a label of nothing": Rule(
        modal({"type": 18, "label": "x"}), CHILD, REQUIRED, modal(label(field()))
    ),
    "an input's style": Rule(
        modal(label(field(style=3))), f"{CHILD}.style", CHOICES, modal(label(field(style=2)))
    ),
    "a value above max_length": Rule(
        modal(label(field(value="abcd", max_length=3))),
        f"{CHILD}.value",
        MAX,
        modal(label(field(value="abc", max_length=3))),
    ),
    "a value below min_length": Rule(
        modal(label(field(value="ab", min_length=3))),
        f"{CHILD}.value",
        "BASE_TYPE_MIN_LENGTH",
        modal(label(field(value="abc", min_length=3))),
    ),
    "an empty value": Rule(
        modal(label(field(value=""))),
        f"{CHILD}.value",
        "BASE_TYPE_MIN_LENGTH",
        modal(label(field(value="", required=False))),
    ),
    "two lines in a short input": Rule(
        modal(label(field(value="a\nb"))),
        f"{CHILD}.value",
        "COMPONENT_VALIDATION_FAILED",
        modal(label(field(value="a\nb", style=2))),
    ),
    "a value": Rule(
        modal(label(field(value="x" * 4001))),
        f"{CHILD}.value",
        MAX,
        modal(label(field(value="x" * 4000))),
    ),
    "a placeholder": Rule(
        modal(label(field(placeholder="x" * 101))),
        f"{CHILD}.placeholder",
        MAX,
        modal(label(field(placeholder="x" * 100))),
    ),
    "max_length": Rule(
        modal(label(field(max_length=4001))),
        f"{CHILD}.max_length",
        HIGH,
        modal(label(field(max_length=4000))),
    ),
    "min_length above max_length": Rule(
        modal(label(field(min_length=5, max_length=4))),
        f"{CHILD}.min_length",
        HIGH,
        modal(label(field(min_length=4, max_length=4))),
    ),
    "a custom id twice": Rule(
        modal(label(field()), label(field())),
        "components.1.component.custom_id",
        "COMPONENT_CUSTOM_ID_DUPLICATED",
        modal(label(field()), label(field(custom_id="b"))),
    ),
    "a disabled select menu": Rule(
        modal(label(select(disabled=True))),
        f"{CHILD}.disabled",
        "MODAL_COMPONENT_DISABLED",
        modal(label(select(disabled=False))),
    ),
    "a required choice of none": Rule(
        modal(label(select(min_values=0))),
        f"{CHILD}.min_values",
        "SELECT_COMPONENT_REQUIRED_ZERO_MIN_VALUES",
        modal(label(select(min_values=0, required=False))),
    ),
    "a select value twice": Rule(
        modal(label(select(option(), option()))),
        f"{CHILD}.options.1",
        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        modal(label(select(option(), option("b")))),
    ),
    "11 files": Rule(
        modal(label({"type": 19, "custom_id": "files", "max_values": 11})),
        f"{CHILD}.max_values",
        HIGH,
        modal(label({"type": 19, "custom_id": "files", "max_values": 10})),
    ),
    "more files than allowed": Rule(
        modal(label({"type": 19, "custom_id": "files", "min_values": 3, "max_values": 2})),
        f"{CHILD}.min_values",
        HIGH,
        modal(label({"type": 19, "custom_id": "files", "min_values": 2, "max_values": 2})),
    ),
    "a radio group of one": Rule(
        modal(label(radio("a"))), f"{CHILD}.options", LENGTH, modal(label(radio("a", "b")))
    ),
    "a value twice": Rule(
        modal(label(radio("a", "a"))),
        f"{CHILD}.options.1",
        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        modal(label(radio("a", "b"))),
    ),
    "two radio buttons at once": Rule(
        modal(
            label(
                radio("a", "b")
                | {"options": [option("a", default=True), option("b", default=True)]}
            )
        ),
        f"{CHILD}.options",
        "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES",
        modal(label(radio("a", "b") | {"options": [option("a", default=True), option("b")]})),
    ),
    "more checkboxes than there are": Rule(
        modal(label(radio("a") | {"type": 22, "max_values": 2})),
        f"{CHILD}.options",
        "BASE_TYPE_MIN_LENGTH",
        modal(label(radio("a") | {"type": 22, "max_values": 1})),
    ),
    "11 checkboxes": Rule(
        modal(label(radio(*"abcdefghijk") | {"type": 22})),
        f"{CHILD}.options",
        LENGTH,
        modal(label(radio("a") | {"type": 22})),
    ),
}


async def open_interaction(http: Http, type: int = 3) -> Interaction:
    """An interaction of a slash command with an option of the type."""
    command = {
        "name": "paint",
        "description": "Paint",
        "options": [{"name": "model", "description": "x", "type": type, "autocomplete": True}],
    }
    await http.call("PUT", f"/applications/{APPLICATION_ID}/commands", json=[command])
    return await http.playground.person("Ada").slash("paint")


async def respond(
    http: Http, interaction: Interaction, type: object, data: object
) -> tuple[int, Any]:
    """Respond to an interaction; return status and JSON."""
    path = f"/interactions/{interaction.id}/{interaction.token}/callback"
    return await http.call("POST", path, json={"type": type, "data": data})


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_modal_is_refused_at_the_path(http: Http, rule: Rule) -> None:
    """A 400 with code 50035 and the error below `data`; the nearest valid modal is shown."""
    interaction = await open_interaction(http)
    status, body = await respond(http, interaction, MODAL, rule.refused)
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, f"data.{rule.path}") == [rule.code]
    assert interaction.modal is None
    status, body = await respond(http, interaction, MODAL, rule.accepted)
    assert status == 204, body


def choice(value: object, **fields: object) -> Json:
    """Data with one autocomplete choice."""
    return {"choices": [{"name": "a", "value": value} | fields]}


STRING, INTEGER, NUMBER = 3, 4, 10
FIRST = "choices.0.value"
CHOICE_RULES: dict[str, tuple[int, Rule]] = {
    "26 choices": (
        STRING,
        Rule({"choices": choice("a")["choices"] * 26}, "choices", MAX, {"choices": []}),
    ),
    "a name": (
        STRING,
        Rule(choice("a", name="x" * 101), "choices.0.name", LENGTH, choice("a", name="x" * 100)),
    ),
    "a name of spaces": (
        STRING,
        Rule(choice("a", name=" "), "choices.0.name", LENGTH, choice("a")),
    ),
    "no name": (STRING, Rule(choice("a", name=""), "choices.0.name", LENGTH, choice("a"))),
    "a value": (STRING, Rule(choice("x" * 101), FIRST, MAX, choice("x" * 100))),
    "no value": (STRING, Rule(choice(None), FIRST, REQUIRED, {"choices": None})),
    "a number": (STRING, Rule(choice(7), FIRST, "STRING_TYPE_CONVERT", choice("7"))),
    "a fraction": (INTEGER, Rule(choice(0.5), FIRST, COERCE, choice(7))),
    "a text": (NUMBER, Rule(choice("half"), FIRST, COERCE, choice(0.5))),
}


@pytest.mark.parametrize(("type", "rule"), CHOICE_RULES.values(), ids=CHOICE_RULES.keys())
async def test_choices_have_the_type_of_the_option(http: Http, type: int, rule: Rule) -> None:
    """Names and values of autocomplete choices have limits, and the values a type."""
    await open_interaction(http, type)
    interaction = await http.playground.person("Ada").complete("paint", "model", "a")
    status, body = await respond(http, interaction, AUTOCOMPLETE, rule.refused)
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, f"data.{rule.path}") == [rule.code]
    status, body = await respond(http, interaction, AUTOCOMPLETE, rule.accepted)
    assert status == 204, body


async def test_the_focused_option_may_be_in_a_subcommand(http: Http) -> None:
    """The type of its choices is that of the option in the subcommand."""
    seed = {"name": "seed", "description": "x", "type": INTEGER, "autocomplete": True}
    now = {"name": "now", "description": "x", "type": 1, "options": [seed]}
    command = {"name": "paint", "description": "Paint", "options": [now]}
    await http.call("PUT", f"/applications/{APPLICATION_ID}/commands", json=[command])
    interaction = await http.playground.person("Ada").complete("paint now", "seed", "a")
    status, body = await respond(http, interaction, AUTOCOMPLETE, choice("many"))
    assert (status, codes(body, f"data.{FIRST}")) == (400, [COERCE])
    assert (await respond(http, interaction, AUTOCOMPLETE, choice(7)))[0] == 204


async def test_errors_of_responses_are_below_data(http: Http) -> None:
    """The path of an error begins with `data`, also where the parts of a message disagree."""
    interaction = await open_interaction(http)
    status, body = await respond(http, interaction, CHANNEL_MESSAGE, titled(url="x"))
    assert (status, codes(body, "data.embeds.0.url")) == (400, ["URL_TYPE_INVALID_SCHEME"])
    _, body = await respond(http, interaction, CHANNEL_MESSAGE, rows(button(), button()))
    path = "data.components.0.components.1.custom_id"
    assert codes(body, path) == ["COMPONENT_CUSTOM_ID_DUPLICATED"]
    _, body = await respond(http, interaction, 99, {})
    assert codes(body, "type") == [CHOICES]
    values: list[object] = ["", "x", []]
    for data in values:
        _, body = await respond(http, interaction, CHANNEL_MESSAGE, data)
        assert codes(body, "data") == ["MODEL_TYPE_CONVERT"]
    _, body = await respond(http, interaction, MODAL, None)
    assert codes(body, "data") == [REQUIRED]
    _, body = await respond(http, interaction, DEFERRED, {"flags": "x"})
    assert codes(body, "data.flags") == [COERCE]
    assert (await respond(http, interaction, CHANNEL_MESSAGE, titled()))[0] == 204


async def test_a_deferral_ignores_flags(http: Http) -> None:
    """Only EPHEMERAL and LOADING are set, as the response decides about the rest."""
    interaction = await open_interaction(http)
    assert (await respond(http, interaction, DEFERRED, {"flags": 1 << 15 | 1 << 12}))[0] == 204
    assert interaction.original is not None
    assert interaction.original.flags == MessageFlags.LOADING


async def test_the_callback_fits_the_interaction(http: Http) -> None:
    """A command cannot be answered with choices or an update, nor a modal with a modal."""
    interaction = await open_interaction(http)
    for callback in (AUTOCOMPLETE, UPDATE, DEFERRED_UPDATE):
        status, body = await respond(http, interaction, callback, {"choices": []})
        assert (status, codes(body, "type")) == (400, [CHOICES])
    assert body["errors"]["type"]["_errors"][0]["message"] == "Value must be one of {4, 5, 9}."
    await respond(http, interaction, MODAL, modal())
    submitted = await http.playground.person("Ada").submit(interaction, {"prompt": "x"})
    status, body = await respond(http, submitted, MODAL, modal())
    assert (status, codes(body, "type")) == (400, [CHOICES])


async def test_followups_and_edits_are_checked(http: Http) -> None:
    """Requests with the interaction's token have errors without `data`."""
    interaction = await open_interaction(http)
    await respond(http, interaction, CHANNEL_MESSAGE, {"content": "x"})
    webhook = f"/webhooks/{APPLICATION_ID}/{interaction.token}"
    for method, path in (("POST", webhook), ("PATCH", f"{webhook}/messages/@original")):
        status, body = await http.call(method, path, json=titled(color=-1))
        assert (status, codes(body, "embeds.0.color")) == (400, [LOW])
        assert (await http.call(method, path, json=titled(color=0)))[0] == 200


async def test_responses_need_no_permission_for_embeds(playground: Playground, http: Http) -> None:
    """Applications may always send embeds and files in responses to interactions."""
    playground.channel.bot_permissions = EVERYONE & ~(
        Permission.EMBED_LINKS | Permission.ATTACH_FILES
    )
    interaction = await open_interaction(http)
    assert (await respond(http, interaction, CHANNEL_MESSAGE, titled()))[0] == 204
    status, message = await http.send(
        "POST", f"/webhooks/{APPLICATION_ID}/{interaction.token}", {"content": "x"}, [png()]
    )
    assert (status, len(message["attachments"])) == (200, 1)
