"""Settings that are offered because their field has a title."""

import msgspec
import pytest

from bot.domain.guild_settings import SETTINGS, GuildSettings
from bot.domain.model_names import with_default
from bot.errors import Refused
from tests.fake_engine import MODEL

SCALE = SETTINGS["display_scale"]
DEFAULT_MODEL = SETTINGS["default_model"]
OTHER = msgspec.structs.replace(MODEL, name="hub/Round")
MODELS = (MODEL, OTHER)


def test_a_field_with_a_title_is_offered() -> None:
    """Its allowed values and their names come from its type."""
    labels = SCALE.labels(MODELS)
    assert (SCALE.title, labels) == ("display scale", ("automatic", "1", "2", "4"))
    assert SCALE.label(GuildSettings(), MODELS) == "automatic"
    assert all(setting.description for setting in SETTINGS.values())


@pytest.mark.parametrize(("label", "value"), [("4", 4), (" Automatic ", None)])
def test_a_setting_is_changed_by_the_name_of_its_value(label: str, value: object) -> None:
    """The audit entry has it, too."""
    settings, detail, channel_id = SCALE.change(label, MODELS)(GuildSettings(display_scale=2))
    assert settings.display_scale == value
    assert (detail, channel_id) == (f"display scale: {label.strip().lower()}", None)


def test_other_values_are_refused() -> None:
    """The sentence has the allowed ones."""
    with pytest.raises(Refused, match="can be automatic, 1, 2, 4"):
        SCALE.change("3", MODELS)


def test_the_default_model_is_one_of_the_models() -> None:
    """Named by its short name in any case, and stored by its whole name."""
    assert DEFAULT_MODEL.labels(MODELS) == ("automatic", "flat", "Round")
    settings, detail, _ = DEFAULT_MODEL.change(" round", MODELS)(GuildSettings())
    assert (settings.default_model, detail) == ("hub/Round", "default model: Round")
    assert DEFAULT_MODEL.label(settings, MODELS) == "Round"
    assert DEFAULT_MODEL.warning(settings, MODELS) is None
    assert DEFAULT_MODEL.change("automatic", MODELS)(settings).settings == GuildSettings()
    with pytest.raises(Refused, match="default model can be automatic, flat, Round"):
        DEFAULT_MODEL.change("sdxl", MODELS)


def test_a_default_model_that_is_gone_is_not_used() -> None:
    """The settings say so."""
    settings = GuildSettings(default_model="hub/Round")
    assert DEFAULT_MODEL.label(settings, [MODEL]) == "hub/Round"
    warning = DEFAULT_MODEL.warning(settings, [MODEL])
    assert warning == "It is not offered now, so flat is used."
    assert with_default([MODEL], "hub/Round") == (MODEL,)
    assert with_default(MODELS, "hub/Round") == (OTHER, MODEL)
    assert with_default(MODELS, None) == MODELS
