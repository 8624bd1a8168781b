"""The errors that carry a sentence for a person, and the exit codes of `python -m bot`."""

from enum import IntEnum
from typing import Final

import aiohttp

NETWORK_ERRORS: Final = (aiohttp.ClientError, OSError, TimeoutError)
"""What is raised when Discord cannot be reached."""


class ExitCode(IntEnum):
    """A promise to whoever supervises the process."""

    STOPPED = 0
    """Asked to stop, and stopped; or `replay` found the same bits."""
    CRASHED = 1
    """A part of the bot ended for a reason that nobody foresaw; the log has it."""
    USAGE = 2
    """The command line makes no sense."""
    SETTINGS = 3
    """A setting in the environment or in .env has an impossible value."""
    DATABASE_LOCKED = 4
    """Another program holds a lock on the database."""
    DATABASE_NEWER = 5
    """The database was made by a newer version of the bot."""
    DATABASE_BROKEN = 6
    """The database cannot be opened, read or migrated."""
    DATA_IN_USE = 7
    """Another bot runs on the same data folder."""
    PORT_TAKEN = 8
    """The port of the playground, or that of /metrics, is taken."""
    ENGINE_FAILED = 9
    """The engine did not start; its own last words are in the log."""
    TOKEN_REFUSED = 10
    """Discord does not know DISCORD_TOKEN."""
    DISCORD_UNREACHABLE = 11
    """Nothing answers at DISCORD_API as Discord does."""
    UNKNOWN_PICTURE = 12
    """`replay` was asked for a picture that the record does not have."""
    BITS_DIFFER = 13
    """`replay` painted other bits than the record has."""
    DATA_UNWRITABLE = 14
    """The data folder cannot be made or written to."""


class BotError(Exception):
    """Something went wrong, and the message says what, in words for a person."""


class Refused(BotError):
    """That request is not allowed."""


class PolicyViolation(Refused):
    """That is against the rules; the sentence is for the person alone, and never for others."""


class DeliveryFailed(BotError):
    """A message could not be delivered; a later attempt may succeed."""


class FatalError(BotError):
    """The bot cannot run; `exit` tells a supervisor why."""

    def __init__(self, sentence: str, exit: ExitCode) -> None:
        super().__init__(sentence)
        self.exit = exit
