"""Replies to users who act without an interaction, by a reaction or by a message."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from bot.context import BotClient
from bot.errors import BotError, PolicyViolation
from bot.features.permissions import CannotReply
from bot.i18n import N_, _
from bot.messages.discord_errors import DISCORD_ERRORS, describe

NOT_ALLOWED: Final = N_("This is not allowed here.")
"""Shown in public instead of the message of a PolicyViolation, which is for its user alone."""
log = logging.getLogger(__name__)


class ReplyAddress(NamedTuple):
    """The message to which the bot replies, and the user who wrote it or reacted to it."""

    channel_id: int
    message_id: int
    user_id: int


async def reply_temporarily(client: BotClient, address: ReplyAddress, text: str) -> None:
    """Reply in public, for some seconds."""
    await client.services.message_client.temporary_replies.send(*address, text)


@asynccontextmanager
async def handle_errors(
    client: BotClient, address: ReplyAddress, action: str
) -> AsyncIterator[None]:
    """Tell the user why the body failed: in public and for some seconds, unless the bot may not
    post there. `action` names what the user did, for the log."""
    try:
        yield
    except PolicyViolation as error:
        log.info("%s of %d is refused: %s", action, address.user_id, error)
        await reply_temporarily(client, address, _(NOT_ALLOWED))
    except CannotReply as error:
        await client.services.message_client.notify(address.user_id, str(error))
    except BotError as error:
        await reply_temporarily(client, address, str(error))
    except DISCORD_ERRORS as error:
        log.warning("%s failed: %s", action, describe(error))
