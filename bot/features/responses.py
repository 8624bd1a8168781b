"""First responses to interactions, within Discord's three seconds, and the handling of errors."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final

import discord
import msgspec
from discord import app_commands

from bot.context import BotClient, Interaction, services
from bot.domain.delivery import Delivery
from bot.domain.job import Job, RequestContext, ResponseTarget
from bot.errors import INTERNAL_ERROR, BotError, Refused
from bot.features import restrictions
from bot.features.permissions import check_can_respond
from bot.gateway.command_tree import LargeCommandTree
from bot.i18n import _, from_english, set_language
from bot.messages import channels
from bot.messages.discord_errors import (
    DISCORD_ERRORS,
    EMPTY_RESPONSE_ERRORS,
    REQUEST_ERRORS,
    Meaning,
    describe,
    meaning,
)
from bot.messages.message_client import ORIGINAL_RESPONSE, retry_once
from engine.log import log_context

_MAX_CONTENT: Final = 2000
_ATTEMPTS: Final = 2
_PRIVATE: Final = "is_deferred_privately"
_IS_PRIVATE: Final = "is_private"
"""Among the `extras` of an interaction."""
log = logging.getLogger(__name__)


def request_context(interaction: Interaction) -> RequestContext:
    """The user, the channel and the response target of an interaction that asks for pictures.

    Raises Refused if the bot may not post pictures there.
    """
    check_can_respond(interaction)
    services(interaction).message_client.upload_limits.remember(interaction)
    return RequestContext(
        idempotency_key=f"interaction:{interaction.id}",
        user_id=interaction.user.id,
        channel=channels.from_interaction(interaction),
        target=response_target(interaction),
        role_ids=role_ids(interaction.user),
        is_token_only=channels.is_reached_by_token_only(interaction),
        is_private=_IS_PRIVATE in interaction.extras,
    )


def make_private(interaction: Interaction) -> None:
    """Let only the user see what is requested, and the response to it."""
    interaction.extras[_IS_PRIVATE] = True


async def keep_private(interaction: Interaction, job_id: str | None) -> None:
    """Make a request private that comes from the private result of the job of this id."""
    message = interaction.message
    if job_id is None or message is None or not message.flags.ephemeral:
        return
    job = await services(interaction).job_finder.by_button(job_id)
    if job.plan.is_private:
        make_private(interaction)


async def check_not_blocked(interaction: Interaction) -> None:
    """Raise Refused if moderators of the server have blocked the user; for requests that paint
    nothing, as `JobService.submit` checks the others."""
    moderation = services(interaction).moderation
    await moderation.check_not_blocked(interaction.guild_id, interaction.user.id)


def response_target(interaction: Interaction) -> ResponseTarget:
    """Where the response to an interaction is."""
    return ResponseTarget(
        channel_id=interaction.channel_id or 0,
        guild_id=interaction.guild_id,
        application_id=interaction.application_id,
        token=interaction.token,
    )


def role_ids(user: discord.User | discord.Member | None) -> tuple[int, ...]:
    """The roles of a guild member, including @everyone; none of other users."""
    return tuple(role.id for role in user.roles) if isinstance(user, discord.Member) else ()


def use_language_of(interaction: Interaction) -> None:
    """Respond in the user's language."""
    set_language(services(interaction).languages.of_interaction(interaction))


def language_of_place(interaction: Interaction) -> str:
    """The language of a response that all can read."""
    return services(interaction).languages.in_place(
        interaction.user.id, interaction.guild_id, interaction.channel_id
    )


# Responses


async def respond_ephemeral(interaction: Interaction, content: str) -> bool:
    """Send a message that only this user sees; False if Discord did not accept it."""
    content = from_english(content)[:_MAX_CONTENT]
    if not interaction.response.is_done():
        return await _respond_first(interaction, content)
    if _PRIVATE in interaction.extras:
        return await _edit_private(interaction, content)
    messages, target = services(interaction).message_client, response_target(interaction)
    try:
        await messages.respond_ephemeral(target, content)
        await messages.delete_response(target)
    except REQUEST_ERRORS as error:
        log.warning("Could not respond to interaction %s: %s", interaction.id, error)
        return False
    return True


async def _respond_first(interaction: Interaction, content: str) -> bool:
    try:
        await retry_once(lambda: _send_response(interaction, content))
    except DISCORD_ERRORS as error:
        if meaning(error, by_token=True) is Meaning.ACKNOWLEDGED:
            if _PRIVATE in interaction.extras:  # the defer arrived, and its answer was lost
                return await _edit_private(interaction, content)
            return True  # the first attempt arrived, and its answer was lost
        log.warning("Could not respond to interaction %s: %s", interaction.id, describe(error))
        return False
    return True


async def _edit_private(interaction: Interaction, content: str) -> bool:
    target = response_target(interaction)
    try:
        await services(interaction).message_client.edit_ephemeral(target, content)
    except REQUEST_ERRORS as error:
        log.warning("Could not respond to interaction %s: %s", interaction.id, error)
        return False
    return True


async def _send_response(interaction: Interaction, content: str) -> None:
    with suppress(*EMPTY_RESPONSE_ERRORS):
        await interaction.response.send_message(content, ephemeral=True)


async def defer_privately(interaction: Interaction) -> None:
    """Show only this user that the bot is thinking; an error takes the place of it."""
    interaction.extras[_PRIVATE] = True  # first: Discord may accept it, and its answer be lost
    await interaction.response.defer(ephemeral=True, thinking=True)


async def defer_update(interaction: Interaction) -> None:
    """Say that the private message of a button will be edited; an error takes the place of it."""
    interaction.extras[_PRIVATE] = True
    await interaction.response.defer()


async def defer(interaction: Interaction) -> int | None:
    """Defer a public response, or a private one of a private request; return its message id, or
    None if Discord has no response.

    A failed defer may still have reached Discord, so this looks for the original response before
    it retries.
    """
    for _attempt in range(_ATTEMPTS):
        may_retry = False
        try:
            message_id = await _defer(interaction)
            if message_id is not None:
                return message_id
        except DISCORD_ERRORS as error:
            log.warning("Interaction %s may not be deferred: %s", interaction.id, describe(error))
            may_retry = meaning(error, by_token=True) is Meaning.RETRY
        try:
            return (await interaction.followup.fetch_message(ORIGINAL_RESPONSE)).id
        except DISCORD_ERRORS as error:
            log.warning("Interaction %s has no response: %s", interaction.id, describe(error))
        if not may_retry:
            break
    return None


async def _defer(interaction: Interaction) -> int | None:
    """The message id, if Discord's reply contains it."""
    try:
        is_private = _IS_PRIVATE in interaction.extras
        callback = await interaction.response.defer(thinking=True, ephemeral=is_private)
    except EMPTY_RESPONSE_ERRORS as error:
        log.warning("The callback of interaction %s has no body: %r", interaction.id, error)
        return None
    return None if callback is None else callback.message_id


async def defer_and_start(
    interaction: Interaction, job: Job | None, message_id: int | None = None
) -> None:
    """Respond to the request and start its job; None if the request is a duplicate.

    `message_id` is that of the response if it was deferred already.
    """
    if job is None:
        log.info("Interaction %s is a duplicate and is ignored.", interaction.id)
        return
    with log_context(job=job.id):
        message_id = message_id or await defer(interaction)
        if message_id is None:
            await services(interaction).job_service.resume_unacknowledged(job)
            return
        log.info("job answered", extra={"interaction": interaction.id})
        await services(interaction).job_service.acknowledge(job, message_id)


async def respond_with_file(
    interaction: Interaction,
    delivery: Delivery,
    link: Callable[[Delivery], Awaitable[bool]] | None = None,
) -> None:
    """Respond with what is stored already, such as a picture; a restart does not lose it.

    If the same is shown here already, `link` is called with that, and its response replaces this
    one unless it returns False.
    """
    outbox = services(interaction).outbox
    async with outbox.adding(delivery):
        earlier = None if link is None else await outbox.earlier(delivery)
        if link is not None and earlier is not None and await link(earlier):
            await outbox.withdraw(delivery)
            return
        message_id = await defer(interaction)
        if message_id is not None:
            target = msgspec.structs.replace(delivery.target, message_id=message_id)
            current = msgspec.structs.replace(delivery, target=target)
            await outbox.deliver_now(current, partial(respond_ephemeral, interaction))


async def show_pressed(interaction: Interaction) -> None:
    """Colour the button of a public message that was pressed."""
    data: dict[str, Any] = dict(interaction.data or {})
    message = interaction.message
    if message is None or message.flags.ephemeral or not message.components:
        return
    if not channels.is_reached_by_token_only(interaction):
        messages = services(interaction).message_client
        await messages.mark_pressed(message, str(data.get("custom_id")))


async def reset_menu(interaction: Interaction) -> None:
    """After a choice in a menu of a public message: let the same choice be made again."""
    data: dict[str, Any] = dict(interaction.data or {})
    is_menu = data.get("component_type") == discord.ComponentType.select.value
    message = interaction.message
    if not is_menu or message is None or message.flags.ephemeral:
        return
    if not channels.is_reached_by_token_only(interaction):
        await services(interaction).message_client.reset_menus(message)


# Errors


class CommandTree(LargeCommandTree[BotClient]):
    """The commands; `respond_to_error` handles their errors."""

    async def interaction_check(self, interaction: Interaction) -> bool:
        """Allow the commands that the guild allows, and make the client wait for this one at
        shutdown."""
        interaction.client.track_current_task()
        use_language_of(interaction)
        data: dict[str, Any] = dict(interaction.data or {})
        name = str(data.get("name"))
        is_typing = interaction.type is discord.InteractionType.autocomplete
        if is_typing or name not in interaction.client.restrictable_commands:
            return True
        try:
            restrictions.check(interaction, (name,))
        except Refused as error:
            await respond_ephemeral(interaction, str(error))
            return False
        return True

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError) -> None:
        """Respond to a command that failed or could not be invoked."""
        if isinstance(error, app_commands.CommandInvokeError):
            await respond_to_error(interaction, error.original)
        elif isinstance(error, app_commands.CommandNotFound):
            sentence = _("This command no longer exists. Try /imagine.")
            await respond_ephemeral(interaction, sentence)
        elif isinstance(error, app_commands.CommandSignatureMismatch):
            sentence = _("This command has changed. Reload Discord (Ctrl+R) and try again.")
            await respond_ephemeral(interaction, sentence)
        elif isinstance(error, app_commands.TransformerError):
            sentence = _("“{value}” is not a valid value here.")
            await respond_ephemeral(interaction, sentence.format(value=str(error.value)[:100]))
        else:
            await respond_to_error(interaction, error)


@asynccontextmanager
async def handle_errors(interaction: Interaction) -> AsyncIterator[None]:
    """Like the CommandTree, for a component or a modal."""
    interaction.client.track_current_task()
    try:
        yield
    except Exception as error:  # noqa: BLE001 # top level: each error gets a response
        await respond_to_error(interaction, error)


async def respond_to_error(interaction: Interaction, error: Exception) -> None:
    """Tell the user why the interaction failed; log what is not meant for the user."""
    if isinstance(error, (*DISCORD_ERRORS, *REQUEST_ERRORS)):
        reason = str(error) if isinstance(error, REQUEST_ERRORS) else describe(error)
        log.warning("Discord rejected the response to %s: %s", interaction.id, reason)
        sentence = _("Discord rejected my response. Please try again.")
        await respond_ephemeral(interaction, sentence)
    elif isinstance(error, BotError):
        await respond_ephemeral(interaction, str(error))
    else:
        log.error("Interaction %s failed.", interaction.id, exc_info=error)
        await respond_ephemeral(interaction, _(INTERNAL_ERROR))
