"""Errors whose message is shown to users, and the exit codes of `python -m bot`."""

import socket
import ssl
from enum import IntEnum
from typing import Final

import aiohttp

from bot.i18n import N_

NETWORK_ERRORS: Final = (
    *(aiohttp.ClientError, ConnectionError, TimeoutError),
    *(socket.gaierror, ssl.SSLError),
)
"""Raised when Discord cannot be reached. Other OSErrors are those of files and disks."""


INTERNAL_ERROR: Final = N_("Something went wrong. The error is in the bot's log.")
"""The sentence for users after an error that is none of this module's: a bug."""


class ExitCode(IntEnum):
    """Stable: supervisors of the process may depend on these numbers."""

    STOPPED = 0
    """Stopped on request, or `replay` produced the same bits."""
    CRASHED = 1
    """An unexpected error; the log has the traceback."""
    USAGE = 2
    """Invalid command line."""
    SETTINGS = 3
    """A setting in the environment or in .env has an invalid value."""
    DATABASE_LOCKED = 4
    """Another process holds a lock on the database."""
    DATABASE_NEWER = 5
    """The database was made by a newer version of the bot."""
    DATABASE_BROKEN = 6
    """The database cannot be opened, read or migrated."""
    DATA_IN_USE = 7
    """Another bot runs on the same data folder."""
    PORT_TAKEN = 8
    """The port of the playground, or that of /metrics, is taken."""
    ENGINE_FAILED = 9
    """The engine did not start; the log has its last line."""
    TOKEN_REFUSED = 10
    """Discord rejects DISCORD_TOKEN."""
    DISCORD_UNREACHABLE = 11
    """No Discord API answers at DISCORD_API."""
    UNKNOWN_PICTURE = 12
    """The database has no picture with the id given to `replay`."""
    BITS_DIFFER = 13
    """`replay` produced other bits than the stored ones."""
    DATA_UNWRITABLE = 14
    """The data folder cannot be created or written to."""
    GATEWAY_REFUSED = 15
    """Discord's gateway closed the connection for good; the message says why."""


class BotError(Exception):
    """The message is a sentence for the user."""


class Refused(BotError):
    """The request is not allowed."""


class PolicyViolation(Refused):
    """The request violates a rule; the message is for this user alone."""


class DeliveryFailed(BotError):
    """A message could not be delivered; a later attempt may succeed.

    `retry_after` is how many seconds Discord asks to wait before it.
    """

    def __init__(self, sentence: str, *, retry_after: float = 0.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class FatalError(BotError):
    """The bot cannot start or go on; `exit` is its exit code."""

    def __init__(self, sentence: str, exit: ExitCode) -> None:
        super().__init__(sentence)
        self.exit = exit
