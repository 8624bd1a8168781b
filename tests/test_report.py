"""🚩 Report, by the Apps menu or by a reaction."""

import asyncio

from bot.domain.moderation import MAX_REPORTS_PER_HOUR
from bot.playground import Channel, Fault, Person
from tests.fake_engine import FakeEngine
from tests.house import House, eventually
from tests.reporting import actions, card_in, report, response_text

STORED = "Your report is saved"


async def test_a_report_posts_a_card_to_the_moderators(
    house: House, mods: Channel, ben: Person, engine: FakeEngine
) -> None:
    """The card has all details but no picture; the reporter gets an ephemeral response."""
    engine.flagged = {4}
    grid = await house.imagine()
    assert await report(house, ben, grid, "not **nice** @everyone") == (
        "Thank you. The moderators of this server have received your report."
    )
    card = card_in(house, mods)
    assert f"{grid.channel.id}/{grid.id}" in card.content
    assert f"by <@{house.ada.id}>" in card.content
    assert "a red house" in card.content
    assert "4 steps" in card.content
    assert "`7`" in card.content
    assert "(withheld by the safety check)" in card.content
    job = house.query("SELECT id FROM jobs")[0]["id"]
    assert f"`{job}-1`" in card.content
    assert f"<@{ben.id}> reported" in card.content
    assert "not \\*\\*nice\\*\\*" in card.content
    assert card.pings == frozenset()
    assert card.attachments == []
    assert card.embeds == []
    assert card.buttons == ["Remove", "Block user", "Dismiss"]
    assert house.discord.messages() == [grid]
    assert actions(house) == ["set", "reported"]


async def test_without_a_mod_channel_a_report_is_stored(house: House, ben: Person) -> None:
    """The response says so, and the card is posted once there is a channel."""
    grid = await house.imagine()
    assert STORED in await report(house, ben, grid)
    assert actions(house) == ["reported"]
    channel = house.discord.add_channel("mods")
    eve = house.discord.person("Eve", admin=True)
    await response_text(house, await eve.slash("admin moderators", channel=channel))
    assert f"<@{ben.id}> reported" in card_in(house, channel).content
    await response_text(house, await eve.slash("admin moderators"))
    assert house.query("SELECT * FROM mod_channels") == []


async def test_a_channel_without_write_access_is_not_accepted(house: House) -> None:
    """The response to the admin says why."""
    channel = house.discord.add_channel("mods")
    house.discord.faults.next("POST", f"/channels/{channel.id}/messages", Fault(status=403))
    eve = house.discord.person("Eve", admin=True)
    answer = await response_text(house, await eve.slash("admin moderators", channel=channel))
    assert "I cannot write to" in answer
    assert house.query("SELECT * FROM mod_channels") == []


async def test_after_the_mod_channel_is_deleted_a_report_is_stored(
    house: House, mods: Channel, ben: Person
) -> None:
    """The next channel gets the card."""
    grid = await house.imagine()
    del house.discord.world.channels[mods.id]
    assert STORED in await report(house, ben, grid)
    new_channel = house.discord.add_channel("more-mods")
    eve = house.discord.person("Fay", admin=True)
    await response_text(house, await eve.slash("admin moderators", channel=new_channel))
    assert card_in(house, new_channel)


async def test_a_card_that_discord_rejected_is_posted_after_a_restart(
    house: House, mods: Channel, ben: Person
) -> None:
    """The database lists the cases without a card."""
    grid = await house.imagine()
    house.discord.faults.next("POST", f"/channels/{mods.id}/messages", Fault(status=403))
    assert STORED in await report(house, ben, grid)
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: any("Reported" in message.content for message in house.discord.messages(mods)),
        why="a card",
    )


async def test_a_user_can_report_a_message_once(house: House, mods: Channel, ben: Person) -> None:
    """By menu or by reaction; reports of other users are added to the same card."""
    grid = await house.imagine()
    await report(house, ben, grid)
    assert "reported this already" in await report(house, ben, grid)
    await ben.react(grid, "🚩")
    await house.discord.person("Cy").react(grid, "🚩")
    await house.discord.until(
        lambda: "no reason given" in card_in(house, mods).content, why="the second report"
    )
    assert len(house.query("SELECT * FROM reports")) == 2


async def test_the_number_of_reports_per_hour_is_limited(
    house: House, mods: Channel, ben: Person
) -> None:
    """Each user has a limit."""
    grids = [await house.imagine() for _ in range(MAX_REPORTS_PER_HOUR + 1)]
    for grid in grids[:-1]:
        assert "Thank you" in await report(house, ben, grid)
    assert "Please try again later" in await report(house, ben, grids[-1])


async def test_only_results_can_be_reported(house: House, mods: Channel, ben: Person) -> None:
    """Messages of users cannot be reported."""
    message = await house.ada.say("hello")
    assert "shows no picture of mine" in await report(house, ben, message)
    assert house.query("SELECT * FROM reports") == []


async def test_a_modal_can_be_submitted_after_a_restart(
    house: House, mods: Channel, ben: Person
) -> None:
    """The custom id of the modal has all state."""
    grid = await house.imagine()
    interaction = await ben.use("🚩 Report", grid)
    await interaction.acknowledged()
    await house.stop()
    await house.start()
    assert "Thank you" in await response_text(
        house, await ben.submit(interaction, {"reason": "ugly"})
    )
    assert "ugly" in card_in(house, mods).content


async def test_a_report_is_stored_before_the_response(
    house: House, mods: Channel, ben: Person
) -> None:
    """A crash during the response does not lose the report."""
    grid = await house.imagine()
    interaction = await ben.use("🚩 Report", grid)
    await interaction.acknowledged()
    house.discord.faults.next("POST", "/callback", Fault(delay=60.0))
    await ben.submit(interaction, {"reason": "ugly"})
    await eventually(lambda: house.query("SELECT * FROM reports"))
    await house.stop()
    await house.start()
    await house.discord.until(
        lambda: any("ugly" in message.content for message in house.discord.messages(mods)),
        why="a card",
    )


async def test_simultaneous_reports_have_one_card(house: House, mods: Channel, ben: Person) -> None:
    """The card shows all of them."""
    grid = await house.imagine()
    reporters = [ben, house.discord.person("Cy"), house.discord.person("Di")]
    await asyncio.gather(*(report(house, person, grid) for person in reporters))
    assert len(house.query("SELECT * FROM reports")) == 3
    assert card_in(house, mods)
