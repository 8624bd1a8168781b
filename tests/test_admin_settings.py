"""/admin settings, whose options are made from the fields of the settings."""

import pytest

from bot.playground import Person
from tests.bot_harness import BotHarness


@pytest.fixture
def manager(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Boss", admin=True)


async def response(harness: BotHarness, manager: Person, **options: str) -> str:
    """The response to /admin settings."""
    return await harness.refusal(await manager.invoke("admin settings", options, checked=False))


async def test_a_setting_is_changed_shown_and_kept(harness: BotHarness, manager: Person) -> None:
    """The audit log has the change."""
    assert "Display scale: **automatic**." in await response(harness, manager)
    changed = await response(harness, manager, setting="display_scale", value="4")
    assert changed.startswith("Display scale: **4**.") and "automatic, 1, 2, 4" in changed
    await harness.stop()
    await harness.start()
    assert "Display scale: **4**." in await response(harness, manager)
    [entry] = harness.query("SELECT action, detail FROM audit_log")
    assert tuple(entry) == ("set", "display scale: 4")


async def test_other_values_change_nothing(harness: BotHarness, manager: Person) -> None:
    """The response has the allowed values."""
    refusal = await response(harness, manager, setting="display_scale", value="3")
    assert refusal == "The display scale can be automatic, 1, 2, 4."
    assert await response(harness, manager, value="4") == "Choose a setting."
    unknown = await response(harness, manager, setting="colour", value="4")
    assert unknown == "There is no setting “colour”. Choose one of: display_scale, default_model."
    assert harness.query("SELECT * FROM guild_settings") == []


async def test_the_values_of_the_chosen_setting_are_completed(
    harness: BotHarness, manager: Person
) -> None:
    """Without a setting there are none."""
    for others, values in (
        ({"setting": "display_scale"}, ["automatic"]),
        ({"setting": "default_model"}, ["automatic"]),
        ({}, []),
    ):
        interaction = await manager.complete("admin settings", "value", "A", others=others)
        await interaction.acknowledged()
        assert [choice["value"] for choice in interaction.choices or ()] == values
