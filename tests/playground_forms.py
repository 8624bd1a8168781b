"""Request bodies for the tests of validation: parts of messages, and what Discord answers."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
V2 = 1 << 15
LINK = "https://a.example/b.png"


@dataclass(frozen=True)
class Rule:
    """A body that is refused with a code at a path, and the nearest body that is accepted."""

    refused: Any
    path: str
    code: str
    accepted: Any


def codes(body: Json, path: str) -> list[str]:
    """The codes of the errors at a path like `embeds.0.title` in a 50035 response."""
    node = body["errors"]
    for key in path.split(".") if path else []:
        node = node[key]
    return [error["code"] for error in node["_errors"]]


def embed(**fields: object) -> Json:
    """A message with an embed."""
    return {"embeds": [fields]}


def titled(**fields: object) -> Json:
    """A message with an embed that has a title."""
    return embed(title="x", **fields)


def button(**fields: object) -> Json:
    """A button."""
    return {"type": 2, "style": 2, "label": "Go", "custom_id": "go"} | fields


def link(**fields: object) -> Json:
    """A link button."""
    return {"type": 2, "style": 5, "label": "Go", "url": LINK} | fields


def option(value: str = "a", **fields: object) -> Json:
    """An option of a select menu."""
    return {"label": value, "value": value} | fields


def select(*options: Json, **fields: object) -> Json:
    """A select menu of texts, by default with two options."""
    menu = {"type": 3, "custom_id": "menu", "options": list(options or (option(), option("b")))}
    return menu | fields


def row(*children: Json) -> Json:
    """An action row."""
    return {"type": 1, "components": list(children)}


def rows(*children: Json) -> Json:
    """A message with one action row."""
    return {"content": "x", "components": [row(*children)]}


def text(content: str = "x", **fields: object) -> Json:
    """A text display."""
    return {"type": 10, "content": content} | fields


def v2(*components: Json) -> Json:
    """A message with Components V2."""
    return {"flags": V2, "components": list(components)}


def section(**fields: object) -> Json:
    """A section with a button."""
    return {"type": 9, "components": [text()], "accessory": button()} | fields


def gallery(*urls: str, **fields: object) -> Json:
    """A media gallery."""
    return {"type": 12, "items": [{"media": {"url": url}} | fields for url in urls]}


def without(item: Json, key: str) -> Json:
    """A copy without a key."""
    return {name: value for name, value in item.items() if name != key}
