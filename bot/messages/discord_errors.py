"""What Discord's errors mean for a message of ours: one table, by Discord's JSON error code.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Final

import discord

from bot.errors import NETWORK_ERRORS, DeliveryFailed


class Meaning(Enum):
    """What an error means, and so what can be done."""

    TOKEN_EXPIRED = 1
    """The interaction token is not valid; the message may be reachable by its channel."""
    GONE = 2
    """The message or its channel does not exist, or the bot cannot see it."""
    REJECTED = 3
    """Discord takes no such message here; it may take one without files or with other text."""
    ARCHIVED = 4
    """The thread is archived: it must be opened first, which may not be allowed."""
    DM_REFUSED = 5
    """This user gets no direct message from the bot."""
    RETRY = 6
    """The same request may succeed later."""


_CODES: Final[Mapping[int, Meaning]] = {
    10003: Meaning.GONE,  # unknown channel
    10004: Meaning.GONE,  # unknown guild
    10008: Meaning.GONE,  # unknown message
    10015: Meaning.TOKEN_EXPIRED,  # unknown webhook
    10062: Meaning.TOKEN_EXPIRED,  # unknown interaction
    20009: Meaning.DM_REFUSED,  # explicit content cannot be sent to the recipient
    20016: Meaning.RETRY,  # slowmode
    20028: Meaning.RETRY,  # write limit of the channel
    20029: Meaning.RETRY,  # write limit of the server
    30046: Meaning.RETRY,  # too many edits of messages older than an hour
    40003: Meaning.RETRY,  # opening direct messages too fast
    40005: Meaning.REJECTED,  # request entity too large
    40062: Meaning.RETRY,  # service resource is rate limited
    40094: Meaning.REJECTED,  # too many followups of a user-installed app
    40333: Meaning.RETRY,  # blocked by Cloudflare
    50001: Meaning.GONE,  # missing access
    50006: Meaning.REJECTED,  # empty message
    50007: Meaning.DM_REFUSED,  # cannot send messages to this user
    50008: Meaning.REJECTED,  # not a text channel
    50009: Meaning.REJECTED,  # verification level too high
    50013: Meaning.REJECTED,  # missing permissions, which may be those for files
    50024: Meaning.REJECTED,  # not in this type of channel
    50027: Meaning.TOKEN_EXPIRED,  # invalid webhook token
    50035: Meaning.REJECTED,  # invalid form body
    50045: Meaning.REJECTED,  # file too large
    50083: Meaning.ARCHIVED,  # thread is archived
    50146: Meaning.REJECTED,  # invalid file
    50278: Meaning.DM_REFUSED,  # no mutual server
    130000: Meaning.RETRY,  # API overloaded
    160002: Meaning.REJECTED,  # replies need the permission to read the history
    160005: Meaning.REJECTED,  # thread is locked
    200000: Meaning.REJECTED,  # blocked by AutoMod
    200001: Meaning.REJECTED,  # title blocked by AutoMod
    240000: Meaning.REJECTED,  # harmful links
}
_STATUSES: Final[Mapping[int, Meaning]] = {
    400: Meaning.REJECTED,
    401: Meaning.GONE,
    403: Meaning.GONE,
    404: Meaning.GONE,
    413: Meaning.REJECTED,
    429: Meaning.RETRY,
}
"""For answers without a known code, such as Cloudflare's pages in HTML."""
_TOKEN_STATUSES: Final = (401, 403, 404)
_SERVER_ERROR: Final = 500


class MessageGone(Exception):
    """The message was deleted, or the bot has no access to it."""


class TokenExpired(Exception):
    """The interaction token is no longer valid; the message may be reachable without it."""


class ContentRejected(Exception):
    """Discord rejects this content, but may accept other content."""


def meaning(error: discord.HTTPException, *, by_token: bool = False) -> Meaning:
    """The meaning of an error; `by_token` is True for requests with an interaction token."""
    if error.status >= _SERVER_ERROR:
        return Meaning.RETRY
    if error.code in _CODES:
        return _CODES[error.code]
    if by_token and error.status in _TOKEN_STATUSES:
        return Meaning.TOKEN_EXPIRED
    return _STATUSES.get(error.status, Meaning.REJECTED)


@contextmanager
def translated_errors(*, by_token: bool) -> Iterator[None]:
    """Raise the exception of this module, or DeliveryFailed, for an error of discord.py."""
    try:
        yield
    except discord.HTTPException as error:
        raise _exception(error, by_token=by_token) from error
    except NETWORK_ERRORS as error:
        raise DeliveryFailed(f"Discord cannot be reached ({error!r}).") from error


def _exception(error: discord.HTTPException, *, by_token: bool) -> Exception:
    match meaning(error, by_token=by_token):
        case Meaning.TOKEN_EXPIRED:
            return TokenExpired(str(error))
        case Meaning.GONE | Meaning.ARCHIVED:
            return MessageGone(str(error))
        case Meaning.RETRY:
            return DeliveryFailed(f"Discord has a problem ({error}).")
        case _:
            return ContentRejected(str(error))
