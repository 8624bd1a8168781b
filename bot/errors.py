"""The errors that carry a sentence for a person."""

from bot.exits import Exit


class BotError(Exception):
    """Something went wrong, and the message says what, in words for a person."""


class Refused(BotError):
    """That request is not allowed."""


class Forbidden(Refused):
    """That is against the rules; the sentence is for the person alone, and never for others."""


class CannotStart(BotError):
    """The bot cannot run; `exit` tells a supervisor why."""

    def __init__(self, sentence: str, exit: Exit) -> None:
        super().__init__(sentence)
        self.exit = exit
