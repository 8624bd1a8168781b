"""Where flagged pictures are shown, hidden or withheld."""

from functools import partial
from io import BytesIO

import pytest
from PIL import Image

from bot.playground import Channel, Fault, Message, Upload
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine, flat
from tests.nsfw_watch import choose, colours, flagged, painted, restrict
from tests.samples import encoded


async def result_in(harness: BotHarness, channel: Channel, **options: object) -> Message:
    """A finished job in this channel."""
    values = {"prompt": "a red house", "seed": 7, **options}
    return await harness.result(await harness.ada.invoke("imagine", values, where=channel))  # type: ignore[arg-type]


def is_empty(harness: BotHarness, channel: Channel) -> bool:
    """Whether no public message is in this channel."""
    return not harness.discord.messages(channel)


def cell(message: Message, nth: int) -> tuple[int, ...]:
    """The colour in a corner of the nth picture of the grid."""
    grid = Image.open(BytesIO(message.attachments[0].data)).convert("RGB")
    spot = grid.getpixel(((nth - 1) % 2 * 64 + 2, (nth - 1) // 2 * 64 + 2))
    assert isinstance(spot, tuple)
    return spot


async def test_flagged_pictures_are_withheld_by_default(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Age-restricted channels are no exception, and the engine does not send them."""
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    assert "Picture 2 withheld by the safety check" in grid.content
    assert [paint.include_flagged for paint in engine.paints] == [False]
    assert not colours(grid.attachments[0].data) & flagged(engine, {2})
    assert [row["blocked"] for row in harness.query("SELECT * FROM pictures")] == [0, 1, 0, 0]


async def test_unrequested_flagged_pictures_are_not_stored(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The engine may send them even if the channel does not allow them."""
    engine.flagged, engine.sends_flagged = {2}, True
    grid = await harness.imagine()
    assert "Picture 2 withheld" in grid.content
    names = sorted(path.name for path in (harness.data / "pictures").rglob("*.png"))
    assert names == ["1.png", "3.png", "4.png"]


async def test_allowed_pictures_are_shown_unchanged(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """This holds for the grid, the full-size picture and a variation."""
    answer = await choose(harness, "allow")
    assert answer.startswith("Flagged pictures are now shown in age-restricted channels")
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    assert "withheld" not in grid.content
    assert cell(grid, 2) == painted(engine.paints[0], 2)
    assert not grid.attachments[0].spoiler
    single = await harness.result(await harness.ada.click(grid, "U2"))
    assert single.attachments[0].data == flat(engine.paints[0].recipes[1])
    assert not single.attachments[0].spoiler
    varied_picture = await harness.result(await harness.ada.click(grid, "V2"))
    assert cell(varied_picture, 2) == painted(engine.paints[1], 2)
    rows = harness.query("SELECT * FROM pictures ORDER BY rowid")
    assert [(row["blocked"], row["restricted"]) for row in rows] == [
        (0, 0),
        (0, 1),
        (0, 0),
        (0, 0),
    ] * 2
    assert '"score":0.9' in rows[1]["verdicts"]


async def test_flagged_pictures_can_be_spoilers(harness: BotHarness, engine: FakeEngine) -> None:
    """Both the grid and the full-size picture are spoilers; unflagged pictures are not."""
    await choose(harness, "spoiler", harness.discord.restricted)
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    assert grid.attachments[0].spoiler
    assert cell(grid, 2) == painted(engine.paints[0], 2)
    for nth in (1, 2):
        single = await harness.result(await harness.ada.click(grid, f"U{nth}"))
        assert single.attachments[0].spoiler == (nth == 2)
    engine.flagged = set()
    assert not (await result_in(harness, harness.discord.restricted)).attachments[0].spoiler


async def test_an_unrestricted_channel_withholds_whatever_its_setting(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The response to the admin says so."""
    assert "will apply once" in await choose(harness, "allow", harness.discord.channel)
    await choose(harness, "allow")
    engine.flagged = {1, 3}
    grid = await harness.imagine()
    assert "Pictures 1, 3 withheld" in grid.content
    assert not engine.paints[0].include_flagged


async def test_dms_withhold_whatever_the_setting(harness: BotHarness, engine: FakeEngine) -> None:
    """A DM has no settings."""
    await choose(harness, "allow")
    engine.flagged = {1}
    grid = await result_in(harness, harness.ada.dm)
    assert "Picture 1 withheld" in grid.content
    assert not engine.paints[0].include_flagged


@pytest.mark.parametrize("restricted", [False, True])
async def test_a_thread_has_the_policy_of_its_channel(
    harness: BotHarness, engine: FakeEngine, restricted: bool
) -> None:
    """A thread has no age restriction of its own."""
    channel = harness.discord.restricted if restricted else harness.discord.channel
    await choose(harness, "spoiler", channel)
    engine.flagged = {4}
    thread = harness.discord.add_thread(channel, "night")
    grid = await result_in(harness, thread)
    assert ("Picture 4 withheld" in grid.content) != restricted
    assert grid.attachments[0].spoiler == restricted
    single = await harness.ada.click(grid, "U4")
    if restricted:
        assert (await harness.result(single)).attachments[0].spoiler
    else:
        assert "Picture 4 was withheld" in await harness.refusal(single)


async def test_a_failed_check_withholds_everywhere(harness: BotHarness, engine: FakeEngine) -> None:
    """No setting allows pictures that could not be checked."""
    await choose(harness, "allow")
    engine.unchecked = {3}
    grid = await result_in(harness, harness.discord.restricted)
    assert "Picture 3 withheld" in grid.content
    assert "Picture 3 was withheld" in await harness.refusal(await harness.ada.click(grid, "U3"))


async def test_a_channel_that_is_no_longer_restricted_withholds(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The restriction may end before the delivery, or before a later button press."""
    channel = harness.discord.restricted
    await choose(harness, "allow")
    engine.flagged = {2}
    engine.gate.clear()
    interaction = await harness.ada.invoke("imagine", {"prompt": "a house"}, where=channel)
    await eventually(lambda: engine.paints)
    assert engine.paints[0].include_flagged
    restrict(harness, channel, nsfw=False)
    engine.gate.set()
    grid = await harness.result(interaction)
    assert "Picture 2 withheld" in grid.content
    assert not colours(grid.attachments[0].data) & flagged(engine, {2})
    for label in ("U2", "V2"):
        assert "Picture 2 was withheld" in await harness.refusal(
            await harness.ada.click(grid, label)
        )
    await harness.discord.until(
        lambda: harness.discord.messages(channel) == [grid], why="the placeholder is deleted"
    )
    restrict(harness, channel, nsfw=True)
    single = await harness.result(await harness.ada.click(grid, "U2"))
    assert single.attachments[0].data == flat(engine.paints[0].recipes[1])


async def test_a_changed_setting_applies_at_once(harness: BotHarness, engine: FakeEngine) -> None:
    """It applies the next time that a picture is shown."""
    await choose(harness, "allow")
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    await choose(harness, "block", harness.discord.restricted)
    assert "Picture 2 was withheld" in await harness.refusal(await harness.ada.click(grid, "U2"))
    await choose(harness, "spoiler", harness.discord.restricted)
    single = await harness.result(await harness.ada.click(grid, "U2"))
    assert single.attachments[0].spoiler


async def test_a_channel_that_cannot_be_fetched_withholds(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """The policy of an unknown channel is to block."""
    await choose(harness, "allow")
    engine.flagged = {2}
    harness.discord.faults.next("GET", "/channels/", Fault(status=404), times=2)
    grid = await result_in(harness, harness.discord.restricted)
    assert "Picture 2 withheld" in grid.content
    assert "Picture 2 was withheld" in await harness.refusal(await harness.ada.click(grid, "U2"))


async def test_a_channel_that_cannot_be_fetched_for_now_is_fetched_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """An outage of Discord must not withhold a picture for good."""
    await choose(harness, "allow")
    engine.flagged = {2}
    harness.discord.faults.next("GET", "/channels/", Fault(status=503))
    grid = await result_in(harness, harness.discord.restricted)
    assert harness.discord.faults.pending == 0
    assert "withheld" not in grid.content


async def test_a_dm_never_contains_flagged_pictures(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """DMs are not age-restricted channels."""
    await choose(harness, "allow")
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    await harness.ada.react(grid, "✉️")
    await harness.discord.until(lambda: harness.discord.dms(harness.ada), why="a DM")
    (dm,) = harness.discord.dms(harness.ada)
    expected = [flat(engine.paints[0].recipes[nth]) for nth in (0, 2, 3)]
    assert [file.data for file in dm.attachments] == expected
    assert "2: seed `8` (withheld by the safety check)" in dm.content


async def test_reactions_vary_visible_pictures_only(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """All four are varied if flagged pictures are shown, otherwise the unflagged ones."""
    channel = harness.discord.restricted
    await choose(harness, "allow")
    engine.flagged = {2}
    grid = await result_in(harness, channel)
    restrict(harness, channel, nsfw=False)
    await harness.ada.react(grid, "🔁")
    await eventually(lambda: len(engine.paints) == 2)
    assert [recipe.seed for recipe in engine.paints[1].recipes] == [7, 9, 10]
    assert not engine.paints[1].include_flagged
    restrict(harness, channel, nsfw=True)
    await harness.discord.person("Ben").react(grid, "🔁")
    await eventually(lambda: len(engine.paints) == 3)
    assert [recipe.seed for recipe in engine.paints[2].recipes] == [7, 8, 9, 10]
    assert engine.paints[2].include_flagged


async def test_a_flagged_sketch_is_refused_in_an_ephemeral_response(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """This holds in every channel; nothing stays in the channel or on disk."""
    await choose(harness, "allow")
    engine.flags_init_image = True
    sketch = Upload("a.png", encoded(Image.new("RGB", (64, 64), "red")))
    for channel in (harness.discord.channel, harness.discord.restricted):
        interaction = await harness.ada.invoke(
            "imagine", {"prompt": "a house", "sketch": sketch}, where=channel
        )
        assert await harness.refusal(interaction) == "The sketch was withheld by the safety check."
        await harness.discord.until(
            partial(is_empty, harness, channel), why="the placeholder is deleted"
        )
    assert list((harness.data / "sources").iterdir()) == []
    assert {row["status"] for row in harness.query("SELECT * FROM jobs")} == {"refused"}


async def test_a_user_install_sees_no_flagged_pictures(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """This holds even for pictures that are shown in the channel."""
    await choose(harness, "allow")
    engine.flagged = {2}
    grid = await result_in(harness, harness.discord.restricted)
    data = {"custom_id": grid.components[0]["components"][1]["custom_id"], "component_type": 2}
    interaction = harness.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, harness.ada.user, grid.channel, data | {"id": 2}, grid
    )
    event = interaction_json(interaction)
    event["authorizing_integration_owners"] = {"1": str(harness.ada.id)}
    harness.discord.world.emit("INTERACTION_CREATE", event, grid.channel)
    assert "Picture 2 was withheld" in await harness.refusal(interaction)


async def test_only_managers_can_change_the_setting(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """This holds even in a server that shows the command to everybody."""
    options = [{"name": "level", "type": 3, "value": "allow"}]
    data = {"id": "1", "name": "admin", "type": 1}
    data |= {"options": [{"name": "nsfw", "type": 1, "options": options}]}
    moderator = harness.discord.person("Mo", moderator=True)
    interaction = harness.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, moderator.user, harness.discord.restricted, data
    )
    event = interaction_json(interaction)
    harness.discord.world.emit("INTERACTION_CREATE", event, harness.discord.restricted)
    assert "Only members with the permission Manage Server" in await harness.refusal(interaction)
    assert harness.query("SELECT * FROM guild_settings") == []


async def test_the_settings_can_be_shown(harness: BotHarness) -> None:
    """The response lists the settings of the server and of its channels."""
    admin = harness.discord.person("Root", admin=True)
    state = await harness.refusal(await admin.slash("admin nsfw"))
    assert state.startswith("In age-restricted channels, flagged pictures are withheld.")
    await choose(harness, "spoiler")
    await choose(harness, "allow", harness.discord.restricted)
    state = await harness.refusal(await admin.slash("admin nsfw"))
    assert state.splitlines()[:2] == [
        "In age-restricted channels, flagged pictures are shown as spoilers.",
        f"In <#{harness.discord.restricted.id}> they are shown.",
    ]


async def test_a_result_after_a_restart_uses_the_current_channel(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """This holds before the gateway has sent any channel, and for a thread's parent."""
    await choose(harness, "spoiler")
    engine.flagged = {1}
    engine.gate.clear()
    thread = harness.discord.add_thread(harness.discord.restricted, "night")
    interaction = await harness.ada.invoke("imagine", {"prompt": "a house"}, where=thread)
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="it is shown"
    )
    harness.discord.faults.next("PATCH", "/webhooks/", Fault(drop=True), times=100)
    engine.gate.set()
    await eventually(lambda: harness.query("SELECT * FROM jobs WHERE status = 'done'"))
    await harness.stop()
    harness.discord.faults.clear()
    await harness.start()
    grid = await harness.result(interaction)
    assert grid.attachments[0].spoiler
    assert "withheld" not in grid.content


async def test_settings_are_stored(harness: BotHarness, engine: FakeEngine) -> None:
    """After a restart, a flagged picture is delivered according to the stored setting."""
    await choose(harness, "spoiler")
    engine.flagged = {1}
    grid = await result_in(harness, harness.discord.restricted)
    await harness.stop()
    await harness.start()
    single = await harness.result(await harness.ada.click(grid, "U1"))
    assert single.attachments[0].spoiler
