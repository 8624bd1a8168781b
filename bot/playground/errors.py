"""What can go wrong: sentences for whoever plays a person, and Discord's error answers."""

from collections.abc import Sequence
from typing import Any

Json = dict[str, Any]


class PlaygroundError(Exception):
    """The playground cannot do that."""


class InvalidOption(PlaygroundError):
    """Discord's own client would not send this command."""


class UnknownCommand(PlaygroundError):
    """No application has registered that command."""


class NoSuchButton(PlaygroundError):
    """The message has no enabled component like that."""


class NotPermitted(PlaygroundError):
    """The person may not do that here."""


class NotAcknowledged(PlaygroundError):
    """The application did not answer an interaction within 3 seconds."""


class TimedOut(PlaygroundError, TimeoutError):
    """What was waited for did not happen."""


class ApiError(Exception):
    """An answer with one of Discord's JSON error codes.

    `violation` tells broken rules from what may happen to a well-behaved bot.
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
        """The JSON that Discord answers with."""
        body: Json = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body


def invalid(path: Sequence[str | int], code: str, sentence: str) -> ApiError:
    """Discord's "Invalid Form Body", pointing at one field."""
    errors: Json = {"_errors": [{"code": code, "message": sentence}]}
    for step in reversed(path):
        errors = {str(step): errors}
    return ApiError(400, 50035, "Invalid Form Body", errors=errors, violation=True)


def unknown(what: str, code: int) -> ApiError:
    """Something that is not there, or no longer."""
    return ApiError(404, code, f"Unknown {what}")


def unknown_message() -> ApiError:
    """The message was deleted, never was, or is not for this reader."""
    return unknown("Message", 10008)


def unknown_channel() -> ApiError:
    """No such channel."""
    return unknown("Channel", 10003)


def missing_permissions() -> ApiError:
    """The bot lacks a permission in that channel."""
    return ApiError(403, 50013, "Missing Permissions")


def missing_access() -> ApiError:
    """The bot cannot even see that channel."""
    return ApiError(403, 50001, "Missing Access")


def too_large() -> ApiError:
    """A file or the whole request is over the limit."""
    return ApiError(413, 40005, "Request entity too large", violation=True)
