"""Validation and limits of the REST API, by plain HTTP."""

from typing import Any

import pytest
from yarl import URL

from bot.playground import Playground, Upload
from bot.playground.model.state import APPLICATION_ID, GUILD_ID
from tests.playground_bot import png
from tests.playground_http import Http

Json = dict[str, Any]


def button(**overrides: object) -> Json:
    """A valid button with overrides."""
    return {"type": 2, "style": 2, "label": "Go", "custom_id": "go"} | overrides


def row(*children: Json) -> Json:
    """An action row."""
    return {"type": 1, "components": list(children)}


INVALID_MESSAGES: dict[str, Json] = {
    "content of 2001 characters": {"content": "x" * 2001},
    "content that is no text": {"content": 7},
    "11 embeds": {"embeds": [{"title": "x"}] * 11},
    "an embed title of 257": {"embeds": [{"title": "x" * 257}]},
    "26 fields": {"embeds": [{"fields": [{"name": "x", "value": "y"}] * 26}]},
    "6001 characters in embeds": {"embeds": [{"description": "x" * 2001}] * 3},
    "a field without a name": {"embeds": [{"fields": [{"value": "y"}]}]},
    "6 rows": {"content": "x", "components": [row(button(custom_id=f"{n}")) for n in range(6)]},
    "6 buttons": {
        "content": "x",
        "components": [row(*(button(custom_id=f"{n}") for n in range(6)))],
    },
    "an empty row": {"content": "x", "components": [row()]},
    "a button outside a row": {"content": "x", "components": [button()]},
    "the same custom id twice": {"content": "x", "components": [row(button(), button())]},
    "a custom id of 101": {"content": "x", "components": [row(button(custom_id="x" * 101))]},
    "a label of 81": {"content": "x", "components": [row(button(label="x" * 81))]},
    "a button without a face": {"content": "x", "components": [row(button(label=None))]},
    "a link with a custom id": {
        "content": "x",
        "components": [row(button(style=5, url="http://x"))],
    },
    "a button of no style": {"content": "x", "components": [row(button(style=9))]},
    "V2 with content": {
        "content": "x",
        "flags": 1 << 15,
        "components": [{"type": 10, "content": "y"}],
    },
    "V2 parts without the flag": {"content": "x", "components": [{"type": 10, "content": "y"}]},
    "41 V2 parts": {"flags": 1 << 15, "components": [{"type": 10, "content": "y"}] * 41},
    "a picture that is not there": {
        "flags": 1 << 15,
        "components": [{"type": 12, "items": [{"media": {"url": "attachment://no.png"}}]}],
    },
    "a file that is not there": {"content": "x", "attachments": [{"id": 0}]},
    "a nonce of 26": {"content": "x", "nonce": "x" * 26},
    "an unknown mention kind": {"content": "x", "allowed_mentions": {"parse": ["all"]}},
    "users parsed and listed": {
        "content": "x",
        "allowed_mentions": {"parse": ["users"], "users": ["1"]},
    },
}


@pytest.mark.parametrize("payload", INVALID_MESSAGES.values(), ids=INVALID_MESSAGES.keys())
async def test_a_bad_message_is_refused(playground: Playground, http: Http, payload: Json) -> None:
    """An invalid message is a 400 with code 50035, is recorded and not created."""
    status, body = await http.post(payload)
    assert (status, body["code"]) == (400, 50035), body
    assert body["errors"]
    assert len(playground.violations) == 1
    assert playground.messages() == []


@pytest.mark.parametrize(
    "payload", [{}, {"content": "  "}, {"embeds": [], "components": []}, {"flags": 1 << 15}]
)
async def test_an_empty_message_is_refused(http: Http, payload: Json) -> None:
    """A message needs content, an embed, a component, a poll or a file (50006)."""
    status, body = await http.post(payload)
    assert (status, body["code"]) == (400, 50006)
    assert (await http.post({"components": [row(button())]}))[0] == 200


async def test_files_have_limits(http: Http) -> None:
    """The limits are 10 MiB per file, 25 MiB per request and 10 files (40005, 50035)."""
    status, body = await http.post({"content": "x"}, [b"x" * (10 * 1024 * 1024 + 1)])
    assert (status, body["code"]) == (413, 40005)
    status, body = await http.post({"content": "x"}, [b"x" * (9 * 1024 * 1024)] * 3)
    assert (status, body["code"]) == (413, 40005)
    status, body = await http.post({"content": "x"}, [b"x"] * 11)
    assert (status, body["code"]) == (400, 50035)


async def test_a_file_must_be_listed_once_attachments_are(
    playground: Playground, http: Http
) -> None:
    """A request with `attachments` must list all its files."""
    status, _ = await http.post({"attachments": [{"id": 0}]}, [png(), png()])
    assert status == 400
    status, message = await http.post(
        {"attachments": [{"id": "0", "filename": "house.png", "description": "a house"}]}, [png()]
    )
    assert status == 200
    attachment = message["attachments"][0]
    assert (attachment["filename"], attachment["description"]) == ("house.png", "a house")
    assert (attachment["width"], attachment["height"], attachment["content_type"]) == (
        64,
        64,
        "image/png",
    )


async def test_v2_parts_and_embeds_show_their_files(playground: Playground, http: Http) -> None:
    """attachment:// URLs in galleries and embeds are replaced by CDN URLs."""
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://0.png"}}]}
    status, message = await http.post({"flags": 1 << 15, "components": [gallery]}, [png()])
    assert status == 200
    media = message["components"][0]["items"][0]["media"]
    assert media["url"].startswith(playground.url)
    embed = {"title": "x", "image": {"url": "attachment://0.png"}}
    status, message = await http.post({"embeds": [embed]}, [png()])
    assert message["embeds"][0]["image"]["url"].startswith(playground.url)


async def test_cdn_urls_are_signed_and_expire(playground: Playground, http: Http) -> None:
    """A CDN URL expires after a day; fetching the message returns a new one."""
    _, message = await http.post({"content": "x"}, [png()])
    url = message["attachments"][0]["url"]
    assert {"ex", "is", "hm"} <= set(URL(url).query)

    async def fetch(url: str) -> int:
        async with http.session.get(url) as response:
            return response.status

    assert await fetch(url) == 200
    assert await fetch(url.split("?")[0]) == 404
    assert await fetch(url.replace("hm=", "hm=0")) == 404
    playground.clock.advance(25 * 3600)
    assert await fetch(url) == 404
    path = f"/channels/{playground.channel.id}/messages/{message['id']}"
    _, fetched_message = await http.call("GET", path)
    assert await fetch(fetched_message["attachments"][0]["url"]) == 200


async def test_only_the_bot_with_its_token_may_call(playground: Playground, http: Http) -> None:
    """Without the token every route except the gateway URL is a 401."""
    headers = {"Authorization": "Bot wrong"}
    assert (await http.call("GET", "/users/@me", headers=headers))[0] == 401
    status, body = await http.call("GET", "/gateway", headers=headers)
    assert (status, body["url"]) == (200, playground.url.replace("http", "ws") + "/gateway")


async def test_an_unknown_route_is_a_violation(playground: Playground, http: Http) -> None:
    """An unknown route is a 404 and a violation."""
    assert (await http.call("GET", "/guilds/1/nonsense"))[0] == 404
    assert len(playground.violations) == 1


async def test_broken_bodies_are_refused(http: Http) -> None:
    """Malformed JSON, a non-object and invalid ids are errors."""
    path = f"/channels/{http.playground.channel.id}/messages"
    json_type = {"Content-Type": "application/json"}
    assert (await http.call("POST", path, data=b"{", headers=json_type))[1]["code"] == 50109
    assert (await http.call("POST", path, data=b"7", headers=json_type))[1]["code"] == 50035
    assert (await http.call("GET", "/channels/abc"))[1]["code"] == 50035
    assert (await http.call("GET", "/channels/1"))[1]["code"] == 10003
    assert (await http.call("GET", f"{path}/1"))[1]["code"] == 10008


async def test_a_full_bucket_is_a_429(playground: Playground, http: Http) -> None:
    """The sixth message in five seconds is a 429; after retry_after it is accepted."""
    for _ in range(5):
        assert (await http.post({"content": "x"}))[0] == 200
    path = f"{playground.api}/channels/{playground.channel.id}/messages"
    async with http.session.post(path, json={"content": "x"}, headers=http.headers) as response:
        assert response.status == 429
        assert response.headers["Via"]
        assert response.headers["X-RateLimit-Remaining"] == "0"
        wait = (await response.json())["retry_after"]
    playground.clock.advance(wait)
    assert (await http.post({"content": "x"}))[0] == 200


async def test_more_than_fifty_requests_in_a_second_hit_the_global_limit(http: Http) -> None:
    """The global limit covers all routes except those of interactions."""
    responses = [await http.call("GET", f"/users/{n}") for n in range(51)]
    assert responses[-1][0] == 429
    assert responses[-1][1]["global"] is True
    assert (await http.call("GET", "/webhooks/1/x/messages/@original"))[0] == 404


async def test_unknown_interaction_tokens_are_refused(playground: Playground, http: Http) -> None:
    """Unknown interaction tokens are 10062 for callbacks and 10015 for webhooks."""
    status, body = await http.call("POST", "/interactions/1/x/callback", json={"type": 5})
    assert (status, body["code"]) == (404, 10062)
    path = f"/webhooks/{APPLICATION_ID}/x/messages/@original"
    assert (await http.call("PATCH", path, json={"content": "x"}))[1]["code"] == 10015


async def test_all_resources_are_served(playground: Playground, http: Http) -> None:
    """Application, users, guild and channels are served in documented form."""
    ada = playground.person("Ada")
    for path in (
        "/users/@me",
        "/oauth2/applications/@me",
        "/applications/@me",
        "/gateway/bot",
        f"/users/{ada.id}",
        f"/guilds/{GUILD_ID}",
        f"/guilds/{GUILD_ID}/channels",
        f"/guilds/{GUILD_ID}/roles",
        f"/guilds/{GUILD_ID}/members/{ada.id}",
        f"/channels/{playground.channel.id}",
        f"/channels/{ada.dm.id}",
        f"/channels/{playground.channel.id}/messages",
    ):
        assert (await http.call("GET", path))[0] == 200, path
    assert (await http.call("GET", f"/guilds/{GUILD_ID}/members/1"))[0] == 404
    status, dm = await http.call("POST", "/users/@me/channels", json={"recipient_id": str(ada.id)})
    assert (status, dm["id"]) == (200, str(ada.dm.id))


async def test_the_request_log_has_no_file_contents(playground: Playground, http: Http) -> None:
    """The request log has the names and sizes of files, but not their contents."""
    await http.post({"content": "x"}, [png()])
    request = playground.requests[-1]
    assert request.files == {"files[0]": ("0.png", len(png()))}
    assert request.body.files == {}
    assert request.json == {"content": "x"}
    assert request.status == 200


async def test_names_of_uploads_are_sanitized(playground: Playground) -> None:
    """Path separators, spaces and markup are replaced."""
    upload = Upload("../..\\<b>häuser .png", b"x")
    attachment = playground.world.cdn.store(upload, attachment_id=1, channel_id=2, ephemeral=False)
    assert attachment.filename == "_..__b_häuser_.png"
