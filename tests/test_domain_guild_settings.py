"""Settings that are offered because their field has a title."""

import pytest

from bot.domain.guild_settings import SETTINGS, GuildSettings
from bot.errors import Refused

SCALE = SETTINGS["display_scale"]


def test_a_field_with_a_title_is_offered() -> None:
    """Its allowed values and their names come from its type."""
    assert (SCALE.title, SCALE.labels) == ("display scale", ("automatic", "1", "2", "4"))
    assert SCALE.label(GuildSettings()) == "automatic"
    assert all(setting.description for setting in SETTINGS.values())


@pytest.mark.parametrize(("label", "value"), [("4", 4), (" Automatic ", None)])
def test_a_setting_is_changed_by_the_name_of_its_value(label: str, value: object) -> None:
    """The audit entry has it, too."""
    settings, detail, channel_id = SCALE.change(label)(GuildSettings(display_scale=2))
    assert settings.display_scale == value
    assert (detail, channel_id) == (f"display scale: {label.strip().lower()}", None)


def test_other_values_are_refused() -> None:
    """The sentence has the allowed ones."""
    with pytest.raises(Refused, match="can be automatic, 1, 2, 4"):
        SCALE.change("3")
