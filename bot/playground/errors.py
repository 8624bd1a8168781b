"""Errors of the playground's clients, and Discord's JSON error responses."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]
DMS_CLOSED = 50007
EXPLICIT_DM = 20009
NO_MUTUAL_GUILD = 50278
DM_REFUSALS = {
    EXPLICIT_DM: (400, "Explicit content cannot be sent to the desired recipient(s)"),
    DMS_CLOSED: (403, "Cannot send messages to this user"),
    NO_MUTUAL_GUILD: (403, "Cannot send messages to this user due to having no mutual guilds"),
}
"""Status and message by error code."""


class PlaygroundError(Exception):
    """Base class; the message is shown to the user."""


class InvalidOption(PlaygroundError):
    """Discord's client would reject this option value."""


class UnknownCommand(PlaygroundError):
    """The command is not registered, or not available in the channel."""


class NoSuchButton(PlaygroundError):
    """The message has no such enabled component."""


class NotPermitted(PlaygroundError):
    """The user lacks access or a permission."""


class NotAcknowledged(PlaygroundError):
    """The application did not respond to the interaction in time."""


class TimedOut(PlaygroundError, TimeoutError):
    """A condition did not become true in time."""


class ApiError(Exception):
    """A response with one of Discord's JSON error codes.

    `violation` marks requests that break an API rule, unlike errors that a correct bot may get.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        *,
        errors: Json | None = None,
        violation: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        self.violation = violation

    def body(self) -> Json:
        """Return the JSON body of the response."""
        body: Json = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body


def invalid(path: Sequence[str | int], code: str, sentence: str) -> ApiError:
    """Return an "Invalid Form Body" error (50035) for the field at `path`."""
    errors: Json = {"_errors": [{"code": code, "message": sentence}]}
    for key in reversed(path):
        errors = {str(key): errors}
    return ApiError(400, 50035, "Invalid Form Body", errors=errors, violation=True)


def unknown(resource: str, code: int) -> ApiError:
    """Return a 404 for a resource that does not exist."""
    return ApiError(404, code, f"Unknown {resource}")


def unknown_message() -> ApiError:
    """Return error 10008."""
    return unknown("Message", 10008)


def unknown_channel() -> ApiError:
    """Return error 10003."""
    return unknown("Channel", 10003)


def missing_permissions() -> ApiError:
    """Return error 50013: the bot lacks a permission in the channel."""
    return ApiError(403, 50013, "Missing Permissions")


def missing_access() -> ApiError:
    """Return error 50001: the bot cannot view the channel."""
    return ApiError(403, 50001, "Missing Access")


def wrong_channel_type() -> ApiError:
    """Return error 50024: a channel of this type has no such thing."""
    return ApiError(400, 50024, "Cannot execute action on this channel type", violation=True)


def too_large() -> ApiError:
    """Return error 40005: a file or the request exceeds the size limit."""
    return ApiError(413, 40005, "Request entity too large", violation=True)


def dm_refused(code: int) -> ApiError:
    """Return error 20009, 50007 or 50278: the user gets no direct message of the bot."""
    status, sentence = DM_REFUSALS[code]
    return ApiError(status, code, sentence)


def blocked_by_automod() -> ApiError:
    """Return error 200000: a rule of the server blocks the content."""
    return ApiError(400, 200000, "Message was blocked by automatic moderation")


def cannot_use_sticker() -> ApiError:
    """Return error 50081: the bot cannot send the sticker."""
    return ApiError(403, 50081, "Cannot use this sticker", violation=True)
