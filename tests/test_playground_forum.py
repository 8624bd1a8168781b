"""Forum and media channels: tags, posts, and the requests that Discord refuses."""

from typing import Any

import discord
import pytest

from bot.playground import Channel, ChannelType, NotPermitted, Permission, Playground
from bot.playground.errors import ApiError
from bot.playground.model.permissions import EVERYONE
from tests.playground_bot import PlaygroundBot, file, png
from tests.playground_http import Http

MAY_MANAGE = EVERYONE | Permission.MANAGE_CHANNELS | Permission.MANAGE_THREADS
KINDS = [ChannelType.FORUM, ChannelType.MEDIA]


def forum_of(bot: PlaygroundBot, channel: Channel) -> discord.ForumChannel:
    """The channel in the bot's cache."""
    forum = bot.get_channel(channel.id)
    assert isinstance(forum, discord.ForumChannel)
    return forum


async def new_forum(
    playground: Playground, bot: PlaygroundBot, kind: ChannelType = ChannelType.FORUM
) -> Channel:
    """A forum or media channel that the bot may manage and knows."""
    channel = playground.add_channel("ideas", kind=kind)
    playground.set_bot_permissions(channel, MAY_MANAGE)
    await playground.until(lambda: bot.get_channel(channel.id))
    return channel


@pytest.mark.parametrize("kind", KINDS)
async def test_discord_py_edits_tags(
    playground: Playground, bot: PlaygroundBot, kind: ChannelType
) -> None:
    """Tags keep their ids when they are edited, and posts lose a tag that is removed."""
    channel = await new_forum(playground, bot, kind)
    cat = await forum_of(bot, channel).create_tag(
        name="cat", emoji=discord.PartialEmoji(name="🐈"), moderated=True
    )
    await playground.until(lambda: forum_of(bot, channel).available_tags)
    dog = await forum_of(bot, channel).create_tag(name="dog")
    await playground.until(lambda: len(forum_of(bot, channel).available_tags) == 2)
    tags = forum_of(bot, channel).available_tags
    assert [(tag.id, tag.name, tag.moderated) for tag in tags] == [
        (cat.id, "cat", True),
        (dog.id, "dog", False),
    ]
    assert str(tags[0].emoji) == "🐈"
    made = await forum_of(bot, channel).create_thread(
        name="x", content="y", applied_tags=[cat, dog]
    )
    await forum_of(bot, channel).edit(available_tags=[tags[1]], require_tag=True, topic="Animals")
    thread = await bot.fetch_channel(made.thread.id)
    assert isinstance(thread, discord.Thread)
    await playground.until(lambda: forum_of(bot, channel).topic == "Animals")
    assert [tag.id for tag in thread.applied_tags] == [dog.id]
    assert forum_of(bot, channel).flags.require_tag
    assert playground.violations == []


@pytest.mark.parametrize("kind", KINDS)
async def test_discord_py_creates_a_post(
    playground: Playground, bot: PlaygroundBot, kind: ChannelType
) -> None:
    """Its first message has the id of the thread; it can be tagged, pinned and closed."""
    channel = await new_forum(playground, bot, kind)
    cat, dog = playground.set_tags(channel, "cat", "dog")
    await playground.until(lambda: len(forum_of(bot, channel).available_tags) == 2)
    forum = forum_of(bot, channel)
    cat_tag, dog_tag = forum.available_tags
    assert (cat_tag.id, dog_tag.id) == (cat.id, dog.id)
    thread, message = await forum.create_thread(
        name="A post",
        content="**x**",
        file=file(),
        applied_tags=[cat_tag],
        auto_archive_duration=60,
    )
    assert message.id == thread.id and thread.parent_id == forum.id
    assert (message.content, len(message.attachments)) == ("**x**", 1)
    assert [tag.id for tag in thread.applied_tags] == [cat.id]
    assert thread.auto_archive_duration == 60
    edited = await thread.edit(name="Another", applied_tags=[dog_tag], pinned=True)
    assert (edited.name, [item.id for item in edited.applied_tags]) == ("Another", [dog.id])
    assert edited.flags.pinned
    await thread.send("more")
    await thread.edit(archived=True)
    assert [m.content for m in playground.messages(playground.world.channels[thread.id])] == [
        "**x**",
        "more",
    ]
    assert playground.violations == []


async def post(
    http: Http, forum: Channel, files: list[bytes] | None = None, **fields: object
) -> tuple[int, Any]:
    """Request a new post."""
    body = {"name": "x", "message": {"content": "y"}} | fields
    return await http.send("POST", f"/channels/{forum.id}/threads", body, files)


async def test_posts_that_discord_refuses(playground: Playground, http: Http) -> None:
    """No thread is created by a request that is refused."""
    forum = playground.add_channel("ideas", kind=ChannelType.FORUM)
    (tag,) = playground.set_tags(forum, "cat", required=True)
    cases: list[tuple[dict[str, Any], int, int]] = [
        ({}, 400, 40067),
        ({"applied_tags": ["1"]}, 404, 10087),
        ({"applied_tags": [str(tag.id)] * 2}, 400, 50035),
        ({"applied_tags": [str(tag.id)], "message": {}}, 400, 50006),
        ({"applied_tags": [str(tag.id)], "message": None}, 400, 50035),
        ({"applied_tags": [str(tag.id)], "name": ""}, 400, 50035),
        ({"applied_tags": [str(tag.id)], "message": {"sticker_ids": ["1"]}}, 403, 50081),
        ({"applied_tags": [str(tag.id)], "auto_archive_duration": 61}, 400, 50035),
    ]
    for fields, status, code in cases:
        answer, body = await post(http, forum, **fields)
        assert (answer, body["code"]) == (status, code)
    _, body = await post(http, forum, message={"content": "x" * 2001}, applied_tags=[str(tag.id)])
    assert list(body["errors"]["message"]) == ["content"]
    playground.set_bot_permissions(forum, EVERYONE & ~Permission.ATTACH_FILES)
    _, body = await post(http, forum, [png()], applied_tags=[str(tag.id)])
    assert body["code"] == 50013
    playground.set_bot_permissions(forum, EVERYONE & ~Permission.SEND_MESSAGES)
    assert (await post(http, forum, applied_tags=[str(tag.id)]))[1]["code"] == 50013
    assert playground.world.channels.keys() >= {forum.id}
    assert [c for c in playground.world.channels.values() if c.parent is forum] == []


async def test_edits_that_discord_refuses(playground: Playground, http: Http) -> None:
    """Names of tags are unique, and members must be able to apply a required tag."""
    forum = playground.add_channel("ideas", kind=ChannelType.FORUM)
    path = f"/channels/{forum.id}"
    assert (await http.call("PATCH", path, json={"topic": "x"}))[1]["code"] == 50013
    playground.set_bot_permissions(forum, MAY_MANAGE)
    twice = {"available_tags": [{"name": "x"}, {"name": "x"}]}
    moderated = {"available_tags": [{"name": "x", "moderated": True}], "flags": 1 << 4}
    too_many = {"available_tags": [{"name": f"{n}"} for n in range(21)]}
    for body, code in ((twice, 40061), (moderated, 40066), (too_many, 50035)):
        status, answer = await http.call("PATCH", path, json=body)
        assert (status, answer["code"]) == (400, code)
    assert (forum.available_tags, int(forum.flags)) == ([], 0)
    ids = [(await post(http, forum))[1]["id"] for _ in range(2)]
    answers = [await http.call("PATCH", f"/channels/{id}", json={"flags": 2}) for id in ids]
    assert [status for status, _ in answers] == [200, 400]
    assert answers[1][1]["code"] == 30047


async def test_moderated_tags_need_the_permission(playground: Playground, http: Http) -> None:
    """Only who manages threads applies or removes them."""
    forum = playground.add_channel("ideas", kind=ChannelType.FORUM)
    playground.set_bot_permissions(forum, MAY_MANAGE)
    path = f"/channels/{forum.id}"
    tags = [{"name": "done", "moderated": True}, {"name": "new"}]
    _, body = await http.call("PATCH", path, json={"available_tags": tags})
    done, new = (tag["id"] for tag in body["available_tags"])
    playground.set_bot_permissions(forum, EVERYONE)
    assert (await post(http, forum, applied_tags=[done]))[1]["code"] == 50013
    assert (await post(http, forum, applied_tags=[new]))[0] == 201


async def test_people_create_posts(playground: Playground) -> None:
    """With the tags that the channel requires."""
    ada = playground.person("Ada")
    forum = playground.add_channel("ideas", kind=ChannelType.FORUM)
    (tag,) = playground.set_tags(forum, "cat", required=True)
    message = await ada.post("A post", "x", where=forum, tags=[tag])
    assert (message.id, message.channel.name) == (message.channel.id, "A post")
    assert message.channel.applied_tag_ids == [tag.id]
    with pytest.raises(ApiError) as error:
        await ada.post("A post", "x", where=forum)
    assert error.value.code == 40067
    with pytest.raises(NotPermitted, match="cannot post"):
        await ada.post("A post", "x", where=playground.channel)
