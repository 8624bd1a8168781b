"""/settings: the private panel for users, channels and servers."""

import json
from functools import partial

import pytest

from bot.playground import Interaction, Message, Person, UnknownCommand
from bot.playground.errors import NoSuchButton
from tests.bot_harness import BotHarness
from tests.deletion import delete, ephemeral_response
from tests.fake_engine import FakeEngine


@pytest.fixture
def boss(harness: BotHarness) -> Person:
    """A user who manages the server."""
    return harness.discord.person("Boss", admin=True)


async def panel(person: Person, **options: str) -> Message:
    """The response to /settings."""
    return await ephemeral_response(await person.invoke("settings", options, checked=False))


async def changed(interaction: Interaction, message: Message) -> str:
    """The content of a panel after a click or choice in it, which has edited it."""
    await interaction.acknowledged()
    assert interaction.response is message
    return message.content


async def test_a_user_changes_a_setting_by_menus(harness: BotHarness, engine: FakeEngine) -> None:
    """The panel shows each value with where it comes from, and works after a restart."""
    message = await panel(harness.ada)
    assert "Aspect: **automatic** · bot" in message.content
    assert "Allowed channels: **all** · bot" in message.content
    assert message.buttons == []  # Ada does not manage the server
    await harness.stop()
    await harness.start()
    editor = await harness.ada.choose(message, "v1:settings:user:pick", "aspect")
    text = await changed(editor, message)
    assert text.startswith("**Aspect for you**") and "bot: **automatic** ← counts" in text
    choice = await harness.ada.choose(message, "v1:settings:user:choose:aspect", "wide")
    text = await changed(choice, message)
    assert text.startswith("Aspect: now **wide** for you.") and "Aspect: **wide** · you" in text
    await harness.stop()
    await harness.start()
    assert "Aspect: **wide** · you" in (await panel(harness.ada)).content
    assert "Aspect: **automatic** · bot" in (await panel(harness.discord.person("Ben"))).content
    assert harness.query("SELECT * FROM audit_log") == []


async def test_a_number_is_typed_into_a_form(harness: BotHarness) -> None:
    """The form has the current value; a bad one changes nothing, and the sentence is private."""
    message = await panel(harness.ada, setting="steps")
    form = await harness.ada.click(message, "✏️ Change…")
    await harness.discord.until(lambda: form.modal, why="a form")
    await harness.stop()
    await harness.start()
    submitted = await harness.ada.submit(form, {"value": "30"})
    assert "Steps: **30** · you" in await changed(submitted, message)
    for bad in ("0", "151", "many", "1" * 90):
        message = await panel(harness.ada, setting="steps")
        form = await harness.ada.click(message, "✏️ Change…")
        await harness.discord.until(partial(getattr, form, "modal"), why="a form")
        refused = await harness.ada.submit(form, {"value": bad})
        assert await harness.refusal(refused) == "The steps can be automatic, 1 to 150."
    [row] = harness.query("SELECT layer, owner, name, value FROM preferences")
    assert tuple(row) == ("user", harness.ada.id, "steps", "30")


async def test_an_aspect_is_chosen_or_typed(harness: BotHarness, engine: FakeEngine) -> None:
    """The menu has the ratios that /imagine suggests, and any other one can be typed."""
    message = await panel(harness.ada, setting="aspect")
    choice = await harness.ada.choose(message, "v1:settings:user:choose:aspect", "4:5")
    assert "Aspect: **4:5** · you" in await changed(choice, message)
    message = await panel(harness.ada, setting="aspect")
    form = await harness.ada.click(message, "✏️ Change…")
    await harness.discord.until(lambda: form.modal, why="a form")
    submitted = await harness.ada.submit(form, {"value": "5 : 2"})
    assert "Aspect: **5:2** · you" in await changed(submitted, message)
    await harness.imagine(count=1)
    recipe = engine.paints[0].recipes[0]
    assert recipe.size == engine.model.size_for_aspect(2.5)
    refused = await harness.ada.slash("settings", setting="aspect", value="0:1")
    assert (await harness.refusal(refused)).endswith("or width and height as in 3:2.")


async def test_a_reset_lets_the_earlier_value_count(harness: BotHarness, boss: Person) -> None:
    """Of the server, then of the bot; the editor shows the values of all layers."""
    await panel(boss, setting="steps", value="20", **{"for": "guild"})
    await panel(boss, setting="steps", value="25", **{"for": "channel"})
    await panel(boss, setting="steps", value="30")
    message = await panel(boss, setting="steps")
    assert message.content.splitlines()[1:] == [
        "bot: **automatic**",
        "this server: **20**",
        "this channel: **25**",
        "you: **30** ← counts",
    ]
    text = await changed(await boss.click(message, "↩ Reset"), message)
    assert text.startswith("Steps: reset for you.") and "Steps: **25** · this channel" in text
    text = (await panel(boss, setting="steps", value="reset", **{"for": "channel"})).content
    assert "Steps: **20** · this server" in text
    details = [row["detail"] for row in harness.query("SELECT detail FROM audit_log ORDER BY id")]
    assert details == ["steps: 20", "steps: 25", "steps: reset"]


async def test_managers_have_buttons_for_channel_and_server(
    harness: BotHarness, boss: Person
) -> None:
    """A thread has the settings of its channel."""
    message = await panel(boss)
    assert message.buttons == ["For me", "This channel", "This server"]
    text = await changed(await boss.click(message, "This server"), message)
    assert text.startswith("**Settings for this server**") and "/admin limits" in text
    await changed(await boss.click(message, "This channel"), message)
    await changed(await boss.choose(message, "v1:settings:channel:pick", "sampler"), message)
    choice = await boss.choose(message, "v1:settings:channel:choose:sampler", "euler")
    assert "Sampler: **euler** · this channel" in await changed(choice, message)
    thread = harness.discord.add_thread(harness.discord.channel, "talk")
    for where, expected in (
        (thread, "**euler** · this channel"),
        (harness.discord.add_channel("other"), "**automatic** · bot"),
    ):
        there = await ephemeral_response(await harness.ada.slash("settings", where=where))
        assert f"Sampler: {expected}" in there.content


async def test_users_change_nothing_of_a_server(harness: BotHarness, boss: Person) -> None:
    """Neither by options, nor by buttons of a panel from before they lost the permission."""
    sentence = "Only members with the permission Manage Server can do this."
    for options in (
        {"for": "guild"},
        {"setting": "steps", "value": "3", "for": "channel"},
        {"setting": "channel_ids", "value": "all"},
    ):
        interaction = await harness.ada.invoke("settings", options, checked=False)
        assert await harness.refusal(interaction) == sentence
    ex = harness.discord.person("Ex", admin=True)
    message = await panel(ex, setting="commands")
    ex.take(harness.discord.world.default_guild.admins)
    choice = await ex.choose(message, "v1:settings:guild:choose:commands:0", "imagine")
    await harness.discord.until(lambda: len(choice.ephemerals) > 0, why="a refusal")
    assert choice.ephemerals[-1].content == sentence
    assert harness.query("SELECT * FROM preferences") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"value": "4"}, "Choose a setting."),
        ({"setting": "colour"}, "There is no setting “colour”. Choose one of: default_model,"),
        ({"for": "bot"}, "Settings are for one of: me, this channel, this server."),
        (
            {"setting": "commands", "value": "all", "for": "user"},
            "The setting allowed commands can only be set for this server.",
        ),
        (
            {"setting": "display_scale", "for": "channel"},
            "The setting display scale can only be set for this server.",
        ),
        (
            {"setting": "display_scale", "value": "3"},
            "The display scale can be automatic, 1, 2, 4.",
        ),
        (
            {"setting": "gallery_channel_id", "value": "<#42>"},
            "This server has no channel with the ID 42 that I can see.",
        ),
        ({"setting": "aspect", "value": "round"}, "The aspect can be automatic, square,"),
    ],
)
async def test_bad_input_gets_one_sentence(
    harness: BotHarness, boss: Person, options: dict[str, str], sentence: str
) -> None:
    """And changes nothing."""
    interaction = await boss.invoke("settings", options, checked=False)
    assert (await harness.refusal(interaction)).startswith(sentence)
    assert harness.query("SELECT * FROM preferences") == []


async def test_styles_are_those_of_the_server(harness: BotHarness) -> None:
    """Others, and hostile text, are refused."""
    message = await panel(harness.ada, setting="styles", value="Neon\u200b,  watercolor")
    assert "Styles: **neon, watercolor** · you" in message.content
    for text in ("@everyone **x** \u202e<@1> https://a.b", "neom", "x" * 201):
        interaction = await harness.ada.invoke("settings", {"setting": "styles", "value": text})
        assert "style" in await harness.refusal(interaction)
    text = (await panel(harness.ada, setting="styles", value="none")).content
    assert "Styles: **none** · you" in text


async def test_values_are_completed(harness: BotHarness) -> None:
    """Those of the chosen setting; without one there are none."""
    for others, typed, values in (
        ({"setting": "display_scale"}, "A", ["automatic"]),
        ({"setting": "default_model"}, "a", ["automatic", "flat"]),
        ({"setting": "remix"}, "", ["on", "off"]),
        ({}, "a", []),
    ):
        interaction = await harness.ada.complete("settings", "value", typed, others=others)
        await interaction.acknowledged()
        assert [choice["value"] for choice in interaction.choices or ()] == values


async def test_in_direct_messages_users_have_their_own_settings(harness: BotHarness) -> None:
    """They count everywhere; settings of servers are not shown there."""
    dm = harness.ada.dm
    interaction = await harness.ada.slash("settings", where=dm, setting="count", value="2")
    text = (await ephemeral_response(interaction)).content
    assert "Count: **2** · you" in text and "Allowed channels" not in text
    assert "Count: **2** · you" in (await panel(harness.ada)).content
    refused = await harness.ada.slash(
        "settings", where=dm, setting="commands", value="imagine", checked=False
    )
    assert "Manage Server" in await harness.refusal(refused)


async def test_channels_are_chosen_in_a_menu(harness: BotHarness, boss: Person) -> None:
    """The menu shows the chosen ones; none is all."""
    art = harness.discord.add_channel("art")
    message = await panel(boss, setting="channel_ids")
    menu = "v1:settings:guild:choose:channel_ids"
    text = await changed(await boss.choose(message, menu, art), message)
    assert f"Allowed channels: **<#{art.id}>** · this server" in text
    message = await panel(boss, setting="channel_ids")
    text = await changed(await boss.choose(message, menu), message)
    assert "Allowed channels: **all** · this server" in text
    [entry, _] = harness.query("SELECT detail FROM audit_log ORDER BY id DESC")
    assert entry["detail"] == "allowed channels: all"


async def test_settings_are_exported_and_deleted(harness: BotHarness, boss: Person) -> None:
    """Those of the user; what a manager set for the server stays."""
    await panel(harness.ada, setting="steps", value="30")
    await panel(harness.ada, setting="remix", value="on")
    await panel(boss, setting="steps", value="20", **{"for": "guild"})
    response = await ephemeral_response(await harness.ada.slash("privacy show"))
    assert "I store 2 settings of yours." in response.content
    [record] = json.loads(response.attachments[0].data)
    assert record == {"settings": {"steps": 30, "remix": True}}
    assert "Deleted: 2 settings." in await delete(harness)
    assert "Steps: **20** · this server" in (await panel(harness.ada)).content
    await harness.stop()
    await harness.start()
    assert "Steps: **20** · this server" in (await panel(harness.ada)).content


async def test_a_setting_that_no_longer_exists(harness: BotHarness) -> None:
    """Its old button gets a sentence, and so does a button of no panel."""
    message = await panel(harness.ada, setting="steps")
    with pytest.raises(NoSuchButton):
        await harness.ada.click(message, custom_id="v1:settings:user:type:mood")
    with pytest.raises(UnknownCommand):
        await harness.ada.slash("admin settings")
