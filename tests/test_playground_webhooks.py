"""Webhooks of channels, which the bot creates and uses."""

import discord
import pytest

from bot.playground import Playground
from bot.playground.model.permissions import MODERATOR, Permission
from tests.playground_bot import PlaygroundBot, channel_of, file, png
from tests.playground_forms import Rule, button, codes, rows
from tests.playground_http import Http


@pytest.fixture(autouse=True)
def permissions(playground: Playground) -> None:
    """The bot may manage webhooks."""
    playground.set_bot_permissions(playground.channel, MODERATOR | Permission.MANAGE_WEBHOOKS)


async def test_messages_by_a_webhook(playground: Playground, bot: PlaygroundBot) -> None:
    """They have its name or another one, files and components, and can be edited and deleted."""
    webhook = await channel_of(bot, playground).create_webhook(name="Captain Hook")
    message = await webhook.send("x", file=file("a.png"), wait=True)
    assert (message.author.name, message.webhook_id) == ("Captain Hook", webhook.id)
    assert [item.filename for item in message.attachments] == ["a.png"]
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Go", custom_id="go"))
    named = await webhook.send("y", username="Smee", view=view, wait=True)
    assert (named.author.name, named.author.id) == ("Smee", webhook.id)
    assert playground.messages()[-1].buttons == ["Go"]
    await webhook.send("without a response")
    edited = await webhook.edit_message(message.id, content="z", attachments=[])
    assert (edited.content, edited.attachments) == ("z", [])
    assert (await webhook.fetch_message(message.id)).content == "z"
    await webhook.delete_message(message.id)
    assert [item.content for item in playground.messages()] == ["y", "without a response"]


async def test_webhooks_are_listed_edited_and_deleted(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """With the token or a permission. A deleted one is unknown; its messages stay."""
    channel = channel_of(bot, playground)
    webhook = await channel.create_webhook(name="one")
    other = playground.add_channel("other")
    playground.set_bot_permissions(other, MODERATOR | Permission.MANAGE_WEBHOOKS)
    await webhook.send("x", wait=True)
    renamed = await webhook.edit(name="two")
    assert [item.name for item in await channel.webhooks()] == [renamed.name] == ["two"]
    partial = discord.Webhook.partial(webhook.id, webhook.token or "", client=bot)
    assert (await partial.fetch(prefer_auth=False)).channel_id == channel.id
    await playground.until(lambda: bot.get_channel(other.id), why="the channel")
    moved = await webhook.edit(channel=bot.get_channel(other.id))
    assert moved.channel_id == other.id
    await webhook.delete()
    with pytest.raises(discord.NotFound) as error:
        await webhook.send("x", wait=True)
    assert error.value.code == 10015
    assert len(playground.messages()) == 1


RULES: dict[str, Rule] = {
    "no name": Rule({}, "name", "BASE_TYPE_REQUIRED", {"name": "x"}),
    "an empty name": Rule({"name": ""}, "name", "BASE_TYPE_BAD_LENGTH", {"name": "x"}),
    "a name": Rule({"name": "x" * 81}, "name", "BASE_TYPE_BAD_LENGTH", {"name": "x" * 80}),
    "a reserved name": Rule({"name": "Clyde"}, "name", "USERNAME_INVALID_CONTAINS", {"name": "C"}),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_webhook_is_refused_at_the_path(http: Http, rule: Rule) -> None:
    """A 400 with the error at its path; the nearest valid webhook is created."""
    path = f"/channels/{http.playground.channel.id}/webhooks"
    status, body = await http.call("POST", path, json=rule.refused)
    assert (status, body["code"], codes(body, rule.path)) == (400, 50035, [rule.code])
    status, webhook = await http.call("POST", path, json=rule.accepted)
    assert status == 200, webhook
    path = f"/webhooks/{webhook['id']}/{webhook['token']}"
    status, body = await http.call("POST", path, json={"content": "x", "username": "x" * 81})
    assert (status, codes(body, "username")) == (400, ["BASE_TYPE_BAD_LENGTH"])
    status, body = await http.call("POST", path, json=rows(button(), button()))
    assert (status, body["code"]) == (400, 50035)


async def test_a_webhook_needs_its_token_or_a_permission(
    playground: Playground, http: Http
) -> None:
    """A wrong token is refused with 50027; 16 webhooks are too many, and DMs have none."""
    path = f"/channels/{playground.channel.id}/webhooks"
    for _ in range(15):
        status, webhook = await http.call("POST", path, json={"name": "x"})
        assert status == 200
    status, body = await http.call("POST", path, json={"name": "x"})
    assert (status, body["code"]) == (400, 30007)
    for token in ("x", "é"):
        url = f"/webhooks/{webhook['id']}/{token}"
        status, body = await http.call("POST", url, json={"content": "x"})
        assert (status, body["code"]) == (401, 50027)
    dm = playground.person("Ada").dm
    status, body = await http.call("POST", f"/channels/{dm.id}/webhooks", json={"name": "x"})
    assert (status, body["code"]) == (400, 50024)
    playground.set_bot_permissions(playground.channel, MODERATOR)
    for method, url in (("POST", path), ("GET", path), ("GET", f"/webhooks/{webhook['id']}")):
        status, body = await http.call(
            method, url, json={"name": "x"} if method == "POST" else None
        )
        assert (status, body["code"]) == (403, 50013)


async def test_a_webhook_writes_in_threads(playground: Playground, http: Http) -> None:
    """`thread_id` names a thread of its channel, which is opened."""
    path = f"/channels/{playground.channel.id}/webhooks"
    _, webhook = await http.call("POST", path, json={"name": "x"})
    path = f"/webhooks/{webhook['id']}/{webhook['token']}"
    thread = playground.add_thread(playground.channel, "thread")
    playground.archive(thread)
    params = {"thread_id": str(thread.id), "wait": "true"}
    status, message = await http.call("POST", path, json={"content": "x"}, params=params)
    assert (status, message["channel_id"], thread.archived) == (200, str(thread.id), False)
    params["thread_id"] = str(playground.restricted.id)
    status, body = await http.call("POST", path, json={"content": "x"}, params=params)
    assert (status, body["code"]) == (404, 10003)
    assert (await http.send("POST", path, {}, [png()]))[0] == 204
