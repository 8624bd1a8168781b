"""⭐ posts a picture to the gallery of the server, once."""

import asyncio

import pytest

from bot.playground import Channel, ChannelType, Fault, Message, Permission, Person
from bot.playground.model.permissions import EVERYONE
from tests.bot_harness import BotHarness, eventually
from tests.deletion import delete
from tests.fake_engine import FakeEngine
from tests.nsfw_watch import choose as choose_policy
from tests.reporting import response_text

STAR = "⭐"
ROWS = "SELECT * FROM deliveries WHERE kind IN ('gallery', 'withdrawal')"


async def choose(harness: BotHarness, channel: Channel | None) -> str:
    """Choose the gallery; the response."""
    boss = harness.discord.person("Boss", admin=True)
    options = {} if channel is None else {"channel": channel}
    return await harness.refusal(await boss.invoke("admin gallery", options))


async def new_gallery(
    harness: BotHarness, kind: ChannelType = ChannelType.TEXT, *, nsfw: bool = False
) -> Channel:
    """A channel that is the gallery."""
    channel = harness.discord.add_channel("gallery", kind=kind, nsfw=nsfw)
    harness.discord.set_bot_permissions(channel, EVERYONE | Permission.MANAGE_THREADS)
    assert (
        await choose(harness, channel) == f"Pictures with a ⭐ are now posted in <#{channel.id}>."
    )
    return channel


def posts(harness: BotHarness, gallery: Channel) -> list[Message]:
    """The first messages of a forum's posts, or the messages of a text channel."""
    channels = harness.discord.world.channels.values()
    threads = [channel for channel in channels if channel.parent is gallery]
    places = threads if gallery.kind is ChannelType.FORUM else [gallery]
    return [message for place in places for message in harness.discord.messages(place)]


async def post(harness: BotHarness, gallery: Channel) -> Message:
    """The only post, once it is recorded."""
    await harness.discord.until(lambda: posts(harness, gallery), why="a post")
    await eventually(lambda: [row["delivered_at"] for row in harness.query(ROWS)] != [None])
    (message,) = posts(harness, gallery)
    return message


async def handled(harness: BotHarness) -> None:
    """Return when the bot has handled the events so far."""
    await harness.imagine(seed=99)


async def private_reason(harness: BotHarness, person: Person) -> str:
    """The direct message that tells a user why a picture is not posted."""
    await harness.discord.until(lambda: harness.discord.dms(person), why="a direct message")
    return harness.discord.dms(person)[-1].content


async def test_a_star_posts_the_picture(harness: BotHarness) -> None:
    """With its prompt, who asked for it, a link and the settings; nobody is pinged."""
    gallery = await new_gallery(harness)
    grid = await harness.imagine(prompt="a red *house*")
    single = await harness.result(await harness.ada.click(grid, "U2"))
    await harness.discord.person("Ben").react(single, STAR)
    message = await post(harness, gallery)
    first, second, third = message.content.splitlines()
    assert first == r"**a red \*house\***"
    link = f"https://discord.com/channels/{harness.discord.guild_id}/{grid.channel.id}/{grid.id}"
    assert second == f"by <@{harness.ada.id}> · [where it was painted]({link})"
    assert third.endswith("seed 8")
    assert message.attachments[0].data == single.attachments[0].data
    assert message.attachments[0].description == "a red *house*"
    assert message.pings == frozenset()


async def test_each_picture_is_posted_once(harness: BotHarness) -> None:
    """However many users give a star, at once or later, also after a restart, and on whichever
    message that shows it."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    people = [harness.discord.person(name) for name in ("Ben", "Cleo", "Dan")]
    await asyncio.gather(*(person.react(result, STAR) for person in people))
    await post(harness, gallery)
    await harness.stop()
    await harness.start()
    await people[0].unreact(result, STAR)
    await people[0].react(result, STAR)
    await harness.ada.react(result, STAR)
    await handled(harness)
    assert len(posts(harness, gallery)) == 1


async def test_a_star_on_a_grid_posts_the_grid(harness: BotHarness) -> None:
    """And each of its pictures may be posted too."""
    gallery = await new_gallery(harness)
    grid = await harness.imagine()
    await harness.ada.react(grid, STAR)
    message = await post(harness, gallery)
    assert message.attachments[0].data == grid.attachments[0].data
    single = await harness.result(await harness.ada.click(grid, "U1"))
    await harness.ada.react(single, STAR)
    await harness.discord.until(lambda: len(posts(harness, gallery)) == 2, why="the picture")


async def test_a_forum_gets_a_post_with_tags(harness: BotHarness) -> None:
    """Those that are words of the prompt; the title is the prompt in one line."""
    gallery = await new_gallery(harness, ChannelType.FORUM)
    house, _, red = harness.discord.set_tags(gallery, "Houses", "cats", "red", required=True)
    await handled(harness)
    result = await harness.imagine(prompt="a red\nhouse", count=1)
    await harness.ada.react(result, STAR)
    message = await post(harness, gallery)
    assert message.channel.name == "a red house"
    assert message.channel.applied_tag_ids == [house.id, red.id]
    assert message.attachments
    boat = await harness.imagine(prompt="a boat", count=1)
    await harness.ada.react(boat, STAR)
    await harness.discord.until(lambda: len(posts(harness, gallery)) == 2, why="another post")
    assert posts(harness, gallery)[1].channel.applied_tag_ids == [house.id]  # one is required


async def test_a_lost_answer_makes_no_second_post(harness: BotHarness) -> None:
    """The attempt after a restart finds the post of the first."""
    gallery = await new_gallery(harness, ChannelType.FORUM)
    result = await harness.imagine(count=1)
    lost = Fault(drop=True, after_commit=True)
    harness.discord.faults.next("POST", f"/{gallery.id}/threads", lost)
    await harness.ada.react(result, STAR)
    await harness.discord.until(lambda: posts(harness, gallery), why="a post")
    await harness.stop()
    await harness.start()
    message = await post(harness, gallery)
    [row] = harness.query(ROWS)
    assert (row["channel"], row["message"]) == (message.channel.id, message.id)


@pytest.mark.parametrize("kind", [ChannelType.TEXT, ChannelType.FORUM])
async def test_deleted_data_is_deleted_from_the_gallery(
    harness: BotHarness, kind: ChannelType
) -> None:
    """The post of a forum goes as a whole, with its thread."""
    gallery = await new_gallery(harness, kind)
    result = await harness.imagine(count=1)
    await harness.discord.person("Ben").react(result, STAR)
    message = await post(harness, gallery)
    await delete(harness)
    await eventually(lambda: not harness.query(ROWS))
    assert message.deleted and not posts(harness, gallery)
    assert (message.channel.id in harness.discord.world.channels) is (kind is ChannelType.TEXT)
    assert not result.deleted


async def test_the_cross_takes_the_picture_out(harness: BotHarness) -> None:
    """On the result or on the post, by its user or a moderator, and by nobody else."""
    gallery = await new_gallery(harness)
    first, second = await harness.imagine(count=1), await harness.imagine(count=1, seed=20)
    ben = harness.discord.person("Ben")
    for result in (first, second):
        await ben.react(result, STAR)
    await harness.discord.until(lambda: len(posts(harness, gallery)) == 2, why="two posts")
    in_gallery = posts(harness, gallery)
    await ben.react(in_gallery[0], "❌")
    await harness.ada.react(first, "❌")
    await harness.discord.person("Mo", moderator=True).react(in_gallery[1], "❌")
    await harness.discord.until(lambda: not posts(harness, gallery), why="an empty gallery")
    assert first.deleted and not second.deleted
    await ben.unreact(second, STAR)
    await ben.react(second, STAR)
    await handled(harness)
    assert posts(harness, gallery) == []


async def test_a_star_that_is_taken_back_leaves_the_post(harness: BotHarness) -> None:
    """Others may have replied to it."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    await harness.ada.react(result, STAR)
    message = await post(harness, gallery)
    await harness.ada.unreact(result, STAR)
    await handled(harness)
    assert not message.deleted


async def test_removed_pictures_leave_the_gallery(harness: BotHarness) -> None:
    """A moderator may use the menu on the post or on the result."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    await harness.ada.react(result, STAR)
    message = await post(harness, gallery)
    mo = harness.discord.person("Mo", moderator=True)
    await response_text(harness, await mo.use("Remove picture", message))
    assert message.deleted and result.deleted
    assert posts(harness, gallery) == []


@pytest.mark.parametrize(
    ("kind", "lacking", "name"),
    [
        (ChannelType.TEXT, Permission.ATTACH_FILES, "Attach Files"),
        (ChannelType.TEXT, Permission.SEND_MESSAGES, "Send Messages"),
        (ChannelType.FORUM, Permission.SEND_MESSAGES, "Create Posts"),
    ],
)
async def test_a_missing_permission_is_said_in_private(
    harness: BotHarness, kind: ChannelType, lacking: Permission, name: str
) -> None:
    """To the user who gave the star; and the channel cannot be chosen without it."""
    gallery = await new_gallery(harness, kind)
    result = await harness.imagine(count=1)
    harness.discord.set_bot_permissions(gallery, EVERYONE & ~lacking)
    await handled(harness)
    ben = harness.discord.person("Ben")
    messages = len(harness.discord.messages())
    await ben.react(result, STAR)
    sentence = (
        f"I need the permission {name} in <#{gallery.id}> to post pictures there. An admin of this "
        "server can allow it."
    )
    assert await private_reason(harness, ben) == sentence
    assert (len(harness.discord.messages()), posts(harness, gallery)) == (messages, [])
    assert await choose(harness, gallery) == f"{sentence} I changed nothing."
    assert harness.query(ROWS) == []


async def test_without_a_gallery_a_star_says_so(harness: BotHarness) -> None:
    """In private; also if it was deleted, or in direct messages."""
    result = await harness.imagine(count=1)
    await harness.ada.react(result, STAR)
    assert "can choose a channel with /admin gallery" in await private_reason(harness, harness.ada)
    await new_gallery(harness)
    assert await choose(harness, None) == (
        "Pictures with a ⭐ are no longer posted. What was posted stays."
    )
    entries = harness.query("SELECT detail FROM audit_log ORDER BY id")
    assert entries[-1]["detail"] == "gallery channel: none"


async def test_closed_direct_messages_get_a_short_reply(harness: BotHarness) -> None:
    """It deletes itself."""
    result = await harness.imagine(count=1)
    harness.ada.user.closed_dms = True
    await harness.ada.react(result, STAR)
    await harness.discord.until(
        lambda: any(m.reference is result for m in harness.discord.messages()), why="a reply"
    )


async def test_age_restricted_pictures_stay_where_they_are(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Unless the gallery is age-restricted; a flagged picture follows the gallery's rule."""
    gallery = await new_gallery(harness)
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", count=1, where=harness.discord.restricted
    )
    result = await harness.result(interaction)
    await harness.ada.react(result, STAR)
    assert "This channel is age-restricted and the gallery is not" in await private_reason(
        harness, harness.ada
    )
    harness.discord.edit_channel(gallery, nsfw=True)
    await handled(harness)
    await harness.ada.unreact(result, STAR)
    await harness.ada.react(result, STAR)
    await post(harness, gallery)


async def test_only_the_user_of_a_picture_takes_it_out_of_a_hidden_channel(
    harness: BotHarness,
) -> None:
    """More people see the gallery than the channel of the picture."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    guild = harness.discord.world.default_guild
    boss = harness.discord.person("Boss", admin=True)
    for target in (harness.ada, boss, guild.applications):
        harness.discord.set_overwrite(result.channel, target, allow=Permission.VIEW_CHANNEL)
    harness.discord.set_overwrite(result.channel, guild.everyone, deny=Permission.VIEW_CHANNEL)
    await boss.react(result, STAR)
    assert "only the user of the picture can post it" in await private_reason(harness, boss)
    assert posts(harness, gallery) == []
    await harness.ada.react(result, STAR)
    await post(harness, gallery)


async def test_flagged_pictures_follow_the_rule_of_the_gallery(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """One that only its own channel may show is refused; another is posted as a spoiler."""
    engine.flagged = {1}
    gallery = await new_gallery(harness, nsfw=True)
    await choose_policy(harness, "spoiler", harness.discord.restricted)
    interaction = await harness.ada.slash(
        "imagine", prompt="a house", count=1, where=harness.discord.restricted
    )
    result = await harness.result(interaction)
    await harness.ada.react(result, STAR)
    assert "was withheld by the safety check" in await private_reason(harness, harness.ada)
    assert posts(harness, gallery) == []
    await choose_policy(harness, "spoiler", gallery)
    await harness.discord.person("Ben").react(result, STAR)
    message = await post(harness, gallery)
    assert message.attachments[0].filename.startswith("SPOILER_")


@pytest.mark.parametrize("kind", [ChannelType.TEXT, ChannelType.FORUM])
async def test_blocked_words_are_left_out(harness: BotHarness, kind: ChannelType) -> None:
    """The picture is posted without the prompt, which is not in the title either."""
    gallery = await new_gallery(harness, kind)
    result = await harness.imagine(prompt="a quokka", count=1)
    harness.discord.world.blocked_word = "quokka"
    await harness.ada.react(result, STAR)
    message = await post(harness, gallery)
    assert "quokka" not in f"{message.content} {message.channel.name}"
    assert message.attachments[0].description is None


async def test_an_attempt_that_discord_fails_is_repeated(harness: BotHarness) -> None:
    """Nobody hears of it; another star meanwhile makes no second post."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    for _ in range(2):
        harness.discord.faults.next("POST", f"/{gallery.id}/messages", Fault(status=503))
    await harness.ada.react(result, STAR)
    await eventually(lambda: harness.query(ROWS))
    await harness.discord.person("Ben").react(result, STAR)
    await handled(harness)
    await harness.stop()
    await harness.start()
    assert await post(harness, gallery)
    assert harness.discord.dms(harness.ada) == []


async def test_a_gallery_that_was_deleted_is_said(harness: BotHarness) -> None:
    """And a star in direct messages, where there is none."""
    gallery = await new_gallery(harness)
    result = await harness.imagine(count=1)
    harness.discord.delete_channel(gallery)
    await handled(harness)
    await harness.ada.react(result, STAR)
    assert "was deleted, or I cannot see it" in await private_reason(harness, harness.ada)
    ben = harness.discord.person("Ben")
    direct = await ben.slash("imagine", prompt="a house", count=1, where=ben.dm)
    await ben.react(await harness.result(direct), STAR)
    await harness.discord.until(
        lambda: any("belongs to a server" in m.content for m in harness.discord.dms(ben)),
        why="the reason",
    )


async def test_an_unfinished_job_is_not_posted(harness: BotHarness, engine: FakeEngine) -> None:
    """The user who gave the star learns why."""
    await new_gallery(harness)
    engine.gate.clear()
    interaction = await harness.ada.slash("imagine", prompt="a house")
    await harness.discord.until(
        lambda: interaction.response and interaction.response.buttons, why="a button"
    )
    assert interaction.response is not None
    await harness.ada.react(interaction.response, STAR)
    assert "no finished picture yet" in await private_reason(harness, harness.ada)
    engine.gate.set()
    await harness.result(interaction)
