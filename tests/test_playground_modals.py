"""Modals: validation of values, and the components of a submission."""

import pytest

from bot.playground import InvalidOption, Upload
from bot.playground.client.modals import FieldValue, modal_fields, submit_components
from bot.playground.client.resolved_data import ResolvedDataBuilder
from bot.playground.errors import Json
from bot.playground.model.state import World

WORLD = World()
BUILDER = ResolvedDataBuilder(WORLD, WORLD.add_channel("general"), WORLD.add_user("Ada"))
MODAL: Json = {
    "title": "Edit",
    "custom_id": "edit",
    "components": [
        {
            "type": 1,
            "components": [{"type": 4, "custom_id": "old", "label": "Old", "max_length": 5}],
        },
        {"type": 10, "content": "Read this."},
        {
            "type": 18,
            "label": "New",
            "component": {"type": 4, "custom_id": "new", "required": False, "min_length": 3},
        },
        {
            "type": 18,
            "label": "Level",
            "component": {
                "type": 3,
                "custom_id": "level",
                "options": [
                    {"label": "Block", "value": "block", "default": True},
                    {"label": "Allow", "value": "allow"},
                ],
            },
        },
    ],
}


def store(upload: Upload) -> str:
    """A fake of the storage: the name of a file is its id."""
    return upload.filename


def test_every_field_has_its_label() -> None:
    """The label is part of the field or of its parent."""
    assert [(f["custom_id"], f["label"]) for f in modal_fields(MODAL)] == [
        ("old", "Old"),
        ("new", "New"),
        ("level", "Level"),
    ]


def test_a_submission_has_the_structure_of_the_modal() -> None:
    """The submission has the modal's structure, with defaults and empty text."""
    assert submit_components(MODAL, {"old": "abc"}, BUILDER, store) == [
        {
            "type": 1,
            "id": 0,
            "components": [{"type": 4, "id": 0, "custom_id": "old", "value": "abc"}],
        },
        {"type": 10, "id": 0},
        {
            "type": 18,
            "id": 0,
            "component": {"type": 4, "id": 0, "custom_id": "new", "value": ""},
        },
        {
            "type": 18,
            "id": 0,
            "component": {"type": 3, "id": 0, "custom_id": "level", "values": ["block"]},
        },
    ]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "The field Old takes 1 to 5 characters"),
        ({"old": "abcdef"}, "The field Old takes 1 to 5 characters"),
        ({"old": "abc", "new": "x"}, "The field New takes 3 to 4000 characters"),
        ({"old": "abc", "level": "none"}, "The field Level takes one of: allow, block"),
        ({"old": "abc", "level": ["allow", "block"]}, "The field Level takes 1 to 1 choices"),
        ({"old": ["abc"]}, "The field Old takes text"),
        ({"old": "abc", "colour": "red"}, "no field called colour"),
    ],
)
def test_invalid_values_are_refused(values: dict[str, FieldValue], sentence: str) -> None:
    """The error names the field and the accepted values."""
    with pytest.raises(InvalidOption, match=sentence):
        submit_components(MODAL, values, BUILDER, store)


CHOICES = [{"label": value, "value": value} for value in ("a", "b", "c")]
FIELDS: dict[str, Json] = {
    "files": {"type": 19, "min_values": 1, "max_values": 2},
    "any files": {"type": 19, "required": False},
    "radio": {"type": 21, "options": CHOICES},
    "any radio": {"type": 21, "options": CHOICES, "required": False},
    "group": {"type": 22, "options": CHOICES, "max_values": 2},
    "any group": {"type": 22, "options": CHOICES, "required": False, "min_values": 0},
    "open group": {"type": 22, "options": CHOICES},
    "box": {"type": 23, "default": True},
}
PNG, JPG, GIF = (Upload(name, b"x") for name in ("a.png", "b.jpg", "c.gif"))


def submit(field: str, value: FieldValue | None) -> object:
    """The value or values of the only field of a modal."""
    component = {"custom_id": "x", **FIELDS[field]}
    modal = {"components": [{"type": 18, "label": "X", "component": component}]}
    values = {} if value is None else {"x": value}
    [label] = submit_components(modal, values, BUILDER, store)
    return label["component"].get("values", label["component"].get("value"))


@pytest.mark.parametrize(
    ("field", "value", "submitted"),
    [
        ("files", PNG, ["a.png"]),
        ("files", [PNG, JPG], ["a.png", "b.jpg"]),
        ("any files", None, []),
        ("radio", "b", "b"),
        ("any radio", None, None),
        ("group", ["a", "c"], ["a", "c"]),
        ("any group", None, []),
        ("open group", ["a", "b", "c"], ["a", "b", "c"]),
        ("box", None, True),
        ("box", False, False),
    ],
)
def test_the_values_of_a_field(field: str, value: FieldValue | None, submitted: object) -> None:
    """Files are submitted as attachment ids; optional fields may be empty."""
    assert submit(field, value) == submitted


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("files", None, "takes 1 to 2 files"),
        ("files", [PNG, JPG, GIF], "takes 1 to 2 files"),
        ("any files", [PNG, JPG], "takes 1 to 1 files"),
        ("files", "a.png", "takes files"),
        ("radio", None, "takes 1 to 1 choices"),
        ("radio", ["a", "b"], "takes 1 to 1 choices"),
        ("radio", "d", "takes one of: a, b, c"),
        ("any radio", PNG, "takes no file"),
        ("group", [], "takes 1 to 2 choices"),
        ("group", ["a", "b", "c"], "takes 1 to 2 choices"),
        ("group", ["a", "a"], "takes each choice once"),
        ("box", "yes", "is true or false"),
    ],
)
def test_invalid_values_of_a_field(field: str, value: FieldValue | None, sentence: str) -> None:
    """The client does not submit them."""
    with pytest.raises(InvalidOption, match=sentence):
        submit(field, value)
