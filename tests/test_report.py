"""🚩 Report, by the Apps menu or by a reaction."""

import asyncio

import pytest

from bot.domain.moderation import MAX_REPORTS_PER_HOUR
from bot.playground import Channel, Fault, Person
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.reporting import actions, card_in, report, response_text

STORED = "Your report is saved"


async def test_a_report_posts_a_card_to_the_moderators(
    harness: BotHarness, mod_channel: Channel, ben: Person, engine: FakeEngine
) -> None:
    """The card has all details but no picture; the reporter gets an ephemeral response."""
    engine.flagged = {4}
    grid = await harness.imagine()
    assert await report(harness, ben, grid, "not **nice** @everyone") == (
        "Thank you. The moderators of this server have received your report."
    )
    card = card_in(harness, mod_channel)
    assert f"{grid.channel.id}/{grid.id}" in card.content
    assert f"by <@{harness.ada.id}>" in card.content
    assert "a red house" in card.content
    assert "4 steps" in card.content
    assert "`7`" in card.content
    assert "(withheld by the safety check)" in card.content
    job = harness.query("SELECT id FROM jobs")[0]["id"]
    assert f"`{job}-1`" in card.content
    assert f"<@{ben.id}> reported" in card.content
    assert "not \\*\\*nice\\*\\*" in card.content
    assert card.pings == frozenset()
    assert card.attachments == []
    assert card.embeds == []
    assert card.buttons == ["Remove", "Block user", "Dismiss"]
    assert harness.discord.messages() == [grid]
    assert actions(harness) == ["set", "reported"]


async def test_without_a_mod_channel_a_report_is_stored(harness: BotHarness, ben: Person) -> None:
    """The response says so, and the card is posted once there is a channel."""
    grid = await harness.imagine()
    assert STORED in await report(harness, ben, grid)
    assert actions(harness) == ["reported"]
    channel = harness.discord.add_channel("mods")
    eve = harness.discord.person("Eve", admin=True)
    await response_text(harness, await eve.slash("admin moderators", channel=channel))
    assert f"<@{ben.id}> reported" in card_in(harness, channel).content
    await response_text(harness, await eve.slash("admin moderators"))
    assert harness.query("SELECT * FROM guild_settings") == []


async def test_a_channel_without_write_access_is_not_accepted(harness: BotHarness) -> None:
    """The response to the admin says why."""
    channel = harness.discord.add_channel("mods")
    harness.discord.faults.next("POST", f"/channels/{channel.id}/messages", Fault(status=403))
    eve = harness.discord.person("Eve", admin=True)
    answer = await response_text(harness, await eve.slash("admin moderators", channel=channel))
    assert "I cannot write to" in answer
    assert harness.query("SELECT * FROM guild_settings") == []


async def test_after_the_mod_channel_is_deleted_a_report_is_stored(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """The next channel gets the card."""
    grid = await harness.imagine()
    del harness.discord.world.channels[mod_channel.id]
    assert STORED in await report(harness, ben, grid)
    new_channel = harness.discord.add_channel("more-mods")
    eve = harness.discord.person("Fay", admin=True)
    await response_text(harness, await eve.slash("admin moderators", channel=new_channel))
    assert card_in(harness, new_channel)


async def test_a_card_that_discord_rejected_is_posted_after_a_restart(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """The database lists the cases without a card."""
    grid = await harness.imagine()
    harness.discord.faults.next("POST", f"/channels/{mod_channel.id}/messages", Fault(status=403))
    assert STORED in await report(harness, ben, grid)
    await harness.stop()
    await harness.start()
    await harness.discord.until(
        lambda: any(
            "Reported" in message.content for message in harness.discord.messages(mod_channel)
        ),
        why="a card",
    )


async def test_a_card_is_posted_after_an_outage(
    harness: BotHarness, mod_channel: Channel, ben: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a restart; the report was only stored."""
    monkeypatch.setattr("bot.services.outbox.POLL_SECONDS", 0.5)
    await harness.stop()
    await harness.start()
    grid = await harness.imagine()
    lost = Fault(drop=True)
    harness.discord.faults.next("POST", f"/channels/{mod_channel.id}/messages", lost, times=2)
    assert STORED in await report(harness, ben, grid)
    await harness.discord.until(
        lambda: any(
            "Reported" in message.content for message in harness.discord.messages(mod_channel)
        ),
        why="a card",
    )
    assert card_in(harness, mod_channel)
    await eventually(lambda: not harness.query("SELECT 1 FROM deliveries WHERE message IS NULL"))


async def test_a_user_can_report_a_message_once(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """By menu or by reaction; reports of other users are added to the same card."""
    grid = await harness.imagine()
    await report(harness, ben, grid)
    assert "reported this already" in await report(harness, ben, grid)
    await ben.react(grid, "🚩")
    await harness.discord.person("Cy").react(grid, "🚩")
    await harness.discord.until(
        lambda: "no reason given" in card_in(harness, mod_channel).content, why="the second report"
    )
    assert len(harness.query("SELECT * FROM reports")) == 2


async def test_the_number_of_reports_per_hour_is_limited(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """Each user has a limit."""
    grids = [await harness.imagine() for _ in range(MAX_REPORTS_PER_HOUR + 1)]
    for grid in grids[:-1]:
        assert "Thank you" in await report(harness, ben, grid)
    assert "Please try again later" in await report(harness, ben, grids[-1])


async def test_only_results_can_be_reported(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """Messages of users cannot be reported."""
    message = await harness.ada.say("hello")
    assert "shows no picture of mine" in await report(harness, ben, message)
    assert harness.query("SELECT * FROM reports") == []


async def test_a_modal_can_be_submitted_after_a_restart(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """The custom id of the modal has all state."""
    grid = await harness.imagine()
    interaction = await ben.use("🚩 Report", grid)
    await interaction.acknowledged()
    await harness.stop()
    await harness.start()
    assert "Thank you" in await response_text(
        harness, await ben.submit(interaction, {"reason": "ugly"})
    )
    assert "ugly" in card_in(harness, mod_channel).content


async def test_a_report_is_stored_before_the_response(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """A crash during the response does not lose the report."""
    grid = await harness.imagine()
    interaction = await ben.use("🚩 Report", grid)
    await interaction.acknowledged()
    harness.discord.faults.next("POST", "/callback", Fault(delay=60.0))
    await ben.submit(interaction, {"reason": "ugly"})
    await eventually(lambda: harness.query("SELECT * FROM reports"))
    await eventually(lambda: not harness.discord.faults.pending)
    await harness.stop()
    await harness.start()
    await harness.discord.until(
        lambda: any("ugly" in message.content for message in harness.discord.messages(mod_channel)),
        why="a card",
    )


async def test_simultaneous_reports_have_one_card(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """The card shows all of them."""
    grid = await harness.imagine()
    reporters = [ben, harness.discord.person("Cy"), harness.discord.person("Di")]
    await asyncio.gather(*(report(harness, person, grid) for person in reporters))
    assert len(harness.query("SELECT * FROM reports")) == 3
    assert card_in(harness, mod_channel)
