"""The buttons of a report card, and who may use them."""

import pytest

from bot.playground import Channel, Person
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.bot_harness import BotHarness
from tests.reporting import actions, card_in, report, response_text


async def test_moderators_block_and_unblock_from_the_card(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """The user may have left the server."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    harness.discord.world.users.pop(harness.ada.id)
    interaction = await mo.click(card_in(harness, mod_channel), "Block user")
    assert f"<@{harness.ada.id}> is blocked" in await response_text(harness, interaction)
    assert "is blocked: a picture was reported" in card_in(harness, mod_channel).content
    harness.discord.world.users[harness.ada.id] = harness.ada.user
    interaction = await harness.ada.slash("imagine", prompt="a house")
    assert "blocked you" in await harness.refusal(interaction)
    assert card_in(harness, mod_channel).buttons == ["Remove", "Unblock user", "Dismiss"]
    await response_text(harness, await mo.click(card_in(harness, mod_channel), "Unblock user"))
    assert (await harness.imagine()).attachments
    assert actions(harness) == ["set", "reported", "blocked", "unblocked"]


async def test_a_new_report_reopens_a_dismissed_case(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """A new card is posted, so that moderators notice it."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    first = card_in(harness, mod_channel)
    assert await response_text(harness, await mo.click(first, "Dismiss")) == "Dismissed."
    assert f"**Dismissed** by <@{mo.id}>" in first.content
    assert first.buttons == ["Remove", "Block user"]
    assert not grid.deleted
    await report(harness, harness.discord.person("Cy"), grid, "really")
    second = harness.discord.messages(mod_channel)[-1]
    assert second is not first
    assert "really" in second.content
    assert second.buttons == ["Remove", "Block user", "Dismiss"]


@pytest.mark.parametrize("label", ["Remove", "Block user", "Dismiss"])
async def test_only_moderators_can_use_the_buttons_of_a_card(
    harness: BotHarness, mod_channel: Channel, ben: Person, label: str
) -> None:
    """Other users get an ephemeral refusal."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    interaction = await ben.click(card_in(harness, mod_channel), label)
    assert "Only moderators" in await harness.refusal(interaction)
    assert not grid.deleted
    assert actions(harness) == ["set", "reported"]


async def test_the_next_report_replaces_a_deleted_card(
    harness: BotHarness, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """This happens while the case is open."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    await mo.delete(card_in(harness, mod_channel))
    await report(harness, harness.discord.person("Cy"), grid)
    assert len(harness.query("SELECT * FROM reports")) == 2
    assert f"<@{ben.id}>" in card_in(harness, mod_channel).content


async def test_only_moderators_can_use_remove_picture(
    harness: BotHarness, mo: Person, ben: Person
) -> None:
    """The command needs no report, and refuses messages without a picture."""
    grid = await harness.imagine()
    message = await harness.ada.say("hello")
    interaction = await mo.use("Remove picture", message)
    assert "shows no picture of mine" in await response_text(harness, interaction)
    forged = harness.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, ben.user, grid.channel, interaction.data
    )
    harness.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), grid.channel)
    assert "Only moderators" in await harness.refusal(forged)
    assert "Removed" in await response_text(harness, await mo.use("Remove picture", grid))
    assert grid.deleted
    assert actions(harness) == ["removed"]


@pytest.mark.parametrize("action", ["remove", "block", "unblock", "dismiss"])
async def test_moderators_of_another_server_cannot_use_a_card(
    harness: BotHarness, mod_channel: Channel, ben: Person, action: str
) -> None:
    """This holds even for a forged interaction."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    another = harness.discord.add_guild("Another")
    eve = harness.discord.person("Eve", admin=True)
    eve.join(another, another.admins)
    job = harness.query("SELECT id FROM jobs")[0]["id"]
    data = {"custom_id": f"v1:case:{action}:{job}", "component_type": 2, "id": 1}
    message = await harness.ada.say("hello")
    forged = harness.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, eve.user, another.channel, data, message
    )
    harness.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), another.channel)
    assert "This report no longer exists" in await response_text(harness, forged)
    assert not grid.deleted
    assert actions(harness) == ["set", "reported"]
