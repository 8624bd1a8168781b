"""Validation of the components of messages, as Discord validates them."""

import pytest

from bot.playground import Playground
from tests.playground_bot import png
from tests.playground_forms import (
    LINK,
    Rule,
    button,
    codes,
    gallery,
    link,
    option,
    row,
    rows,
    section,
    select,
    text,
    v2,
    without,
)
from tests.playground_http import Http

MAX, LENGTH = "BASE_TYPE_MAX_LENGTH", "BASE_TYPE_BAD_LENGTH"
REQUIRED, CHOICES = "BASE_TYPE_REQUIRED", "BASE_TYPE_CHOICES"
HIGH, LOW = "NUMBER_TYPE_MAX", "NUMBER_TYPE_MIN"
SCHEME, TYPE = "URL_TYPE_INVALID_SCHEME", "UNION_TYPE_CHOICES"
EMOJI, EXCLUSIVE = (
    "BUTTON_COMPONENT_INVALID_EMOJI",
    "BUTTON_COMPONENT_CUSTOM_ID_URL_MUTUALLY_EXCLUSIVE",
)
FIRST = "components.0"
CHILD = "components.0.components.0"


def buttons(count: int) -> list[dict[str, object]]:
    """Buttons with different custom ids."""
    return [button(custom_id=f"{n}") for n in range(count)]


def users(**fields: object) -> dict[str, object]:
    """A message with a user select menu."""
    return rows({"type": 5, "custom_id": "menu"} | fields)


USER = {"type": "user", "id": "1"}
RULES: dict[str, Rule] = {
    "six rows": Rule(
        {"content": "x", "components": [row(item) for item in buttons(6)]},
        "components",
        MAX,
        {"content": "x", "components": [row(item) for item in buttons(5)]},
    ),
    "six buttons": Rule(rows(*buttons(6)), f"{FIRST}.components", LENGTH, rows(*buttons(5))),
    "an empty row": Rule(rows(), f"{FIRST}.components", LENGTH, rows(button())),
    "no type": Rule(
        {"content": "x", "components": [without(row(button()), "type")]},
        FIRST,
        "TAG_FIELD_MISSING",
        rows(button()),
    ),
    "a button outside a row": Rule(
        {"content": "x", "components": [button()]}, FIRST, TYPE, rows(button())
    ),
    "a text display without V2": Rule(
        {"content": "x", "components": [text()]}, FIRST, TYPE, v2(text())
    ),
    "a text display in a row": Rule(v2(row(text())), CHILD, TYPE, v2(row(button()))),
    "a text input in a message": Rule(
        rows({"type": 4, "custom_id": "x", "style": 1, "label": "x"}), CHILD, TYPE, rows(button())
    ),
    "a select menu beside a button": Rule(
        rows(select(), button()),
        "components.0.components.1",
        "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
        rows(select()),
    ),
    "a custom id": Rule(
        rows(button(custom_id="x" * 101)),
        f"{CHILD}.custom_id",
        LENGTH,
        rows(button(custom_id="x" * 100)),
    ),
    "no custom id": Rule(
        rows(button(custom_id=None)),
        f"{CHILD}.custom_id",
        "BUTTON_COMPONENT_CUSTOM_ID_REQUIRED",
        rows(link()),
    ),
    "an empty custom id": Rule(
        rows(select(custom_id="")), f"{CHILD}.custom_id", LENGTH, rows(select())
    ),
    "the same custom id twice": Rule(
        rows(button(), button(disabled=True)),
        "components.0.components.1.custom_id",
        "COMPONENT_CUSTOM_ID_DUPLICATED",
        rows(button(), button(custom_id="b")),
    ),
    "the same id twice": Rule(
        rows(button(id=5), button(id=5, custom_id="b")),
        "components.0.components.1.id",
        "COMPONENT_ID_DUPLICATED",
        rows(button(id=0), button(id=0, custom_id="b")),
    ),
    "an id of text": Rule(
        rows(button(id="first")), f"{CHILD}.id", "NUMBER_TYPE_COERCE", rows(button(id=1))
    ),
    "an id of 33 bits": Rule(
        rows(button(id=1 << 31)), f"{CHILD}.id", HIGH, rows(button(id=(1 << 31) - 1))
    ),
    "a label": Rule(
        rows(button(label="x" * 81)), f"{CHILD}.label", MAX, rows(button(label="x" * 80))
    ),
    "neither label nor emoji": Rule(
        rows(button(label=None)),
        f"{CHILD}.label",
        REQUIRED,
        rows(button(label=None, emoji={"name": "🔄"})),
    ),
    "a style": Rule(rows(button(style=7)), f"{CHILD}.style", CHOICES, rows(button(style=4))),
    "no style": Rule(
        rows(without(button(), "style")), f"{CHILD}.style", REQUIRED, rows(button(style=1))
    ),
    "a link with a custom id": Rule(
        rows(link(custom_id="x")), f"{CHILD}.custom_id", EXCLUSIVE, rows(link())
    ),
    "a URL of a button that is no link": Rule(
        rows(button(url=LINK)), f"{CHILD}.url", EXCLUSIVE, rows(button())
    ),
    "a link to nothing": Rule(
        rows(link(url=None)), f"{CHILD}.url", "BUTTON_COMPONENT_URL_REQUIRED", rows(link())
    ),
    "a script": Rule(
        rows(link(url="javascript:alert(1)")),
        f"{CHILD}.url",
        SCHEME,
        rows(link(url="discord://-/settings")),
    ),
    "a link of 513": Rule(
        rows(link(url=f"{LINK:x<513}")), f"{CHILD}.url", MAX, rows(link(url=f"{LINK:x<512}"))
    ),
    "an emoji that is none": Rule(
        rows(button(emoji={"name": "smile"})),
        f"{CHILD}.emoji.name",
        EMOJI,
        rows(button(emoji={"name": "👩‍🎨"})),
    ),
    "an empty emoji": Rule(
        rows(button(emoji={})), f"{CHILD}.emoji.name", EMOJI, rows(button(emoji=None))
    ),
    "an unknown emoji": Rule(
        rows(button(emoji={"id": "1", "name": "x"})), f"{CHILD}.emoji.id", EMOJI, rows(button())
    ),
    "a premium button without a SKU": Rule(
        rows({"type": 2, "style": 6}),
        f"{CHILD}.sku_id",
        "BUTTON_COMPONENT_SKU_ID_REQUIRED",
        rows({"type": 2, "style": 6, "sku_id": "1"}),
    ),
    "a premium button with a label": Rule(
        rows({"type": 2, "style": 6, "sku_id": "1", "label": "x"}),
        f"{CHILD}.label",
        "BUTTON_COMPONENT_PREMIUM_FACE",
        rows({"type": 2, "style": 6, "sku_id": "1"}),
    ),
    "a component that is no object": Rule(
        {"content": "x", "components": [{"type": 1, "components": ["x"]}]},
        CHILD,
        "MODEL_TYPE_CONVERT",
        rows(button()),
    ),
    "26 options": Rule(
        rows(select(*[option(f"{n}") for n in range(26)])),
        f"{CHILD}.options",
        LENGTH,
        rows(select(*[option(f"{n}") for n in range(25)])),
    ),
    "no options": Rule(rows(select(options=[])), f"{CHILD}.options", LENGTH, rows(select())),
    "an option's label": Rule(
        rows(select(option(label="x" * 101))),
        f"{CHILD}.options.0.label",
        LENGTH,
        rows(select(option(label="x" * 100))),
    ),
    "an option's value": Rule(
        rows(select(option("x" * 101, label="x"))),
        f"{CHILD}.options.0.value",
        LENGTH,
        rows(select(option("x" * 100, label="x"))),
    ),
    "an option's description": Rule(
        rows(select(option(description="x" * 101))),
        f"{CHILD}.options.0.description",
        MAX,
        rows(select(option(description="x" * 100))),
    ),
    "an option's emoji": Rule(
        rows(select(option(emoji={"name": "é"}))),
        f"{CHILD}.options.0.emoji.name",
        EMOJI,
        rows(select(option(emoji={"name": "1️⃣"}))),
    ),
    "a value twice": Rule(
        rows(select(option(), option(label="other"))),
        f"{CHILD}.options.1",
        "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        rows(select(option(), option("b", label="a"))),
    ),
    "more minimum than maximum": Rule(
        rows(select(min_values=2, max_values=1)),
        f"{CHILD}.min_values",
        HIGH,
        rows(select(min_values=2, max_values=2)),
    ),
    "a maximum above the options": Rule(
        rows(select(max_values=3)),
        f"{CHILD}.options",
        "BASE_TYPE_MIN_LENGTH",
        rows(select(max_values=2)),
    ),
    "a maximum of none": Rule(
        rows(select(min_values=0, max_values=0)),
        f"{CHILD}.max_values",
        LOW,
        rows(select(min_values=0)),
    ),
    "26 values": Rule(users(max_values=26), f"{CHILD}.max_values", HIGH, users(max_values=25)),
    "two defaults for one value": Rule(
        rows(select(option(default=True), option("b", default=True))),
        f"{CHILD}.options",
        "SELECT_COMPONENT_TOO_MANY_DEFAULT_VALUES",
        rows(select(option(default=True), option("b"))),
    ),
    "a placeholder": Rule(
        rows(select(placeholder="x" * 151)),
        f"{CHILD}.placeholder",
        MAX,
        rows(select(placeholder="x" * 150)),
    ),
    "two default users": Rule(
        users(default_values=[USER, {"type": "user", "id": "2"}]),
        f"{CHILD}.default_values",
        LENGTH,
        users(default_values=[USER]),
    ),
    "a default role in a user select menu": Rule(
        users(default_values=[{"type": "role", "id": "1"}]),
        f"{CHILD}.default_values.0.type",
        CHOICES,
        users(default_values=[USER]),
    ),
    "a channel type": Rule(
        rows({"type": 8, "custom_id": "x", "channel_types": [99]}),
        f"{CHILD}.channel_types.0",
        CHOICES,
        rows({"type": 8, "custom_id": "x", "channel_types": [0]}),
    ),
    "41 components": Rule(
        v2({"type": 17, "components": [text("x")] * 40}),
        "components",
        "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
        v2({"type": 17, "components": [text("x")] * 39}),
    ),
    "4001 characters": Rule(
        v2(text("x" * 4000), text("x")),
        "components",
        "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
        v2(text("x" * 3999), text("x")),
    ),
    "an empty text display": Rule(v2(text("")), f"{FIRST}.content", LENGTH, v2(text("x"))),
    "a section without an accessory": Rule(
        v2(without(section(), "accessory")), f"{FIRST}.accessory", REQUIRED, v2(section())
    ),
    "a select menu as an accessory": Rule(
        v2(section(accessory=select())),
        f"{FIRST}.accessory",
        TYPE,
        v2(section(accessory={"type": 11, "media": {"url": LINK}})),
    ),
    "four texts in a section": Rule(
        v2(section(components=[text()] * 4)),
        f"{FIRST}.components",
        LENGTH,
        v2(section(components=[text()] * 3)),
    ),
    "a button in a section": Rule(
        v2(section(components=[button(custom_id="b")])), CHILD, TYPE, v2(section())
    ),
    "a container in a container": Rule(
        v2({"type": 17, "components": [{"type": 17, "components": [text()]}]}),
        CHILD,
        TYPE,
        v2({"type": 17, "components": [section()]}),
    ),
    "an empty container": Rule(
        v2({"type": 17, "components": []}),
        f"{FIRST}.components",
        LENGTH,
        v2({"type": 17, "components": [text()]}),
    ),
    "an accent color": Rule(
        v2({"type": 17, "components": [text()], "accent_color": 1 << 24}),
        f"{FIRST}.accent_color",
        HIGH,
        v2({"type": 17, "components": [text()], "accent_color": 0}),
    ),
    "11 pictures": Rule(
        v2(gallery(*[LINK] * 11)), f"{FIRST}.items", LENGTH, v2(gallery(*[LINK] * 10))
    ),
    "no pictures": Rule(v2(gallery()), f"{FIRST}.items", LENGTH, v2(gallery(LINK))),
    "a picture by ftp": Rule(
        v2(gallery("ftp://a.example/b.png")),
        f"{FIRST}.items.0.media.url",
        SCHEME,
        v2(gallery(LINK)),
    ),
    "a picture's description": Rule(
        v2(gallery(LINK, description="x" * 1025)),
        f"{FIRST}.items.0.description",
        LENGTH,
        v2(gallery(LINK, description="x" * 1024)),
    ),
    "a separator's spacing": Rule(
        v2(text(), {"type": 14, "spacing": 3}),
        "components.1.spacing",
        CHOICES,
        v2(text(), {"type": 14, "spacing": 2}),
    ),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_component_is_refused_at_the_path(
    playground: Playground, http: Http, rule: Rule
) -> None:
    """A 400 with code 50035 and the error at its path; the nearest valid message is created."""
    status, body = await http.post(rule.refused)
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, rule.path) == [rule.code]
    assert playground.messages() == []
    status, body = await http.post(rule.accepted)
    assert status == 200, body


FILES: dict[str, Rule] = {
    "a file from elsewhere": Rule(LINK, "file.url", SCHEME, "attachment://0.png"),
    "a file that is missing": Rule(
        "attachment://1.png",
        "file.url",
        "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND",
        "attachment://0.png",
    ),
}


@pytest.mark.parametrize("rule", FILES.values(), ids=FILES.keys())
async def test_a_file_component_shows_an_uploaded_file(http: Http, rule: Rule) -> None:
    """Its URL is attachment:// with the name of a file of the message."""
    status, body = await http.post(v2({"type": 13, "file": {"url": rule.refused}}), [png()])
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, f"{FIRST}.{rule.path}") == [rule.code]
    status, message = await http.post(v2({"type": 13, "file": {"url": rule.accepted}}), [png()])
    assert (status, message["components"][0]["name"]) == (200, "0.png")


async def test_generated_ids_avoid_given_ones(http: Http) -> None:
    """Components without an id, or with the id 0, get the numbers that are free."""
    _, message = await http.post(v2(text(id=0), text(id=1), text(), text(id=3)))
    assert [component["id"] for component in message["components"]] == [2, 1, 4, 3]


async def test_a_message_that_was_accepted_can_be_edited(http: Http) -> None:
    """The components that stay are valid with the defaults that the message has."""
    _, message = await http.post(rows(select(min_values=2)))
    menu = message["components"][0]["components"][0]
    assert (menu["min_values"], menu["max_values"]) == (2, 2)
    assert (await http.patch(message["id"], {"content": "y"}))[0] == 200


async def test_errors_of_edits_are_the_same(http: Http) -> None:
    """An edit is checked like a new message."""
    _, message = await http.post({"content": "x"})
    status, body = await http.patch(message["id"], rows(button(label="x" * 81)))
    assert (status, codes(body, f"{CHILD}.label")) == (400, [MAX])


async def test_the_types_in_a_message_are_a_tuple(http: Http) -> None:
    """Also if only one type is possible."""
    _, body = await http.post({"content": "x", "components": [text()]})
    [error] = body["errors"]["components"]["0"]["_errors"]
    assert error["message"] == 'Value of field "type" must be one of (1,).'
