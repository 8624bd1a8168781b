"""Attachment URLs that have expired, and new ones for them."""

import aiohttp

from bot.playground import Playground, Upload
from bot.playground.model.cdn import URL_SECONDS
from tests.playground_bot import png
from tests.playground_http import Http

PATH = "/attachments/refresh-urls"


async def status_of(http: Http, url: str) -> int:
    """The status of a download."""
    async with http.session.get(url) as response:
        return response.status


async def test_an_expired_url_is_refreshed(playground: Playground, http: Http) -> None:
    """It is refused after 24 hours; the new one has the same path and works."""
    message = await playground.person("Ada").say("", Upload("a.png", png()))
    url = message.attachments[0].url
    assert await status_of(http, url) == 200
    playground.clock.advance(URL_SECONDS + 1)
    assert await status_of(http, url) == 404
    foreign = "https://example.org/a.png"
    status, body = await http.call("POST", PATH, json={"attachment_urls": [url, foreign]})
    assert status == 200
    ours, other = body["refreshed_urls"]
    assert (ours["original"], other) == (url, {"original": foreign, "refreshed": None})
    assert ours["refreshed"].split("?")[0] == url.split("?")[0]
    assert await status_of(http, ours["refreshed"]) == 200


async def test_what_cannot_be_refreshed(playground: Playground, http: Http) -> None:
    """At least one and at most 50 URLs, and only by the bot."""
    for urls in ([], ["https://example.org/a.png"] * 51, "x"):
        status, body = await http.call("POST", PATH, json={"attachment_urls": urls})
        assert (status, body["code"]) == (400, 50035)
    async with aiohttp.ClientSession() as session, session.post(playground.api + PATH) as response:
        assert response.status == 401
