"""Failures: missed deadlines, lost responses, rate limits, expired tokens."""

import aiohttp
import discord
import pytest

from bot.playground import (
    Fault,
    NotAcknowledged,
    Permission,
    Playground,
    PlaygroundError,
)
from tests.playground_bot import PlaygroundBot, channel_of, file


async def test_an_interaction_fails_after_three_seconds(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """An interaction without a response in 3 seconds fails; later callbacks are 10062."""
    bot.silent = True
    interaction = await playground.person("Ada").slash("imagine", prompt="x")
    playground.clock.advance(3)
    with pytest.raises(NotAcknowledged, match="The application did not respond"):
        await interaction.acknowledged()
    await playground.until(lambda: bot.interactions)
    with pytest.raises(discord.NotFound) as error:
        await bot.interactions[0].response.defer()
    assert error.value.code == 10062


async def test_a_second_callback_is_refused(playground: Playground, bot: PlaygroundBot) -> None:
    """An interaction can be acknowledged only once (40060)."""
    await playground.person("Ada").slash("imagine", prompt="x")
    await playground.until(
        lambda: bot.interactions and playground.messages() and playground.messages()[0].buttons
    )
    bot_interaction = bot.interactions[0]
    route = discord.http.Route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        interaction_id=bot_interaction.id,
        interaction_token=bot_interaction.token,
    )
    with pytest.raises(discord.HTTPException) as error:
        await bot.http.request(route, json={"type": 5})
    assert error.value.code == 40060


async def test_a_token_ends_after_fifteen_minutes(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """After 15 minutes the token is refused (50027); edits by channel still work."""
    interaction = await playground.person("Ada").slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    playground.clock.advance(15 * 60)
    with pytest.raises(discord.HTTPException) as error:
        await bot.interactions[0].edit_original_response(content="late")
    assert (error.value.status, error.value.code) == (401, 50027)
    assert interaction.response is not None
    await (
        channel_of(bot, playground)
        .get_partial_message(interaction.response.id)
        .edit(content="by channel")
    )
    assert interaction.response.content == "by channel"


async def test_direct_messages_arrive_unless_closed(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A DM is delivered, or refused (50007) if the user's DMs are closed."""
    ada = playground.person("Ada")
    user = await bot.fetch_user(ada.id)
    await user.send("your seeds", files=[file()])
    assert [m.content for m in playground.dms(ada)] == ["your seeds"]
    ada.user.closed_dms = True
    with pytest.raises(discord.Forbidden) as error:
        await user.send("again")
    assert error.value.code == 50007


async def test_a_channel_that_the_bot_may_not_write_to(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """Sending without SEND_MESSAGES is a 403 with code 50013."""
    playground.channel.bot_permissions &= ~Permission.SEND_MESSAGES
    with pytest.raises(discord.Forbidden) as error:
        await channel_of(bot, playground).send("hello")
    assert error.value.code == 50013


async def test_the_same_nonce_posts_once(playground: Playground, bot: PlaygroundBot) -> None:
    """A repeated nonce with enforce_nonce returns the existing message."""
    channel = channel_of(bot, playground)
    first = await channel.send("done", nonce="job-1")
    second = await channel.send("done", nonce="job-1")
    assert first.id == second.id
    playground.clock.advance(6 * 60)
    assert (await channel.send("done", nonce="job-1")).id != first.id


async def test_a_lost_response_posts_a_followup_twice(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """After a 502 discord.py retries, and followups have no nonce."""
    interaction = await playground.person("Ada").slash("imagine", prompt="x")
    await playground.until(lambda: interaction.response and interaction.response.buttons)
    playground.faults.next("POST", "/webhooks/", Fault(status=502, after_commit=True))
    await bot.interactions[0].followup.send("once?")
    assert [m.content for m in playground.messages()[1:]] == ["once?", "once?"]


async def test_a_dropped_connection_is_an_error_of_aiohttp(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """A dropped connection raises aiohttp.ClientError, and discord.py does not retry."""
    playground.faults.next("POST", "/messages", Fault(drop=True, after_commit=True))
    with pytest.raises(aiohttp.ClientError):
        await channel_of(bot, playground).send("lost")
    assert [m.content for m in playground.messages()] == ["lost"]


async def test_discord_py_retries_a_429_but_not_a_ban(
    playground: Playground, bot: PlaygroundBot
) -> None:
    """discord.py waits for Retry-After; a 429 without Via looks like a ban and raises."""
    playground.faults.next("POST", "/messages", Fault(status=429, retry_after=0.05))
    await channel_of(bot, playground).send("after a while")
    assert [m.content for m in playground.messages()] == ["after a while"]
    playground.faults.next("POST", "/messages", Fault(status=429, via=False))
    with pytest.raises(discord.HTTPException) as error:
        await channel_of(bot, playground).send("never")
    assert error.value.status == 429


@pytest.mark.parametrize("status", [502, 520])
async def test_a_proxy_answers_with_a_page(
    playground: Playground, bot: PlaygroundBot, status: int
) -> None:
    """discord.py tries some statuses again, and raises others with the page as text."""
    playground.faults.next("POST", "/messages", Fault(status=status, html=True))
    channel = channel_of(bot, playground)
    if status == 502:
        await channel.send("after a while")
        assert [m.content for m in playground.messages()] == ["after a while"]
    else:
        with pytest.raises(discord.DiscordServerError) as error:
            await channel.send("never")
        assert error.value.code == 0 and error.value.text.startswith("<html>")


async def test_a_429_may_have_a_code(playground: Playground, bot: PlaygroundBot) -> None:
    """As that for too many edits of messages older than an hour (30046)."""
    message = await channel_of(bot, playground).send("old")
    playground.faults.next("PATCH", "/messages", Fault(status=429, code=30046, retry_after=0.05))
    await message.edit(content="new")
    answers = [request.response for request in playground.requests if request.method == "PATCH"]
    assert [answer.status for answer in answers if answer] == [429, 200]
    assert answers[0] and answers[0].json == {
        "message": "You are being rate limited.",
        "code": 30046,
        "retry_after": 0.05,
        "global": False,
    }


async def test_files_have_another_limit(playground: Playground, bot: PlaygroundBot) -> None:
    """It is in the interaction, and larger files are refused (40005)."""
    playground.world.file_limit = 1000
    await playground.person("Ada").slash("form")
    await playground.until(lambda: bot.interactions)
    assert bot.interactions[0].filesize_limit == 1000
    with pytest.raises(discord.HTTPException) as error:
        await channel_of(bot, playground).send(file=file(data=bytes(1001)))
    assert (error.value.status, error.value.code) == (413, 40005)


async def test_a_port_in_use_is_an_error(playground: Playground) -> None:
    """Starting a second playground on the port raises PlaygroundError."""
    port = int(playground.url.rsplit(":", 1)[1])
    with pytest.raises(PlaygroundError, match=f"Port {port} on 127.0.0.1 is taken"):
        async with Playground(port=port):
            pass


async def test_a_timeout_shows_the_last_messages(playground: Playground) -> None:
    """TimedOut has the reason and the last messages of the channel."""
    await playground.person("Ada").say("hello")
    with pytest.raises(TimeoutError, match=r"Not within 0\.01 s: a picture; .*hello"):
        await playground.until(lambda: False, timeout=0.01, why="a picture")
