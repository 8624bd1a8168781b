"""The names of models that users see and type."""

import msgspec
import pytest

from bot.domain.model_names import MAX_CHOICES, find_model, short_names, suggestions
from bot.errors import Refused
from engine.contract import ModelCard
from tests.fake_engine import MODEL


def cards(*names: str) -> list[ModelCard]:
    """Models of these names."""
    return [msgspec.structs.replace(MODEL, name=name) for name in names]


def test_a_short_name_is_the_last_part() -> None:
    """Of a folder or a hub id; where it is not unique, the whole name is shown."""
    models = cards("starter", "runwayml/sd-15", "/models/toon/", "a/same", "b/same")
    assert list(short_names(models)) == ["starter", "sd-15", "toon", "a/same", "b/same"]
    assert list(short_names(cards(r"C:\\models\\toon"))) == ["toon"]


def test_a_model_is_found_by_either_name() -> None:
    """Upper and lower case do not matter; without a name it is the first one."""
    first, second = models = cards("starter", "runwayml/SD-15")
    assert find_model("sd-15", models) is find_model(" RunwayML/sd-15", models) is second
    assert find_model(None, models) is find_model(" ", models) is first


def test_an_unknown_model_is_refused() -> None:
    """The sentence names those that are loaded."""
    with pytest.raises(Refused, match=r"no model “sdxl”\. These are loaded: starter, sd-15\."):
        find_model("sdxl", cards("starter", "runwayml/sd-15"))


def test_suggestions_contain_what_was_typed() -> None:
    """Discord shows at most 25."""
    assert suggestions("SD", cards("starter", "a/sd-15", "a/sdxl")) == ["sd-15", "sdxl"]
    assert len(suggestions("", cards(*map(str, range(40))))) == MAX_CHOICES
