"""Preferences at four layers, and the settings that people choose."""

import msgspec
import pytest

from bot.domain.model_names import with_default
from bot.domain.preference_settings import SETTINGS, offered_at, stored_value, values_of
from bot.domain.preferences import (
    NO_PREFERENCES,
    Layer,
    Owner,
    Preferences,
    check_allowed,
    resolve,
)
from bot.domain.setting_values import Offer
from bot.errors import Refused
from tests.fake_engine import MODEL

OTHER = msgspec.structs.replace(MODEL, name="hub/Round")
MODELS = (MODEL, OTHER)
OFFER = Offer(
    models=MODELS,
    aspects=("square", "wide"),
    commands=("imagine", "explore", "Edit…"),
    max_count=16,
)
USER = Owner(Layer.USER, 1)


def test_the_last_layer_counts() -> None:
    """Each value says which layer it comes from; None is a value, too."""
    preferences = resolve(
        {
            Layer.USER: {"steps": None},
            Layer.GUILD: {"steps": 30, "aspect": "wide", "count": 2},
            Layer.CHANNEL: {"count": 1},
        }
    )
    values = (preferences.steps, preferences.aspect, preferences.count, preferences.sampler)
    assert values == (None, "wide", 1, None)
    names = ("steps", "aspect", "count", "sampler")
    origins = [Layer.USER, Layer.GUILD, Layer.CHANNEL, Layer.BOT]
    assert [preferences.layer(name) for name in names] == origins
    assert resolve({}) == NO_PREFERENCES


def test_each_value_has_a_setting() -> None:
    """So the panel shows all, and nothing is stored that it does not show."""
    assert set(SETTINGS) == set(Preferences.__struct_fields__) - {"layers"}
    assert set(values_of(NO_PREFERENCES)) == set(SETTINGS)
    for setting in SETTINGS.values():
        assert setting.description and len(setting.description) <= 100
        assert setting.label(setting.default, OFFER)


def test_rules_of_a_server_are_no_settings_of_users() -> None:
    """Users could otherwise lift the restrictions of a server."""
    names = {setting.name for setting in offered_at(Layer.USER)}
    assert not names & {"channel_ids", "commands", "gallery_channel_id", "display_scale"}
    assert stored_value(USER, "commands", '["imagine"]') == {}
    assert stored_value(Owner(Layer.GUILD, 1), "commands", '["imagine"]') == {
        "commands": ("imagine",)
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("display_scale", "4", 4),
        ("display_scale", " Automatic ", None),
        ("default_model", " round", "hub/Round"),
        ("aspect", "WIDE", "wide"),
        ("aspect", " 5 : 4 ", "5:4"),
        ("steps", "30", 30),
        ("steps", "automatic", None),
        ("sampler", "euler", "euler"),
        ("count", "16", 16),
        ("styles", " neon,  pencil ", "neon, pencil"),
        ("styles", "none", ""),
        ("remix", "On", True),
        ("gallery_channel_id", "<#123456789012345678>", 123456789012345678),
        ("gallery_channel_id", "none", None),
        ("channel_ids", "<#12>, <#13> 12", (12, 13)),
        ("channel_ids", "all", ()),
        ("commands", "/IMAGINE, edit…", ("imagine", "Edit…")),
    ],
)
def test_a_value_is_what_people_call_it(name: str, text: str, value: object) -> None:
    """In any case; and it is called so again."""
    setting = SETTINGS[name]
    assert setting.parse(text, OFFER) == value
    assert setting.parse(setting.label(value, OFFER), OFFER) == value
    assert stored_value(Owner(Layer.GUILD, 1), name, msgspec.json.encode(value).decode()) in (
        {name: value},
        {},
    )


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("display_scale", "3", "automatic, 1, 2, 4"),
        ("default_model", "sdxl", "automatic, flat, Round"),
        ("aspect", "round", "automatic, square, wide, or width and height as in 3:2"),
        ("aspect", "0:16", "automatic, square, wide, or width and height as in 3:2"),
        ("steps", "0", "automatic, 1 to 150"),
        ("steps", "151", "automatic, 1 to 150"),
        ("steps", "-3", "automatic, 1 to 150"),
        ("steps", "٣", "automatic, 1 to 150"),
        ("steps", "9" * 5000, "automatic, 1 to 150"),
        ("count", "17", "automatic, 1 to 16"),
        ("styles", "x" * 201, "none, at most 200 characters"),
        ("styles", "", "none, at most 200 characters"),
        ("remix", "perhaps", "on, off"),
        ("gallery_channel_id", "<#1> <#2>", "none, a channel"),
        ("gallery_channel_id", "general", "none, a channel"),
        ("channel_ids", " ".join(map(str, range(26))), "all, up to 25 channels"),
        ("channel_ids", "@everyone", "all, up to 25 channels"),
        ("commands", "imagine, steal", "all, /imagine, /explore, Edit…"),
    ],
)
def test_other_values_are_refused(name: str, text: str, allowed: str) -> None:
    """The sentence has the allowed ones."""
    with pytest.raises(Refused) as error:
        SETTINGS[name].parse(text, OFFER)
    assert str(error.value) == f"The {SETTINGS[name].title} can be {allowed}."


def test_a_value_that_is_gone_has_a_warning() -> None:
    """The panel says what counts in its place."""
    setting, offer = SETTINGS["default_model"], Offer(models=(MODEL,))
    assert setting.label("hub/Round", offer) == "hub/Round"
    assert setting.warning("hub/Round", offer) == "It is not offered now, so flat is used."
    assert setting.warning("hub/Round", OFFER) == setting.warning(None, offer) == ""
    assert with_default([MODEL], "hub/Round") == (MODEL,)
    assert with_default(MODELS, "hub/Round") == (OTHER, MODEL)
    assert with_default(MODELS, None) == MODELS
    warning = SETTINGS["count"].warning(20, OFFER)
    assert warning == "It is not possible now; it can be automatic, 1 to 16."


@pytest.mark.parametrize(
    ("name", "value"),
    [("mood", "1"), ("steps", "0"), ("steps", '"30"'), ("display_scale", "3"), ("layers", "{}")],
)
def test_stored_values_of_another_version_are_ignored(name: str, value: str) -> None:
    """The bot can be replaced by an older one."""
    assert stored_value(Owner(Layer.GUILD, 1), name, value) == {}


def test_a_server_allows_some_channels_and_commands() -> None:
    """Without a choice, all are allowed; what is no command's is subject to the channels alone."""
    preferences = Preferences(channel_ids=(10, 11), commands=("imagine", "Edit…"))
    check_allowed(NO_PREFERENCES, 12, ("explore",))
    check_allowed(preferences, 10, ("explore", "imagine"))
    check_allowed(preferences, 10, ())
    with pytest.raises(Refused, match=r"^This server allows me only in <#10> and <#11>\.$"):
        check_allowed(preferences, 12, ())
    with pytest.raises(Refused, match="It allows: /imagine, Edit…"):
        check_allowed(preferences, 11, ("explore",))
    many = Preferences(channel_ids=tuple(range(10, 35)))
    with pytest.raises(Refused, match="<#18> and <#19> and 15 more"):
        check_allowed(many, None, ())
