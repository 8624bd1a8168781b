"""The table of Discord's errors and their meaning for a message."""

from collections.abc import Iterable

import aiohttp
import discord
import pytest
from yarl import URL

from bot.domain.clock import DAY
from bot.errors import DeliveryFailed
from bot.messages.discord_errors import (
    _CODES,
    ContentRejected,
    Meaning,
    MessageGone,
    TextBlocked,
    TokenExpired,
    describe,
    dm_refusal,
    meaning,
    translated_errors,
)


class Response:
    """The attributes of a response that discord.py and the table read."""

    def __init__(self, status: int, content_type: str) -> None:
        self.status = status
        self.reason = "reason"
        self.url = URL("http://discord")
        self.headers = {"Content-Type": content_type}


def error(status: int, code: int | None = None) -> discord.HTTPException:
    """Discord's error with this JSON code; None stands for an HTML page."""
    body = "<html>a page</html>" if code is None else {"code": code, "message": "x"}
    content_type = "text/html" if code is None else "application/json"
    kind = {403: discord.Forbidden, 404: discord.NotFound}.get(status, discord.HTTPException)
    return kind(Response(status, content_type), body)  # type: ignore[arg-type] # only these fields are read


CODES = {
    Meaning.TOKEN_EXPIRED: [10012, 10015, 10062, 50027],
    Meaning.GONE: [10003, 10004, 10008, 50055],
    Meaning.NO_ACCESS: [20024, 40007, 50001, 50095],
    Meaning.REJECTED: [
        *(10002, 10007, 10014, 10063, 20001, 20012, 30010, 30015, 30032, 30033, 30034),
        *(40002, 40005, 40041, 40058, 40067, 40094, 50003, 50005, 50006, 50008, 50009),
        *(50013, 50021, 50024, 50026, 50035, 50041, 50045, 50046, 50067, 50068, 50101),
        *(50109, 50110, 50123, 50146, 50178, 60003, 90001, 160002, 160005, 160006, 160007),
        *(160009, 160010, 200000, 200001, 220001, 220002, 220003, 220004, 240000, 400001),
    ],
    Meaning.ARCHIVED: [50083],
    Meaning.DM_REFUSED: [10013, 20009, 20026, 50007, 50033, 50278],
    Meaning.ACKNOWLEDGED: [40060],
    Meaning.UNAUTHORIZED: [40001, 50014],
    Meaning.RETRY: [
        *(20016, 20022, 20028, 20029, 30046, 40003, 40004),
        *(40006, 40043, 40062, 40333, 110001, 130000),
    ],
}
"""Discord's codes on the routes of the bot, by what the bot does about them."""


def test_each_code_has_one_meaning() -> None:
    """The table has no other codes."""
    codes = [code for codes in CODES.values() for code in codes]
    assert sorted(codes) == sorted(_CODES)


@pytest.mark.parametrize(
    ("code", "expected"), [(code, each) for each, codes in CODES.items() for code in codes]
)
def test_the_code_decides(code: int, expected: Meaning) -> None:
    """Not the status, with which Discord sends a code; server errors are the exception."""
    for status in (400, 403, 404, 429):
        assert meaning(error(status, code)) is expected
    assert meaning(error(500, code)) is Meaning.RETRY


@pytest.mark.parametrize(
    ("status", "code", "by_channel", "by_token"),
    [
        (404, 10008, Meaning.GONE, Meaning.GONE),
        (403, 50013, Meaning.REJECTED, Meaning.REJECTED),
        (401, 50027, Meaning.TOKEN_EXPIRED, Meaning.TOKEN_EXPIRED),
        (401, 50014, Meaning.UNAUTHORIZED, Meaning.TOKEN_EXPIRED),
        (400, 0, Meaning.REJECTED, Meaning.REJECTED),
        (401, 0, Meaning.UNAUTHORIZED, Meaning.TOKEN_EXPIRED),
        (403, 0, Meaning.REJECTED, Meaning.TOKEN_EXPIRED),
        (403, 999999, Meaning.REJECTED, Meaning.TOKEN_EXPIRED),
        (404, 0, Meaning.GONE, Meaning.TOKEN_EXPIRED),
        (405, 0, Meaning.REJECTED, Meaning.REJECTED),
        (408, 0, Meaning.RETRY, Meaning.RETRY),
        (418, 0, Meaning.REJECTED, Meaning.REJECTED),
        (429, 0, Meaning.RETRY, Meaning.RETRY),
        (502, 10008, Meaning.RETRY, Meaning.RETRY),
    ],
)
def test_unknown_codes_have_the_meaning_of_their_status(
    status: int, code: int, by_channel: Meaning, by_token: Meaning
) -> None:
    """A request with an interaction token is not authorized by the bot's token."""
    assert meaning(error(status, code)) is by_channel
    assert meaning(error(status, code), by_token=True) is by_token


@pytest.mark.parametrize("by_token", [False, True])
@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((400, 413, 414, 415, 431), Meaning.REJECTED),
        ((401, 403, 404, 405, 408, 425, 429), Meaning.RETRY),
        ((500, 501, 502, 503, 504), Meaning.RETRY),
        (range(520, 531), Meaning.RETRY),
    ],
)
def test_a_page_of_a_proxy_says_nothing_about_messages(
    statuses: Iterable[int], expected: Meaning, by_token: bool
) -> None:
    """Cloudflare or a load balancer sent it; Discord itself did not decide."""
    for status in statuses:
        assert meaning(error(status), by_token=by_token) is expected


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (error(401, 50027), TokenExpired),
        (error(404, 10008), MessageGone),
        (error(403, 50001), MessageGone),
        (error(400, 50083), MessageGone),
        (error(403, 50007), MessageGone),
        (error(400, 50035), ContentRejected),
        (error(400, 40060), ContentRejected),
        (error(401, 40001), DeliveryFailed),
        (error(400, 200000), TextBlocked),
        (error(400, 240000), TextBlocked),
        (error(502), DeliveryFailed),
        (aiohttp.ClientConnectionError(), DeliveryFailed),
        (TimeoutError(), DeliveryFailed),
    ],
)
def test_errors_are_translated(raised: Exception, expected: type[Exception]) -> None:
    """40001 is about the bot, so that a result waits for its next start."""
    with pytest.raises(expected), translated_errors(by_token=False):
        raise raised


@pytest.mark.parametrize(
    ("header", "seconds"), [("3.5", 3.5), ("-1", 0.0), ("inf", DAY), ("Fri, 27 Nov", 0.0)]
)
def test_the_wait_that_discord_asks_for_is_kept(header: str, seconds: float) -> None:
    """At most a day; a date is not understood."""
    banned = error(429)
    assert isinstance(banned.response.headers, dict)
    banned.response.headers["Retry-After"] = header
    with pytest.raises(DeliveryFailed) as exc_info, translated_errors(by_token=True):
        raise banned
    assert exc_info.value.retry_after == seconds


def test_a_description_has_no_page() -> None:
    """It is one line for the log or for a user."""
    assert describe(error(503)) == "503 reason"
    assert describe(error(403, 50013)) == "403 reason (error code: 50013): x"
    assert describe(TimeoutError()) == "TimeoutError()"


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (error(403, 50007), "your DMs are closed"),
        (error(400, 50033), "your DMs are closed"),
        (error(400, 20009), "explicit"),
        (error(403, 20026), "does not let me"),
        (error(400, 40003), "try again"),
        (error(403, 50278), "no server"),
    ],
)
def test_a_refused_dm_has_a_reason(raised: Exception, reason: str) -> None:
    """It completes a sentence."""
    assert reason in str(dm_refusal(raised))


@pytest.mark.parametrize("raised", [error(503), error(413, 40005), TimeoutError()])
def test_other_errors_say_nothing_about_dms(raised: Exception) -> None:
    """They happen in channels too."""
    assert dm_refusal(raised) is None
