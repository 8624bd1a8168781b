"""The buttons of a report card, and who may use them."""

import pytest

from bot.playground import Channel, Person
from bot.playground.gateway.interaction_create import interaction_json
from bot.playground.model.interactions import InteractionType
from tests.house import House
from tests.reporting import actions, card_in, report, response_text


async def test_moderators_block_and_unblock_from_the_card(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """The user may have left the server."""
    grid = await house.imagine()
    await report(house, ben, grid)
    house.discord.world.users.pop(house.ada.id)
    interaction = await mo.click(card_in(house, mods), "Block user")
    assert f"<@{house.ada.id}> is blocked" in await response_text(house, interaction)
    assert "is blocked: a picture was reported" in card_in(house, mods).content
    house.discord.world.users[house.ada.id] = house.ada.user
    interaction = await house.ada.slash("imagine", prompt="a house")
    assert "blocked you" in await house.refusal(interaction)
    assert card_in(house, mods).buttons == ["Remove", "Unblock user", "Dismiss"]
    await response_text(house, await mo.click(card_in(house, mods), "Unblock user"))
    assert (await house.imagine()).attachments
    assert actions(house) == ["set", "reported", "blocked", "unblocked"]


async def test_a_new_report_reopens_a_dismissed_case(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """A new card is posted, so that moderators notice it."""
    grid = await house.imagine()
    await report(house, ben, grid)
    first = card_in(house, mods)
    assert await response_text(house, await mo.click(first, "Dismiss")) == "Dismissed."
    assert f"**Dismissed** by <@{mo.id}>" in first.content
    assert first.buttons == ["Remove", "Block user"]
    assert not grid.deleted
    await report(house, house.discord.person("Cy"), grid, "really")
    second = house.discord.messages(mods)[-1]
    assert second is not first
    assert "really" in second.content
    assert second.buttons == ["Remove", "Block user", "Dismiss"]


@pytest.mark.parametrize("label", ["Remove", "Block user", "Dismiss"])
async def test_only_moderators_can_use_the_buttons_of_a_card(
    house: House, mods: Channel, ben: Person, label: str
) -> None:
    """Other users get an ephemeral refusal."""
    grid = await house.imagine()
    await report(house, ben, grid)
    interaction = await ben.click(card_in(house, mods), label)
    assert "Only moderators" in await house.refusal(interaction)
    assert not grid.deleted
    assert actions(house) == ["set", "reported"]


async def test_the_next_report_replaces_a_deleted_card(
    house: House, mods: Channel, ben: Person, mo: Person
) -> None:
    """This happens while the case is open."""
    grid = await house.imagine()
    await report(house, ben, grid)
    await mo.delete(card_in(house, mods))
    await report(house, house.discord.person("Cy"), grid)
    assert len(house.query("SELECT * FROM reports")) == 2
    assert f"<@{ben.id}>" in card_in(house, mods).content


async def test_only_moderators_can_use_remove_picture(
    house: House, mo: Person, ben: Person
) -> None:
    """The command needs no report, and refuses messages without a picture."""
    grid = await house.imagine()
    message = await house.ada.say("hello")
    interaction = await mo.use("Remove picture", message)
    assert "shows no picture of mine" in await response_text(house, interaction)
    forged = house.discord.interactions.open(
        InteractionType.APPLICATION_COMMAND, ben.user, grid.channel, interaction.data
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), grid.channel)
    assert "Only moderators" in await house.refusal(forged)
    assert "Removed" in await response_text(house, await mo.use("Remove picture", grid))
    assert grid.deleted
    assert actions(house) == ["removed"]


@pytest.mark.parametrize("action", ["remove", "block", "unblock", "dismiss"])
async def test_moderators_of_another_server_cannot_use_a_card(
    house: House, mods: Channel, ben: Person, action: str
) -> None:
    """This holds even for a forged interaction."""
    grid = await house.imagine()
    await report(house, ben, grid)
    another = house.discord.add_guild("Another")
    eve = house.discord.person("Eve", admin=True)
    eve.join(another, another.admins)
    job = house.query("SELECT id FROM jobs")[0]["id"]
    data = {"custom_id": f"v1:case:{action}:{job}", "component_type": 2, "id": 1}
    message = await house.ada.say("hello")
    forged = house.discord.interactions.open(
        InteractionType.MESSAGE_COMPONENT, eve.user, another.channel, data, message
    )
    house.discord.world.emit("INTERACTION_CREATE", interaction_json(forged), another.channel)
    assert "This report no longer exists" in await response_text(house, forged)
    assert not grid.deleted
    assert actions(house) == ["set", "reported"]
