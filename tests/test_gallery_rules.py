"""What may be in a gallery: posts that were withdrawn, rules that changed, and lost files."""

import pytest

from bot.playground import Channel, ChannelType, Fault, Message, Permission
from bot.playground.model.permissions import EVERYONE
from tests.bot_harness import BotHarness, eventually
from tests.fake_engine import FakeEngine
from tests.reporting import picture_files
from tests.samples import pixels_digest
from tests.test_gallery import ROWS, STAR, handled, new_gallery, post, posts, private_reason
from tests.test_show import job_id, show


async def star_later(harness: BotHarness, gallery: Channel, result: Message) -> None:
    """Ben's star, whose first attempt Discord fails."""
    for _ in range(2):
        harness.discord.faults.next("POST", f"/{gallery.id}/", Fault(status=503))
    await harness.discord.person("Ben").react(result, STAR)
    await eventually(lambda: harness.query(ROWS) and not harness.discord.faults.pending)


@pytest.mark.parametrize("is_posted", [True, False])
async def test_a_withdrawn_picture_does_not_come_back(harness: BotHarness, is_posted: bool) -> None:
    """By a star on another message that shows it, whether it was posted or was about to be."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    shown = await show(harness, job_id(harness))
    ben = harness.discord.person("Ben")
    if is_posted:
        await ben.react(result, STAR)
        await post(harness, gallery)
    else:
        await star_later(harness, gallery, result)
    await harness.ada.react(result, "❌")
    await harness.discord.until(
        lambda: result.deleted and not posts(harness, gallery), why="an empty gallery"
    )
    await ben.react(shown, STAR)
    await handled(harness)
    await harness.stop()
    await harness.start()
    await ben.unreact(shown, STAR)
    await ben.react(shown, STAR)
    await handled(harness)
    assert posts(harness, gallery) == []


async def test_a_channel_that_became_age_restricted_keeps_its_pictures(
    harness: BotHarness,
) -> None:
    """Also those whose post is attempted again."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    await star_later(harness, gallery, result)
    harness.discord.edit_channel(result.channel, nsfw=True)
    await harness.stop()
    await harness.start()
    reason = await private_reason(harness, harness.discord.person("Ben"))
    assert "This channel is age-restricted and the gallery is not" in reason
    await eventually(lambda: harness.query(ROWS) == [])
    assert posts(harness, gallery) == []


async def test_a_channel_that_was_hidden_keeps_the_pictures_of_others(
    harness: BotHarness,
) -> None:
    """Only their users may post them where more people see them."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    await star_later(harness, gallery, result)
    guild = harness.discord.world.default_guild
    harness.discord.set_overwrite(result.channel, guild.applications, allow=Permission.VIEW_CHANNEL)
    harness.discord.set_overwrite(result.channel, guild.everyone, deny=Permission.VIEW_CHANNEL)
    await harness.stop()
    await harness.start()
    reason = await private_reason(harness, harness.discord.person("Ben"))
    assert "only the user of the picture can post it" in reason
    assert posts(harness, gallery) == []


async def test_a_role_that_sees_only_the_gallery_counts(harness: BotHarness) -> None:
    """Many servers show their channels to a role of verified members only."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    guild = harness.discord.world.default_guild
    verified, team = harness.discord.add_role("Verified"), harness.discord.add_role("Team")
    ben = harness.discord.person("Ben")
    for person in (ben, harness.ada):
        person.give(team)
    for channel, roles in ((gallery, (verified, team)), (result.channel, (team,))):
        for role in (*roles, guild.applications):
            harness.discord.set_overwrite(channel, role, allow=Permission.VIEW_CHANNEL)
        harness.discord.set_overwrite(channel, guild.everyone, deny=Permission.VIEW_CHANNEL)
    await ben.react(result, STAR)
    assert "only the user of the picture can post it" in await private_reason(harness, ben)
    harness.discord.set_overwrite(gallery, verified)
    await ben.react(await harness.imagine(count=1), STAR)
    await post(harness, gallery)


async def test_a_prompt_that_was_banned_since_is_not_posted(harness: BotHarness) -> None:
    """The post would show it."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    boss = harness.discord.person("Boss", admin=True)
    await harness.refusal(await boss.slash("admin words add", word="house"))
    await harness.discord.person("Ben").react(result, STAR)
    await eventually(lambda: harness.query("SELECT 1 FROM audit_log WHERE action = 'refused'"))
    await harness.imagine(prompt="a boat")
    assert posts(harness, gallery) == [] == harness.query(ROWS)


async def test_a_private_result_is_not_posted(harness: BotHarness) -> None:
    """Whatever message shows it."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    await harness.execute("UPDATE jobs SET plan = json_set(plan, '$.is_private', json('true'))")
    await harness.ada.react(result, STAR)
    assert "This result is private" in await private_reason(harness, harness.ada)
    assert posts(harness, gallery) == []


@pytest.mark.parametrize(
    ("kind", "lacking", "name"),
    [
        (ChannelType.TEXT, Permission.ATTACH_FILES, "Attach Files"),
        (ChannelType.TEXT, Permission.SEND_MESSAGES, "Send Messages"),
        (ChannelType.FORUM, Permission.SEND_MESSAGES, "Create Posts"),
        (ChannelType.FORUM, Permission.READ_MESSAGE_HISTORY, "Read Message History"),
    ],
)
async def test_a_gallery_that_the_bot_cannot_use_is_not_accepted(
    harness: BotHarness, kind: ChannelType, lacking: Permission, name: str
) -> None:
    """The sentence names the missing permission."""
    channel = harness.discord.add_channel("gallery", kind=kind)
    harness.discord.set_bot_permissions(channel, EVERYONE & ~lacking)
    await handled(harness)
    assert await chosen(harness, channel) == (
        f"I need the permission {name} in <#{channel.id}> to post pictures there. An admin of this "
        "server can allow it."
    )
    assert harness.query("SELECT * FROM preferences") == []
    harness.discord.set_bot_permissions(channel, EVERYONE)
    await handled(harness)
    assert (await chosen(harness, channel)).startswith("Gallery channel: now")


async def test_a_voice_channel_is_no_gallery(harness: BotHarness) -> None:
    """Nor is a category."""
    channel = harness.discord.add_channel("talk", kind=ChannelType.VOICE)
    await handled(harness)
    assert await chosen(harness, channel) == "The gallery can be a text channel or a forum."


async def chosen(harness: BotHarness, channel: Channel) -> str:
    """The response to /settings that chooses a gallery."""
    boss = harness.discord.person("Boss", admin=True)
    options = {"setting": "gallery_channel_id", "value": f"<#{channel.id}>", "for": "guild"}
    return await harness.refusal(await boss.invoke("settings", options))


async def test_a_post_without_its_first_message_does_not_end_the_search(
    harness: BotHarness,
) -> None:
    """The post of the attempt whose answer was lost is found behind it."""
    gallery = await new_gallery(harness, ChannelType.FORUM)
    first, second = await harness.imagine(count=1), await harness.imagine(count=1, seed=20)
    await harness.ada.react(first, STAR)
    message = await post(harness, gallery)
    await harness.discord.person("Mo", moderator=True).delete(message)
    lost = Fault(drop=True, after_commit=True)
    harness.discord.faults.next("POST", f"/{gallery.id}/threads", lost)
    await harness.ada.react(second, STAR)
    await harness.discord.until(lambda: posts(harness, gallery), why="a post")
    await harness.stop()
    await harness.start()
    await eventually(
        lambda: harness.query("SELECT 1 FROM deliveries WHERE delivered_at IS NULL") == []
    )
    [newest] = posts(harness, gallery)
    assert {row["message"] for row in harness.query(ROWS)} == {message.id, newest.id}
    assert harness.discord.dms(harness.ada) == []


async def test_a_picture_whose_file_is_lost_is_painted_again(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Silently, for the post."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    for path in picture_files(harness):
        path.unlink()
    await harness.ada.react(result, STAR)
    message = await post(harness, gallery)
    shown, posted = (item.attachments[0].data for item in (result, message))
    assert pixels_digest(posted) == pixels_digest(shown) and len(engine.paints) == 2
