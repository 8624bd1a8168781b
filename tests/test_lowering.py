"""Values above limits are lowered."""

import msgspec
import pytest

from bot.domain.limits import LIMITS
from bot.domain.lowering import lowered
from engine.contract import ModelCard, PictureOptions
from engine.contract.model_card import Distilled
from tests.fake_engine import MODEL

DISTILLED = msgspec.structs.replace(
    MODEL, distilled=Distilled("Turbo", most_steps=8, most_guidance=2.0)
)
NOTHING: dict[str, object] = {}


@pytest.mark.parametrize(
    ("model", "typed", "changes", "note"),
    [
        (MODEL, {"steps": 150, "guidance": 30.0, "count": 16}, NOTHING, ""),
        (MODEL, NOTHING, NOTHING, ""),
        (MODEL, {"steps": 0, "guidance": -1.0}, NOTHING, ""),
        (MODEL, {"sampler": "magic", "steps": 100}, NOTHING, ""),
        (MODEL, {"count": 20}, {"count": 16}, "The count 20 was lowered to 16, the most of one re"),
        (
            MODEL,
            {"steps": 500},
            {"steps": 150},
            "The steps 500 were lowered to 150, the most there",
        ),
        (
            MODEL,
            {"steps": 60, "sampler": "lcm"},
            {"steps": 50},
            "The steps 60 were lowered to 50, the most that the sampler lcm takes.",
        ),
        (MODEL, {"guidance": 99.5}, {"guidance": 30.0}, "The guidance 99.5 was lowered to 30, the"),
        (
            DISTILLED,
            {"steps": 30},
            {"steps": 8},
            "The steps 30 were lowered to 8, the most that the model flat is made for.",
        ),
        (
            DISTILLED,
            {"guidance": 7.0},
            {"guidance": 2.0},
            "The guidance 7 was lowered to 2, the most that the model flat is made for.",
        ),
    ],
)
def test_values_above_a_limit_are_lowered(
    model: ModelCard, typed: dict[str, object], changes: dict[str, object], note: str
) -> None:
    """A sentence says so; other values, also impossible ones, stay."""
    options = msgspec.convert({"prompt": "a", **typed}, PictureOptions)
    changed, notes = lowered(options, model, LIMITS)
    assert changed == msgspec.structs.replace(options, **changes)
    assert len(notes) == bool(note) and note in "".join(notes)
