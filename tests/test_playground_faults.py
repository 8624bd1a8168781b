"""When things go wrong on the local Discord: silence, lost answers, limits, expired tokens."""

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
from tests.playground_bot import Easel, channel_of, file


async def test_silence_is_told_after_three_seconds(here: Playground, bot: Easel) -> None:
    """An interaction that the bot does not answer fails; answered later it is unknown (10062)."""
    bot.silent = True
    asked = await here.person("Ada").slash("imagine", prompt="x")
    here.clock.advance(3)
    with pytest.raises(NotAcknowledged, match="The application did not respond"):
        await asked.acknowledged()
    await here.until(lambda: bot.asked)
    with pytest.raises(discord.NotFound) as late:
        await bot.asked[0].response.defer()
    assert late.value.code == 10062


async def test_a_second_first_answer_is_refused(here: Playground, bot: Easel) -> None:
    """Each interaction is acknowledged once (40060)."""
    await here.person("Ada").slash("imagine", prompt="x")
    await here.until(lambda: bot.asked and here.messages() and here.messages()[0].buttons)
    state = bot.asked[0]
    route = discord.http.Route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        interaction_id=state.id,
        interaction_token=state.token,
    )
    with pytest.raises(discord.HTTPException) as twice:
        await bot.http.request(route, json={"type": 5})
    assert twice.value.code == 40060


async def test_a_token_ends_after_fifteen_minutes(here: Playground, bot: Easel) -> None:
    """Later edits by the token get 50027; an edit by the channel still works."""
    asked = await here.person("Ada").slash("imagine", prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    here.clock.advance(15 * 60)
    with pytest.raises(discord.HTTPException) as expired:
        await bot.asked[0].edit_original_response(content="late")
    assert (expired.value.status, expired.value.code) == (401, 50027)
    assert asked.response is not None
    await channel_of(bot, here).get_partial_message(asked.response.id).edit(content="by channel")
    assert asked.response.content == "by channel"


async def test_direct_messages_arrive_unless_closed(here: Playground, bot: Easel) -> None:
    """The bot writes to a person; one with closed direct messages cannot be reached (50007)."""
    ada = here.person("Ada")
    user = await bot.fetch_user(ada.id)
    await user.send("your seeds", files=[file()])
    assert [m.content for m in here.dms(ada)] == ["your seeds"]
    ada.user.closed_dms = True
    with pytest.raises(discord.Forbidden) as closed:
        await user.send("again")
    assert closed.value.code == 50007


async def test_a_channel_that_the_bot_may_not_write_to(here: Playground, bot: Easel) -> None:
    """Missing permissions are a 403 with Discord's code."""
    here.channel.bot_permissions &= ~Permission.SEND_MESSAGES
    with pytest.raises(discord.Forbidden) as refused:
        await channel_of(bot, here).send("hello")
    assert refused.value.code == 50013


async def test_the_same_nonce_posts_once(here: Playground, bot: Easel) -> None:
    """A message sent again with its enforced nonce is the message that is there already."""
    channel = channel_of(bot, here)
    first = await channel.send("done", nonce="job-1")
    second = await channel.send("done", nonce="job-1")
    assert first.id == second.id
    here.clock.advance(6 * 60)
    assert (await channel.send("done", nonce="job-1")).id != first.id


async def test_a_lost_answer_posts_a_followup_twice(here: Playground, bot: Easel) -> None:
    """502 after the work was done: discord.py tries again, and a followup has no nonce."""
    asked = await here.person("Ada").slash("imagine", prompt="x")
    await here.until(lambda: asked.response and asked.response.buttons)
    here.faults.next("POST", "/webhooks/", Fault(status=502, after_commit=True))
    await bot.asked[0].followup.send("once?")
    assert [m.content for m in here.messages()[1:]] == ["once?", "once?"]


async def test_a_cut_connection_is_an_error_of_aiohttp(here: Playground, bot: Easel) -> None:
    """The message was posted, but the bot cannot know: no Discord exception, no retry."""
    here.faults.next("POST", "/messages", Fault(drop=True, after_commit=True))
    with pytest.raises(aiohttp.ClientError):
        await channel_of(bot, here).send("lost")
    assert [m.content for m in here.messages()] == ["lost"]


async def test_a_429_is_waited_out_but_a_ban_is_not(here: Playground, bot: Easel) -> None:
    """discord.py waits for Retry-After; a 429 without Via looks like a ban and is raised."""
    here.faults.next("POST", "/messages", Fault(status=429, retry_after=0.05))
    await channel_of(bot, here).send("after a while")
    assert [m.content for m in here.messages()] == ["after a while"]
    here.faults.next("POST", "/messages", Fault(status=429, via=False))
    with pytest.raises(discord.HTTPException) as banned:
        await channel_of(bot, here).send("never")
    assert banned.value.status == 429


async def test_a_taken_port_is_told_in_a_sentence(here: Playground) -> None:
    """A second playground on the same port says that it is taken."""
    port = int(here.url.rsplit(":", 1)[1])
    with pytest.raises(PlaygroundError, match=f"Port {port} on 127.0.0.1 is taken"):
        async with Playground(port=port):
            pass


async def test_waiting_for_what_never_comes_says_what_was_there(here: Playground) -> None:
    """`until` fails with its reason, and with what the channel shows."""
    await here.person("Ada").say("hello")
    with pytest.raises(TimeoutError, match=r"Not within 0\.01 s: a picture; .*hello"):
        await here.until(lambda: False, timeout=0.01, why="a picture")
