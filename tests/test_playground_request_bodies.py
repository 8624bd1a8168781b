"""How bodies of requests are encoded, and which methods and query parameters a route has."""

from urllib.parse import urlencode

import aiohttp
import pytest

from bot.playground import Playground
from tests.playground_bot import png
from tests.playground_forms import codes
from tests.playground_http import Http

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def messages_path(http: Http) -> str:
    """The route of the messages in the default channel."""
    return f"/channels/{http.playground.channel.id}/messages"


async def send(http: Http, body: str, content_type: str) -> tuple[int, dict[str, object]]:
    """Create a message with a body of this type."""
    headers = {"Content-Type": content_type}
    return await http.call("POST", messages_path(http), data=body, headers=headers)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ('{"content": "x"}', JSON),
        ('{"content": "x"}', f"{JSON}; charset=utf-8"),
        (urlencode({"content": "x"}), FORM),
    ],
)
async def test_a_body_is_json_or_a_form(http: Http, body: str, content_type: str) -> None:
    """Fields of forms are texts, which are converted."""
    status, message = await send(http, body, content_type)
    assert (status, message["content"]) == (200, "x")


async def test_other_content_types_are_refused(http: Http) -> None:
    """The content is not looked at."""
    status, body = await send(http, '{"content": "x"}', "text/plain")
    assert (status, body["code"], codes(body, "")) == (400, 50035, ["CONTENT_TYPE_INVALID"])


async def test_a_multipart_form_may_have_fields(http: Http) -> None:
    """Without `payload_json`, the other fields are the payload."""
    form = aiohttp.FormData()
    form.add_field("content", "x")
    form.add_field("picture", png(), filename="a.png")
    form.add_field("files[0]", png(), filename="b.png")
    status, message = await http.call("POST", messages_path(http), data=form)
    assert (status, message["content"]) == (200, "x")
    assert {file["filename"] for file in message["attachments"]} == {"a.png", "b.png"}


async def test_payload_json_replaces_fields(playground: Playground, http: Http) -> None:
    """Other fields of the form are ignored, and are no violation."""
    form = aiohttp.FormData()
    form.add_field("payload_json", '{"content": "x"}')
    form.add_field("content", "y")
    form.add_field("mood", "good")
    form.add_field("file", png(), filename="a.png")
    status, message = await http.call("POST", messages_path(http), data=form)
    assert (status, message["content"], len(message["attachments"])) == (200, "x", 1)
    assert playground.violations == []


async def test_another_method_is_not_allowed(http: Http) -> None:
    """A route that exists answers 405, one that does not 404."""
    assert await http.call("PUT", messages_path(http)) == (
        405,
        {"message": "405: Method Not Allowed", "code": 0},
    )
    assert (await http.call("GET", "/nothing"))[0] == 404


MIN, MAX, COERCE = "NUMBER_TYPE_MIN", "NUMBER_TYPE_MAX", "NUMBER_TYPE_COERCE"
QUERIES = [
    ("messages", "limit", "0", MIN),
    ("messages", "limit", "-1", MIN),
    ("messages", "limit", "101", MAX),
    ("messages", "limit", "many", COERCE),
    ("messages", "before", "yesterday", COERCE),
    ("messages", "after", "yesterday", COERCE),
    ("messages", "around", "yesterday", COERCE),
    ("members/search", "limit", "1001", MAX),
    ("members/search", "query", "", "BASE_TYPE_BAD_LENGTH"),
    ("members/search", "query", "x" * 101, "BASE_TYPE_BAD_LENGTH"),
]


@pytest.mark.parametrize(("route", "key", "value", "code"), QUERIES)
async def test_query_parameters_are_checked(
    playground: Playground, http: Http, route: str, key: str, value: str, code: str
) -> None:
    """Their errors are those of fields in a body."""
    owner = (
        f"/channels/{playground.channel.id}"
        if route == "messages"
        else f"/guilds/{playground.guild_id}"
    )
    params = {"query": "a", key: value} if route == "members/search" else {key: value}
    status, body = await http.call("GET", f"{owner}/{route}", params=params)
    assert (status, body["code"], codes(body, key)) == (400, 50035, [code])


async def test_a_search_needs_a_query(http: Http) -> None:
    """The parameter is required."""
    path = f"/guilds/{http.playground.guild_id}/members/search"
    status, body = await http.call("GET", path)
    assert (status, codes(body, "query")) == (400, ["BASE_TYPE_REQUIRED"])


async def test_a_dm_needs_a_known_recipient(http: Http) -> None:
    """Discord does not tell why a recipient is wrong."""
    status, body = await http.call("POST", "/users/@me/channels", json={"recipient_id": "1"})
    assert (status, body["code"], body["message"]) == (400, 50033, "Invalid Recipient(s)")
