"""Results that /show brought to another server are reported and removed there."""

from typing import NamedTuple

import pytest

from bot.playground import Channel, Message, Person
from tests.bot_harness import BotHarness
from tests.reporting import actions, card_in, cards, picture_files, report, response_text
from tests.test_show import job_id, link_of


class Elsewhere(NamedTuple):
    """A second server, in which Ada has shown a result of the first one."""

    channel: Channel
    mod_channel: Channel
    mo: Person
    ben: Person
    result: Message
    """The result in the first server."""
    shown: Message


@pytest.fixture
async def elsewhere(harness: BotHarness) -> Elsewhere:
    """With a channel for reports and a moderator of its own."""
    guild = harness.discord.add_guild("Elsewhere")
    mod_channel = harness.discord.add_channel("mods", guild)
    moderator, member = harness.discord.person("Max"), harness.discord.person("Mia")
    moderator.join(guild, guild.moderators, guild.admins)
    for person in (member, harness.ada):
        person.join(guild)
    chosen = await moderator.slash("admin moderators", channel=mod_channel, where=guild.channel)
    await response_text(harness, chosen)
    result = await harness.imagine()
    interaction = await harness.ada.slash("show", job=job_id(harness), where=guild.channel)
    shown = await harness.result(interaction)
    return Elsewhere(guild.channel, mod_channel, moderator, member, result, shown)


async def test_the_moderators_there_get_the_report(
    harness: BotHarness, elsewhere: Elsewhere, mod_channel: Channel
) -> None:
    """With a link to the message there; those of the first server hear nothing of it."""
    answer = await report(harness, elsewhere.ben, elsewhere.shown)
    assert answer == "Thank you. The moderators of this server have received your report."
    card = card_in(harness, elsewhere.mod_channel)
    guild = elsewhere.channel.guild
    assert guild is not None
    place = f"/channels/{guild.id}/{elsewhere.channel.id}/{elsewhere.shown.id}"
    assert place in card.content and link_of(elsewhere.result) not in card.content
    assert cards(harness, mod_channel) == []
    answer = await response_text(harness, await elsewhere.mo.click(card, "Remove"))
    assert answer == "Removed the pictures and all of my messages that showed them."
    assert elsewhere.shown.deleted and elsewhere.result.deleted
    assert picture_files(harness) == []


async def test_each_server_has_a_case_of_its_own(
    harness: BotHarness, elsewhere: Elsewhere, mod_channel: Channel, ben: Person, mo: Person
) -> None:
    """A decision in one leaves the report in the other open; a removal updates both cards."""
    await report(harness, ben, elsewhere.result, "ugly")
    await report(harness, elsewhere.ben, elsewhere.shown, "rude")
    first = card_in(harness, mod_channel)
    second = card_in(harness, elsewhere.mod_channel)
    assert ("ugly" in first.content, "rude" in first.content) == (True, False)
    assert ("ugly" in second.content, "rude" in second.content) == (False, True)
    await response_text(harness, await mo.click(first, "Dismiss"))
    assert first.buttons == ["Remove", "Block user"]
    assert second.buttons == ["Remove", "Block user", "Dismiss"]
    await response_text(harness, await elsewhere.mo.click(second, "Remove"))
    assert "(removed by moderators)" in first.content
    assert "**Removed**" in second.content and "**Dismissed**" in first.content
    assert actions(harness)[-4:] == ["reported", "reported", "dismissed", "removed"]


async def test_moderators_there_remove_without_a_report(
    harness: BotHarness, elsewhere: Elsewhere, mo: Person
) -> None:
    """By the menu of the message."""
    interaction = await elsewhere.mo.use("Remove picture", elsewhere.shown)
    assert "Removed the pictures" in await response_text(harness, interaction)
    assert elsewhere.shown.deleted and elsewhere.result.deleted


async def test_the_link_of_a_card_is_that_of_the_message(
    harness: BotHarness, mod_channel: Channel, ben: Person
) -> None:
    """Also if the result was requested in another channel of the server."""
    await harness.imagine()
    other = harness.discord.add_channel("other")
    interaction = await harness.ada.slash("show", job=job_id(harness), where=other)
    shown = await harness.result(interaction)
    await report(harness, ben, shown)
    assert f"/{other.id}/{shown.id}" in card_in(harness, mod_channel).content
