"""What Discord's errors mean on the routes of the bot: one table, by Discord's JSON error code.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#json
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import Final

import discord

from bot.domain.clock import DAY
from bot.errors import NETWORK_ERRORS, DeliveryFailed
from bot.i18n import N_

DISCORD_ERRORS: Final = (discord.HTTPException, *NETWORK_ERRORS)
"""What a request to Discord raises if it fails."""
EMPTY_RESPONSE_ERRORS: Final = (KeyError, TypeError)
"""What discord.py raises if Discord answers with a 204 where a message is expected."""


class Meaning(Enum):
    """What an error means, and so what can be done."""

    TOKEN_EXPIRED = 1
    """The interaction token is not valid; the message may be reachable by its channel."""
    GONE = 2
    """The message, its channel or its server does not exist."""
    NO_ACCESS = 3
    """The bot cannot see the channel."""
    REJECTED = 4
    """Discord takes no such message here; it may take one without files or with other text."""
    ARCHIVED = 5
    """The thread is archived: it must be opened first, which may not be allowed."""
    DM_REFUSED = 6
    """This user gets no direct message from the bot."""
    ACKNOWLEDGED = 7
    """The interaction has a response already, perhaps by a request whose answer was lost."""
    UNAUTHORIZED = 8
    """The bot's own token is not valid: nothing works until the operator has replaced it."""
    RETRY = 9
    """The same request may succeed later."""


_CODES: Final[Mapping[int, Meaning]] = {
    10002: Meaning.REJECTED,  # unknown application
    10003: Meaning.GONE,  # unknown channel
    10004: Meaning.GONE,  # unknown guild
    10007: Meaning.REJECTED,  # unknown member
    10008: Meaning.GONE,  # unknown message
    10012: Meaning.TOKEN_EXPIRED,  # unknown token
    10013: Meaning.DM_REFUSED,  # unknown user
    10014: Meaning.REJECTED,  # unknown emoji
    10015: Meaning.TOKEN_EXPIRED,  # unknown webhook
    10062: Meaning.TOKEN_EXPIRED,  # unknown interaction
    10063: Meaning.REJECTED,  # unknown application command
    20001: Meaning.REJECTED,  # not for bots
    20009: Meaning.DM_REFUSED,  # explicit content cannot be sent to the recipient
    20012: Meaning.REJECTED,  # not authorized for this application
    20016: Meaning.RETRY,  # slowmode
    20022: Meaning.RETRY,  # rate limit of announcements
    20024: Meaning.NO_ACCESS,  # under the minimum age
    20026: Meaning.DM_REFUSED,  # the bot is quarantined (not documented)
    20028: Meaning.RETRY,  # write limit of the channel
    20029: Meaning.RETRY,  # write limit of the server
    30010: Meaning.REJECTED,  # too many reactions
    30015: Meaning.REJECTED,  # too many attachments
    30032: Meaning.REJECTED,  # too many commands
    30033: Meaning.REJECTED,  # too many members of the thread
    30034: Meaning.REJECTED,  # too many commands created today
    30046: Meaning.RETRY,  # too many edits of messages older than an hour
    40001: Meaning.UNAUTHORIZED,  # unauthorized
    40002: Meaning.REJECTED,  # the account must be verified
    40003: Meaning.RETRY,  # opening direct messages too fast
    40004: Meaning.RETRY,  # sending messages is temporarily disabled
    40005: Meaning.REJECTED,  # request entity too large
    40006: Meaning.RETRY,  # feature temporarily disabled
    40007: Meaning.NO_ACCESS,  # banned from the server
    40041: Meaning.REJECTED,  # a command of this name exists
    40043: Meaning.RETRY,  # interaction failed to send
    40058: Meaning.REJECTED,  # not in a forum channel
    40060: Meaning.ACKNOWLEDGED,  # interaction already acknowledged
    40062: Meaning.RETRY,  # service resource is rate limited
    40067: Meaning.REJECTED,  # a forum post needs a tag
    40094: Meaning.REJECTED,  # too many followups of a user-installed app
    40333: Meaning.RETRY,  # blocked by Cloudflare
    50001: Meaning.NO_ACCESS,  # missing access
    50003: Meaning.REJECTED,  # not in a direct message
    50005: Meaning.REJECTED,  # a message of another author
    50006: Meaning.REJECTED,  # empty message
    50007: Meaning.DM_REFUSED,  # cannot send messages to this user
    50008: Meaning.REJECTED,  # not a text channel
    50009: Meaning.REJECTED,  # verification level too high
    50013: Meaning.REJECTED,  # missing permissions, which may be those for files
    50014: Meaning.UNAUTHORIZED,  # invalid authentication token
    50021: Meaning.REJECTED,  # a system message
    50024: Meaning.REJECTED,  # not in this type of channel
    50026: Meaning.REJECTED,  # missing OAuth2 scope
    50027: Meaning.TOKEN_EXPIRED,  # invalid webhook token
    50033: Meaning.DM_REFUSED,  # invalid recipient
    50035: Meaning.REJECTED,  # invalid form body
    50041: Meaning.REJECTED,  # invalid API version
    50045: Meaning.REJECTED,  # file too large
    50046: Meaning.REJECTED,  # invalid file
    50055: Meaning.GONE,  # invalid guild
    50067: Meaning.REJECTED,  # invalid request origin
    50068: Meaning.REJECTED,  # invalid message type
    50083: Meaning.ARCHIVED,  # thread is archived
    50095: Meaning.NO_ACCESS,  # server not available in this location
    50101: Meaning.REJECTED,  # the server needs more boosts
    50109: Meaning.REJECTED,  # invalid JSON
    50110: Meaning.REJECTED,  # invalid file
    50123: Meaning.REJECTED,  # invalid type of file
    50146: Meaning.REJECTED,  # uploaded file not found
    50178: Meaning.REJECTED,  # the account must be verified
    50278: Meaning.DM_REFUSED,  # no mutual server
    60003: Meaning.REJECTED,  # the owner of the bot needs two-factor authentication
    90001: Meaning.REJECTED,  # reaction blocked
    110001: Meaning.RETRY,  # application not yet available
    130000: Meaning.RETRY,  # API overloaded
    160002: Meaning.REJECTED,  # replies need the permission to read the history
    160005: Meaning.REJECTED,  # thread is locked
    160006: Meaning.REJECTED,  # too many active threads
    160007: Meaning.REJECTED,  # too many active announcement threads
    160009: Meaning.REJECTED,  # references need the permission to read the history
    160010: Meaning.REJECTED,  # reference to a message of an age-restricted channel
    200000: Meaning.REJECTED,  # blocked by AutoMod
    200001: Meaning.REJECTED,  # title blocked by AutoMod
    220001: Meaning.REJECTED,  # webhook in a forum: neither thread nor name
    220002: Meaning.REJECTED,  # webhook in a forum: thread and name
    220003: Meaning.REJECTED,  # webhook: a new thread outside of a forum
    220004: Meaning.REJECTED,  # webhook service in a forum
    240000: Meaning.REJECTED,  # harmful links
    400001: Meaning.REJECTED,  # uploads are limited for this server
}
_BLOCKED_TEXT: Final = (200000, 200001, 240000)
"""Other text may be accepted."""
_STATUSES: Final[Mapping[int, Meaning]] = {
    401: Meaning.UNAUTHORIZED,
    404: Meaning.GONE,
    408: Meaning.RETRY,
    425: Meaning.RETRY,
    429: Meaning.RETRY,
}
"""For answers without a known code. All others reject the request."""
_PAGE_STATUSES: Final[Mapping[int, Meaning]] = {
    400: Meaning.REJECTED,
    413: Meaning.REJECTED,
    414: Meaning.REJECTED,
    415: Meaning.REJECTED,
    431: Meaning.REJECTED,
}
"""For answers that are not JSON. They come from a proxy in between, such as Cloudflare, and say
nothing about messages and channels: other requests may succeed later."""
_TOKEN_STATUSES: Final = (401, 403, 404)
_SERVER_ERROR: Final = 500
_JSON: Final = "application/json"
_DMS_CLOSED: Final = N_("your DMs are closed")
_DM_REASONS: Final[Mapping[int, str]] = {
    20009: N_(
        "Discord does not deliver these pictures to you (your settings filter explicit images)"
    ),
    20026: N_("Discord does not let me open new DMs"),
    40003: N_("I have opened too many DMs for now (please try again in a few minutes)"),
    50278: N_("you share no server with me any more"),
}


class MessageGone(Exception):
    """No message can be shown there: it was deleted, or the bot has no access to it."""


class TokenExpired(Exception):
    """The interaction token is no longer valid; the message may be reachable without it."""


class ContentRejected(Exception):
    """Discord rejects this content, but may accept other content."""


class TextBlocked(ContentRejected):
    """A rule of the server, or Discord's, blocks the text."""


REQUEST_ERRORS: Final = (MessageGone, TokenExpired, ContentRejected, DeliveryFailed)
"""What `translated_errors` raises."""


def meaning(error: Exception, *, by_token: bool = False) -> Meaning:
    """The meaning of one of DISCORD_ERRORS.

    `by_token` is True for requests with an interaction token instead of the bot's.
    """
    if not isinstance(error, discord.HTTPException):
        return Meaning.RETRY
    return meaning_of(error.status, _code(error), by_token=by_token)


def meaning_of(status: int, code: int | None, *, by_token: bool = False) -> Meaning:
    """The meaning of a response; `code` is None if it is not JSON."""
    if status >= _SERVER_ERROR:
        return Meaning.RETRY
    if code is None:
        return _PAGE_STATUSES.get(status, Meaning.RETRY)
    by_code = _CODES.get(code)
    if by_token and status in _TOKEN_STATUSES and by_code in (None, Meaning.UNAUTHORIZED):
        return Meaning.TOKEN_EXPIRED
    return by_code or _STATUSES.get(status, Meaning.REJECTED)


def is_text_blocked(error: Exception) -> bool:
    """Whether a rule of the server, or Discord's, blocks the text."""
    return isinstance(error, discord.HTTPException) and _code(error) in _BLOCKED_TEXT


def describe(error: Exception) -> str:
    """One of DISCORD_ERRORS in one line, without the pages of proxies."""
    if not isinstance(error, discord.HTTPException):
        return repr(error)
    if _code(error) is None:
        return f"{error.status} {error.response.reason}"
    return " ".join(str(error).split())


def dm_refusal(error: Exception) -> str | None:
    """Why a direct message was not accepted, for a sentence to its user.

    None if the reason has to do with neither the user nor direct messages.
    """
    code = _code(error) if isinstance(error, discord.HTTPException) else None
    default = _DMS_CLOSED if meaning(error) is Meaning.DM_REFUSED else None
    return default if code is None else _DM_REASONS.get(code, default)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds a response asks to wait, at most a day; None if it does not."""
    try:
        return min(max(0.0, float(headers["Retry-After"])), DAY)
    except (KeyError, ValueError):
        return None


def _seconds_to_wait(error: Exception) -> float:
    if not isinstance(error, discord.HTTPException):
        return 0.0
    return retry_after(error.response.headers) or 0.0


def _code(error: discord.HTTPException) -> int | None:
    """Discord's JSON error code; None if the response is not JSON."""
    return error.code if error.response.headers.get("Content-Type") == _JSON else None


@contextmanager
def translated_errors(*, by_token: bool) -> Iterator[None]:
    """Raise one of REQUEST_ERRORS for one of DISCORD_ERRORS."""
    try:
        yield
    except DISCORD_ERRORS as error:
        raise _exception(error, by_token=by_token) from error


def _exception(error: Exception, *, by_token: bool) -> Exception:
    reason = describe(error)
    match meaning(error, by_token=by_token):
        case Meaning.TOKEN_EXPIRED:
            return TokenExpired(reason)
        case Meaning.GONE | Meaning.NO_ACCESS | Meaning.ARCHIVED | Meaning.DM_REFUSED:
            return MessageGone(reason)
        case Meaning.RETRY | Meaning.UNAUTHORIZED:
            return DeliveryFailed(
                f"Discord has a problem ({reason}).", retry_after=_seconds_to_wait(error)
            )
        case _:
            return TextBlocked(reason) if is_text_blocked(error) else ContentRejected(reason)
