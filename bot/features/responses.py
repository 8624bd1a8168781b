"""First answers to interactions: within three seconds, and never silence."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeVar

import aiohttp
import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.db.connection import retry_until_written
from bot.domain.job import Job, RequestContext, ResponseTarget
from bot.errors import NETWORK_ERRORS, BotError
from bot.messages import channels
from bot.messages.message_client import ORIGINAL_RESPONSE
from engine.log import log_context

_UNFORESEEN: Final = "Something went wrong inside the bot; its log says what."
_CONTENT_LIMIT: Final = 2000
BRIEFLY: Final = "…"
"""What a public answer says until it is deleted."""
_TRIES: Final = 2
_BARE: Final = (KeyError, TypeError)
"""What discord.py raises when an answer was taken, but with a 204 that tells nothing of it."""
_LOST: Final = (aiohttp.ClientError, ConnectionError, TimeoutError)
"""NETWORK_ERRORS, but without what may also come of a file."""
log = logging.getLogger(__name__)

T = TypeVar("T")


def origin(interaction: Interaction) -> RequestContext:
    """Who asks, by this interaction, and where."""
    return RequestContext(
        idempotency_key=f"interaction:{interaction.id}",
        user_id=interaction.user.id,
        channel=channels.from_interaction(interaction),
        target=ResponseTarget(
            channel_id=interaction.channel_id or 0,
            guild_id=interaction.guild_id,
            application_id=interaction.application_id,
            token=interaction.token,
        ),
        role_ids=roles(interaction.user),
    )


def roles(person: discord.User | discord.Member | None) -> tuple[int, ...]:
    """Of a member, with @everyone; none of somebody who is not on a server."""
    return tuple(role.id for role in person.roles) if isinstance(person, discord.Member) else ()


async def whisper(interaction: Interaction, sentence: str) -> bool:
    """Tell only this person; False if Discord did not take it."""
    sentence = sentence[:_CONTENT_LIMIT]
    try:
        if not interaction.response.is_done():
            with suppress(*_BARE):
                await twice(lambda: interaction.response.send_message(sentence, ephemeral=True))
            return True
        # While the public answer still loads, a followup would take its place.
        with suppress(discord.NotFound):  # somebody took it away
            await twice(lambda: interaction.edit_original_response(content=BRIEFLY))
        await twice(lambda: interaction.followup.send(sentence, ephemeral=True))
        with suppress(discord.NotFound):
            await twice(interaction.delete_original_response)
    except (discord.HTTPException, *NETWORK_ERRORS) as error:
        log.warning("Could not answer interaction %s: %r", interaction.id, error)
        return False
    return True


async def twice(say: Callable[[], Awaitable[T]]) -> T:
    """What may not have reached Discord is said again, once."""
    try:
        return await say()
    except NETWORK_ERRORS:
        return await say()


async def acknowledge(interaction: Interaction) -> int | None:
    """Say publicly that an answer will come; its message's id, or None if Discord took no answer.

    The answer to an answer can get lost, so a failure is no proof: Discord is asked. What was lost
    on the way there is said again.
    """
    for _ in range(_TRIES):
        arrived = True
        try:
            taken = await interaction.response.defer(thinking=True)
            if taken is not None and taken.message_id is not None:
                return taken.message_id
        except (discord.HTTPException, *_BARE, *NETWORK_ERRORS) as error:
            log.warning("Interaction %s was perhaps not acknowledged: %r", interaction.id, error)
            arrived = not isinstance(error, NETWORK_ERRORS)
        try:
            return (await interaction.followup.fetch_message(ORIGINAL_RESPONSE)).id
        except (discord.HTTPException, *NETWORK_ERRORS) as error:
            log.warning("Interaction %s was not acknowledged: %r", interaction.id, error)
        if arrived:
            break
    return None


async def start(interaction: Interaction, accepted: Awaitable[Job | None]) -> None:
    """Record a job, answer, and let it begin; a job that was asked for before is no new one."""
    job = await accepted
    if job is None:
        log.info("Interaction %s came again and is ignored.", interaction.id)
        return
    with log_context(job=job.id):
        message = await acknowledge(interaction)
        if message is None:
            await services(interaction).job_service.resume_unacknowledged(
                job
            )  # Discord may have lost all that we asked
            return
        log.info("job answered", extra={"interaction": interaction.id})
        await retry_until_written(lambda: services(interaction).jobs.set_message(job.id, message))
        services(interaction).job_service.start(job)


async def guarded(interaction: Interaction, wish: Awaitable[None]) -> None:
    """Do what a person wishes, or tell them in words why not."""
    interaction.client.answers()
    try:
        await wish
    except BotError as error:
        await whisper(interaction, str(error))
    except (discord.HTTPException, *_LOST) as error:
        log.warning("Discord did not take the answer to interaction %s: %r", interaction.id, error)
        await whisper(interaction, "Discord did not take my answer. Please try again.")
    except Exception:
        log.exception("Interaction %s met something unforeseen.", interaction.id)
        await whisper(interaction, _UNFORESEEN)


async def explain(interaction: Interaction, error: app_commands.AppCommandError) -> None:
    """A command did not even start: say why."""
    if isinstance(error, app_commands.CommandNotFound):
        await whisper(interaction, "I have no such command (any more). Try /imagine.")
    elif isinstance(error, app_commands.CommandSignatureMismatch):
        await whisper(interaction, "Those options do not fit the command. Reload Discord (Ctrl+R).")
    elif isinstance(error, app_commands.TransformerError):
        await whisper(interaction, f"The value “{str(error.value)[:100]}” makes no sense here.")
    else:
        log.error("Interaction %s failed.", interaction.id, exc_info=error)
        await whisper(interaction, _UNFORESEEN)
