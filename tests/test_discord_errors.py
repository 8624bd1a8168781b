"""The table of Discord's errors and their meaning for a message."""

import aiohttp
import discord
import pytest
from yarl import URL

from bot.errors import DeliveryFailed
from bot.messages.discord_errors import (
    ContentRejected,
    Meaning,
    MessageGone,
    TokenExpired,
    meaning,
    translated_errors,
)


class Response:
    """The attributes of a response that discord.py reads."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.reason = "reason"
        self.url = URL("http://discord")


def error(status: int, code: int = 0, text: str = "x") -> discord.HTTPException:
    """Discord's error with this JSON code; 0 stands for an HTML page."""
    body = {"code": code, "message": text} if code else "<html>"
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(Response(status), body)  # type: ignore[arg-type] # only these fields are read


@pytest.mark.parametrize(
    ("status", "code", "by_channel", "by_token"),
    [
        (404, 10003, Meaning.GONE, Meaning.GONE),
        (404, 10008, Meaning.GONE, Meaning.GONE),
        (403, 50001, Meaning.GONE, Meaning.GONE),
        (404, 10015, Meaning.TOKEN_EXPIRED, Meaning.TOKEN_EXPIRED),
        (401, 50027, Meaning.TOKEN_EXPIRED, Meaning.TOKEN_EXPIRED),
        (404, 10062, Meaning.TOKEN_EXPIRED, Meaning.TOKEN_EXPIRED),
        (400, 50083, Meaning.ARCHIVED, Meaning.ARCHIVED),
        (400, 50035, Meaning.REJECTED, Meaning.REJECTED),
        (413, 40005, Meaning.REJECTED, Meaning.REJECTED),
        (403, 50013, Meaning.REJECTED, Meaning.REJECTED),
        (403, 160005, Meaning.REJECTED, Meaning.REJECTED),
        (400, 200000, Meaning.REJECTED, Meaning.REJECTED),
        (400, 20009, Meaning.DM_REFUSED, Meaning.DM_REFUSED),
        (403, 50007, Meaning.DM_REFUSED, Meaning.DM_REFUSED),
        (403, 50278, Meaning.DM_REFUSED, Meaning.DM_REFUSED),
        (429, 30046, Meaning.RETRY, Meaning.RETRY),
        (400, 40003, Meaning.RETRY, Meaning.RETRY),
        (429, 0, Meaning.RETRY, Meaning.RETRY),
        (500, 0, Meaning.RETRY, Meaning.RETRY),
        (503, 130000, Meaning.RETRY, Meaning.RETRY),
        (502, 10008, Meaning.RETRY, Meaning.RETRY),
        (400, 0, Meaning.REJECTED, Meaning.REJECTED),
        (401, 0, Meaning.GONE, Meaning.TOKEN_EXPIRED),
        (403, 0, Meaning.GONE, Meaning.TOKEN_EXPIRED),
        (404, 0, Meaning.GONE, Meaning.TOKEN_EXPIRED),
        (418, 0, Meaning.REJECTED, Meaning.REJECTED),
    ],
)
def test_the_meaning_of_an_error(
    status: int, code: int, by_channel: Meaning, by_token: Meaning
) -> None:
    """The JSON code decides; the status counts only without a known code."""
    assert meaning(error(status, code)) is by_channel
    assert meaning(error(status, code), by_token=True) is by_token


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (error(401, 50027), TokenExpired),
        (error(404, 10008), MessageGone),
        (error(400, 50083), MessageGone),
        (error(400, 50035), ContentRejected),
        (error(403, 50007), ContentRejected),
        (error(502), DeliveryFailed),
        (aiohttp.ClientConnectionError(), DeliveryFailed),
        (TimeoutError(), DeliveryFailed),
    ],
)
def test_errors_are_translated(raised: Exception, expected: type[Exception]) -> None:
    """Their text is kept."""
    with pytest.raises(expected), translated_errors(by_token=True):
        raise raised
