"""Modals: validation of values, and the components of a submission."""

import pytest

from bot.playground import InvalidOption
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


def test_every_field_has_its_label() -> None:
    """The label is part of the field or of its parent."""
    assert [(f["custom_id"], f["label"]) for f in modal_fields(MODAL)] == [
        ("old", "Old"),
        ("new", "New"),
        ("level", "Level"),
    ]


def test_a_submission_has_the_structure_of_the_modal() -> None:
    """The submission has the modal's structure, with defaults and empty text."""
    assert submit_components(MODAL, {"old": "abc"}, BUILDER) == [
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
        submit_components(MODAL, values, BUILDER)
