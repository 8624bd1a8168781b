"""The log on standard error, which keeps secrets to itself."""

import logging
import re
import sys
from typing import Final

_SECRET: Final = re.compile(r"(/(?:webhooks|interactions)/\d+/)[^/?\s'\"]+")
"""The token of an interaction, in the addresses that errors of the network name."""


class Discreet(logging.Formatter):
    """Writes a line, with its traceback, without the tokens in it."""

    def format(self, record: logging.LogRecord) -> str:
        """As any formatter, then made harmless."""
        return _SECRET.sub(r"\1…", super().format(record))


def begin() -> None:
    """Write the log of the whole process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Discreet("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
