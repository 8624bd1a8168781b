"""Keys whose JSON type depends on the object that they are in."""

import discord
import pytest

from bot.playground import Playground
from bot.playground.errors import Json
from tests.playground_bot import PlaygroundBot, channel_of
from tests.playground_http import Http


async def test_an_embed_is_sent(playground: Playground, bot: PlaygroundBot) -> None:
    """discord.py sends the string `type` of an embed; embeds of bots are always rich."""
    await channel_of(bot, playground).send(embed=discord.Embed(title="x", type="article"))
    embed = playground.messages()[0].embeds[0]
    assert (embed["title"], embed["type"]) == ("x", "rich")
    assert playground.violations == []


async def test_a_select_with_default_values_is_sent(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Default values of entity selects have a string `type` too."""
    ada, roles = playground.person("Ada"), playground.add_role("Painters")
    defaults = [
        discord.Object(ada.id, type=discord.User),
        discord.Object(roles.id, type=discord.Role),
    ]
    view = discord.ui.View(timeout=None)
    view.add_item(
        discord.ui.MentionableSelect(custom_id="who", max_values=2, default_values=defaults)
    )
    await channel_of(bot, playground).send("Who?", view=view)
    assert playground.messages()[0].components[0]["components"][0]["default_values"] == [
        {"id": str(ada.id), "type": "user"},
        {"id": str(roles.id), "type": "role"},
    ]
    assert playground.violations == []


def user_select(**fields: object) -> Json:
    """A user select menu in an action row."""
    return {"type": 1, "components": [{"type": 5, "custom_id": "who"} | fields]}


@pytest.mark.parametrize(
    "payload",
    [
        {"embeds": [{"title": "x", "type": 1}]},
        {"embeds": [{"title": "x", "fields": [{"name": "x", "value": 5}]}]},
        {"components": [user_select() | {"type": "1"}]},
        {"components": [user_select() | {"type": True}]},
        {"components": [user_select(type="5")]},
        {"components": [user_select(default_values=["1"])]},
        {"components": [user_select(default_values=[{"id": "1", "type": 5}])]},
        {"components": [user_select(default_values=[{"type": "user"}])]},
        {"components": [user_select(default_values=[{"id": "1"}])]},
        {"components": [user_select(default_values=[{"id": "1", "type": "role"}])]},
        {"components": [user_select(default_values=[{"id": "1", "type": "user"}] * 2)]},
        {"components": [user_select(type=3, default_values=[{"id": "1", "type": "user"}])]},
    ],
)
async def test_a_type_of_the_wrong_kind_is_refused(http: Http, payload: Json) -> None:
    """A string where an integer is expected is a 400, and so is the opposite."""
    status, body = await http.post({"content": "x"} | payload)
    assert (status, body["code"]) == (400, 50035)
