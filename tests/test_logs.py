"""The log on standard error."""

import logging
import sys

import aiohttp
import pytest

from bot.logs import Discreet

WEBHOOK = "https://discord.com/api/v10/webhooks/12/aW50ZXI-_secret/messages/@original"
CALLBACK = "https://discord.com/api/v10/interactions/34/aW50ZXI-_secret/callback?with_response=1"


@pytest.mark.parametrize("address", [WEBHOOK, CALLBACK])
def test_an_interactions_token_is_not_written(address: str) -> None:
    """Neither in the words nor in the traceback, where aiohttp names the address."""
    try:
        raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {address}")
    except aiohttp.ClientError as error:
        record = logging.LogRecord(
            "bot", logging.WARNING, __file__, 1, "Lost: %r", (error,), sys.exc_info()
        )
    written = Discreet("%(message)s").format(record)
    assert "secret" not in written
    assert written.count(address.split("/aW50")[0]) == 2


def test_other_words_stay() -> None:
    """Only what stands where a token stands is left out."""
    record = logging.LogRecord("bot", logging.INFO, __file__, 1, "Job %s is done.", ("j1",), None)
    assert Discreet("%(message)s").format(record) == "Job j1 is done."
