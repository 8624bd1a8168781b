"""Applications installed for a user, and servers with its commands but without its bot."""

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.playground import Channel, NotAcknowledged, Permission, Person, Playground
from bot.playground.errors import Json
from tests.bot_harness import BotHarness
from tests.playground_bot import PlaygroundBot, start_bot
from tests.playground_http import Http

OWNERS = "authorizing_integration_owners"


@app_commands.command(name="anywhere", description="For users and servers")
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def anywhere(interaction: discord.Interaction) -> None:
    """Respond with a button."""
    view = discord.ui.View(timeout=None)
    view.add_item(discord.ui.Button(label="Again", custom_id="again"))
    await interaction.response.send_message("here", view=view)


@pytest.fixture
async def bot(playground: Playground) -> AsyncIterator[PlaygroundBot]:
    """A bot whose command /anywhere supports user installs."""
    async with start_bot(playground, anywhere) as connected_bot:
        yield connected_bot


@pytest.fixture
def events(playground: Playground) -> list[Json]:
    """The data of INTERACTION_CREATE events."""
    result: list[Json] = []
    playground.world.event_listeners.append(
        lambda event: result.append(event.data) if event.name == "INTERACTION_CREATE" else None
    )
    return result


def commands(person: Person, channel: Channel) -> list[str]:
    """The commands that the client shows, of all types."""
    types = (1, 2, 3)
    return [c["name"] for type in types for c in person.available_commands(channel, type)]


async def test_where_commands_are_shown(playground: Playground, bot: PlaygroundBot) -> None:
    """For a user install, only commands that support it, in all contexts that they have."""
    ada, ben = playground.person("Ada"), playground.person("Ben")
    foreign = playground.add_foreign_guild("Elsewhere")
    ada.join(foreign)
    private = playground.add_private_channel(ada, ben)
    assert commands(ada, foreign.channel) == commands(ada, private) == []
    ada.user.has_app = True
    assert commands(ada, foreign.channel) == commands(ada, private) == ["anywhere"]
    assert commands(ben, private) == []
    assert set(commands(ada, playground.channel)) == set(commands(ada, ada.dm))
    assert {"anywhere", "imagine"} <= set(commands(ben, playground.channel))
    everyone = foreign.everyone
    playground.set_overwrite(foreign.channel, everyone, deny=Permission.USE_APPLICATION_COMMANDS)
    assert commands(ada, foreign.channel) == []


async def test_a_user_install_in_a_foreign_guild(
    playground: Playground, bot: PlaygroundBot, events: list[Json]
) -> None:
    """The bot knows neither guild nor channel, and can only respond by the token."""
    ada, guild = playground.person("Ada"), playground.add_foreign_guild("Elsewhere")
    ada.user.has_app = True
    ada.join(guild)
    interaction = await ada.slash("anywhere", where=guild.channel)
    message = await interaction.finished()
    assert message is not None and not message.ephemeral
    [event] = events
    assert (event[OWNERS], event["context"]) == ({"1": str(ada.id)}, 0)
    received = bot.interactions[0]
    assert received.is_user_integration() and not received.is_guild_integration()
    assert bot.get_guild(guild.id) is None and bot.get_channel(guild.channel.id) is None
    app_permissions = received.app_permissions
    assert app_permissions == discord.Permissions._user_installed_permissions(in_guild=True)
    with pytest.raises(discord.Forbidden) as error:
        await bot.get_partial_messageable(guild.channel.id).send("x")
    assert error.value.code == 50001
    await received.edit_original_response(content="changed")
    assert message.content == "changed"
    ada.user.has_app = False
    with pytest.raises(discord.NotFound) as not_found:
        await received.edit_original_response(content="changed again")
    assert not_found.value.code == 10015


async def test_who_clicks_below_the_message_of_a_user_install(
    playground: Playground, bot: PlaygroundBot, events: list[Json]
) -> None:
    """The interaction is for who has installed the application, not for who clicks."""
    ada, zoe = playground.person("Ada"), playground.person("Zoe")
    guild = playground.add_foreign_guild("Elsewhere")
    ada.user.has_app = True
    ada.join(guild)
    zoe.join(guild)
    message = await (await ada.slash("anywhere", where=guild.channel)).finished()
    assert message is not None
    await (await zoe.click(message, "Again")).acknowledged()
    assert events[-1][OWNERS] == {"1": str(ada.id)}
    assert events[-1]["member"]["user"]["id"] == str(zoe.id)
    await zoe.react(message, "🔁")
    assert bot.reactions == []


@pytest.mark.parametrize(
    "missing", [Permission.SEND_MESSAGES, Permission.USE_EXTERNAL_APPS], ids=lambda p: p.name
)
async def test_members_without_permission_get_ephemeral_responses(
    playground: Playground, bot: PlaygroundBot, missing: Permission
) -> None:
    """Only where the application is not installed in the guild."""
    ada, guild = playground.person("Ada"), playground.add_foreign_guild("Elsewhere")
    ada.user.has_app = True
    ada.join(guild)
    for channel in (guild.channel, playground.channel):
        playground.set_overwrite(channel, ada, deny=missing)
        message = await (await ada.slash("anywhere", where=channel)).finished()
        assert message is not None and message.ephemeral is (channel is guild.channel)


async def test_private_channels(
    playground: Playground, bot: PlaygroundBot, events: list[Json]
) -> None:
    """Group DMs and DMs of others have context 2; the bot sees none of their messages."""
    ada, ben, zoe = (playground.person(name) for name in ("Ada", "Ben", "Zoe"))
    ada.user.has_app = True
    for channel in (
        playground.add_private_channel(ada, ben),
        playground.add_private_channel(ada, ben, zoe),
    ):
        await ben.react(await ben.say("hello", where=channel), "🔁")
        await (await ada.slash("anywhere", where=channel)).finished()
        assert (events[-1][OWNERS], events[-1]["context"]) == ({"1": str(ada.id)}, 2)
        assert events[-1]["channel"]["type"] == channel.type
    group: Any = bot.interactions[-1].channel
    assert isinstance(group, discord.GroupChannel)
    assert [user.name for user in group.recipients] == ["ada", "ben", "zoe"]
    assert bot.reactions == []
    await (await ada.slash("anywhere", where=ada.dm)).finished()
    assert (events[-1][OWNERS], events[-1]["context"]) == ({"0": "0", "1": str(ada.id)}, 1)


@pytest.mark.parametrize("is_installed", [False, True])
async def test_a_user_install_has_five_followups(
    playground: Playground, bot: PlaygroundBot, http: Http, is_installed: bool
) -> None:
    """The sixth is refused with 40094, except where the application is also installed."""
    ada = playground.person("Ada")
    guild = playground.add_foreign_guild("Elsewhere", has_commands=is_installed)
    ada.user.has_app = True
    ada.join(guild)
    interaction = await ada.slash("anywhere", where=guild.channel)
    await interaction.acknowledged()
    path = f"/webhooks/{playground.world.bot.id}/{interaction.token}"
    results = []
    for _ in range(6):
        playground.clock.advance(1.0)  # for the rate limit
        status, body = await http.call("POST", path, json={"content": "x"})
        results.append((status, body.get("code")))
    assert results == [(200, None)] * 5 + [(200, None) if is_installed else (400, 40094)]


async def test_a_guild_with_commands_only(
    playground: Playground, bot: PlaygroundBot, events: list[Json]
) -> None:
    """The application is installed, but its bot is no member."""
    ada = playground.person("Ada")
    guild = playground.add_foreign_guild("Elsewhere", has_commands=True)
    ada.join(guild)
    assert "imagine" in commands(ada, guild.channel)
    interaction = await ada.slash("anywhere", where=guild.channel)
    await interaction.acknowledged()
    assert events[-1][OWNERS] == {"0": str(guild.id)}
    assert bot.interactions[-1].app_permissions.send_messages
    guild.has_commands = False
    assert interaction.original is not None
    with pytest.raises(NotAcknowledged):
        click = await ada.click(interaction.original, "Again")
        playground.clock.advance(3)
        await click.acknowledged()


async def test_our_commands_are_offered_everywhere(harness: BotHarness) -> None:
    """To users who installed the bot; those that need a server with the bot are not."""
    ada, ben = harness.ada, harness.discord.person("Ben")
    guild = harness.discord.add_foreign_guild("Elsewhere")
    ada.join(guild)
    private = harness.discord.add_private_channel(ada, ben)
    assert commands(ada, guild.channel) == commands(ada, private) == []
    ada.user.has_app = True
    elsewhere = set(commands(ada, guild.channel))
    assert elsewhere == set(commands(ada, private))
    assert {"imagine", "edit", "help", "settings", "Show recipe", "Use as sketch"} <= elsewhere
    here = set(commands(harness.discord.person("Root", admin=True), harness.discord.channel))
    assert here - elsewhere == {"admin", "breed", "stats", "🚩 Report", "Remove picture"}
    assert elsewhere <= set(commands(ada, ada.dm))
