"""Discord's hard rules, by plain HTTP: whatever breaks one gets Discord's error and is noted."""

from typing import Any

import pytest
from yarl import URL

from bot.playground import Playground, Upload
from bot.playground.model.state import APPLICATION_ID, GUILD_ID
from tests.playground_bot import png
from tests.playground_http import Http

Json = dict[str, Any]


def button(**more: object) -> Json:
    """A good button, changed."""
    return {"type": 2, "style": 2, "label": "Go", "custom_id": "go"} | more


def row(*children: Json) -> Json:
    """An action row."""
    return {"type": 1, "components": list(children)}


TOO_MUCH: dict[str, Json] = {
    "content of 2001 characters": {"content": "x" * 2001},
    "content that is no text": {"content": 7},
    "11 embeds": {"embeds": [{"title": "x"}] * 11},
    "an embed title of 257": {"embeds": [{"title": "x" * 257}]},
    "26 fields": {"embeds": [{"fields": [{"name": "x", "value": "y"}] * 26}]},
    "6001 characters in embeds": {"embeds": [{"description": "x" * 2001}] * 3},
    "an empty field name": {"embeds": [{"fields": [{"name": "", "value": "y"}]}]},
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
    "a picture that is not there": {"embeds": [{"image": {"url": "attachment://no.png"}}]},
    "a file that is not there": {"content": "x", "attachments": [{"id": 0}]},
    "a nonce of 26": {"content": "x", "nonce": "x" * 26},
    "an unknown mention kind": {"content": "x", "allowed_mentions": {"parse": ["all"]}},
    "users parsed and listed": {
        "content": "x",
        "allowed_mentions": {"parse": ["users"], "users": ["1"]},
    },
}


@pytest.mark.parametrize("payload", TOO_MUCH.values(), ids=TOO_MUCH.keys())
async def test_a_bad_message_is_refused(here: Playground, http: Http, payload: Json) -> None:
    """Each broken rule is a 400 with code 50035, noted as a violation, and posts nothing."""
    status, answer = await http.post(payload)
    assert (status, answer["code"]) == (400, 50035), answer
    assert answer["errors"]
    assert len(here.violations) == 1
    assert here.messages() == []


@pytest.mark.parametrize("payload", [{}, {"content": "  "}, {"components": [row(button())]}])
async def test_an_empty_message_is_refused(http: Http, payload: Json) -> None:
    """A message needs text, an embed or a file (50006)."""
    status, answer = await http.post(payload)
    assert (status, answer["code"]) == (400, 50006)


async def test_files_have_limits(http: Http) -> None:
    """10 MiB for each file, 25 MiB for a request, 10 files (40005, 50035)."""
    status, answer = await http.post({"content": "x"}, [b"x" * (10 * 1024 * 1024 + 1)])
    assert (status, answer["code"]) == (413, 40005)
    status, answer = await http.post({"content": "x"}, [b"x" * (9 * 1024 * 1024)] * 3)
    assert (status, answer["code"]) == (413, 40005)
    status, answer = await http.post({"content": "x"}, [b"x"] * 11)
    assert (status, answer["code"]) == (400, 50035)


async def test_a_file_must_be_listed_once_attachments_are(here: Playground, http: Http) -> None:
    """A request that lists attachments lists every file that it brings."""
    status, _ = await http.post({"attachments": [{"id": 0}]}, [png(), png()])
    assert status == 400
    status, made = await http.post(
        {"attachments": [{"id": "0", "filename": "house.png", "description": "a house"}]}, [png()]
    )
    assert status == 200
    shown = made["attachments"][0]
    assert (shown["filename"], shown["description"]) == ("house.png", "a house")
    assert (shown["width"], shown["height"], shown["content_type"]) == (64, 64, "image/png")


async def test_v2_parts_and_embeds_show_their_files(here: Playground, http: Http) -> None:
    """attachment:// becomes the address of the file, in galleries and in embeds."""
    gallery = {"type": 12, "items": [{"media": {"url": "attachment://0.png"}}]}
    status, made = await http.post({"flags": 1 << 15, "components": [gallery]}, [png()])
    assert status == 200
    media = made["components"][0]["items"][0]["media"]
    assert media["url"].startswith(here.url)
    embed = {"title": "x", "image": {"url": "attachment://0.png"}}
    status, made = await http.post({"embeds": [embed]}, [png()])
    assert made["embeds"][0]["image"]["url"].startswith(here.url)


async def test_addresses_are_signed_and_expire(here: Playground, http: Http) -> None:
    """A CDN address is good for a day; a fresh fetch of the message signs a fresh one."""
    _, made = await http.post({"content": "x"}, [png()])
    address = made["attachments"][0]["url"]
    assert {"ex", "is", "hm"} <= set(URL(address).query)

    async def fetch(url: str) -> int:
        async with http.session.get(url) as response:
            return response.status

    assert await fetch(address) == 200
    assert await fetch(address.split("?")[0]) == 404
    assert await fetch(address.replace("hm=", "hm=0")) == 404
    here.clock.advance(25 * 3600)
    assert await fetch(address) == 404
    path = f"/channels/{here.channel.id}/messages/{made['id']}"
    _, again = await http.call("GET", path)
    assert await fetch(again["attachments"][0]["url"]) == 200


async def test_only_the_bot_with_its_token_may_call(here: Playground, http: Http) -> None:
    """Without the right token all but the gateway's address is a 401."""
    wrong = {"Authorization": "Bot wrong"}
    assert (await http.call("GET", "/users/@me", headers=wrong))[0] == 401
    status, answer = await http.call("GET", "/gateway", headers=wrong)
    assert (status, answer["url"]) == (200, here.url.replace("http", "ws") + "/gateway")


async def test_an_unknown_address_is_a_violation(here: Playground, http: Http) -> None:
    """What Discord does not serve is a 404, and noted."""
    assert (await http.call("GET", "/guilds/1/nonsense"))[0] == 404
    assert len(here.violations) == 1


async def test_broken_bodies_are_refused(http: Http) -> None:
    """No JSON, a bare number, and nonsense ids are errors, never a crash."""
    path = f"/channels/{http.here.channel.id}/messages"
    json_type = {"Content-Type": "application/json"}
    assert (await http.call("POST", path, data=b"{", headers=json_type))[1]["code"] == 50109
    assert (await http.call("POST", path, data=b"7", headers=json_type))[1]["code"] == 50035
    assert (await http.call("GET", "/channels/abc"))[1]["code"] == 50035
    assert (await http.call("GET", "/channels/1"))[1]["code"] == 10003
    assert (await http.call("GET", f"{path}/1"))[1]["code"] == 10008


async def test_buckets_run_out_and_say_so(here: Playground, http: Http) -> None:
    """The sixth message in five seconds is a 429 that says how long to wait; then it works."""
    for _ in range(5):
        assert (await http.post({"content": "x"}))[0] == 200
    path = f"{here.api}/channels/{here.channel.id}/messages"
    async with http.session.post(path, json={"content": "x"}, headers=http.headers) as limited:
        assert limited.status == 429
        assert limited.headers["Via"]
        assert limited.headers["X-RateLimit-Remaining"] == "0"
        wait = (await limited.json())["retry_after"]
    here.clock.advance(wait)
    assert (await http.post({"content": "x"}))[0] == 200


async def test_more_than_fifty_requests_in_a_second_hit_the_global_limit(http: Http) -> None:
    """The global limit counts all routes but those of interactions."""
    answers = [await http.call("GET", f"/users/{n}") for n in range(51)]
    assert answers[-1][0] == 429
    assert answers[-1][1]["global"] is True
    assert (await http.call("GET", "/webhooks/1/x/messages/@original"))[0] == 404


async def test_no_token_no_webhook(here: Playground, http: Http) -> None:
    """Unknown interaction tokens are 10062 for callbacks and 10015 for webhooks."""
    status, answer = await http.call("POST", "/interactions/1/x/callback", json={"type": 5})
    assert (status, answer["code"]) == (404, 10062)
    path = f"/webhooks/{APPLICATION_ID}/x/messages/@original"
    assert (await http.call("PATCH", path, json={"content": "x"}))[1]["code"] == 10015


async def test_all_places_are_served(here: Playground, http: Http) -> None:
    """The bot, its application, the guild and everyone in it have the documented shapes."""
    ada = here.person("Ada")
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
        f"/channels/{here.channel.id}",
        f"/channels/{ada.dm.id}",
        f"/channels/{here.channel.id}/messages",
    ):
        assert (await http.call("GET", path))[0] == 200, path
    assert (await http.call("GET", f"/guilds/{GUILD_ID}/members/1"))[0] == 404
    status, dm = await http.call("POST", "/users/@me/channels", json={"recipient_id": str(ada.id)})
    assert (status, dm["id"]) == (200, str(ada.dm.id))


async def test_messages_are_listed_newest_first(here: Playground, http: Http) -> None:
    """Listing goes back from `before` and forth from `after`, in pages."""
    said = [await here.person("Ada").say(f"{n}") for n in range(4)]
    base = f"/channels/{here.channel.id}/messages"
    _, newest = await http.call("GET", f"{base}?limit=2")
    assert [m["content"] for m in newest] == ["3", "2"]
    _, before = await http.call("GET", f"{base}?before={said[2].id}")
    assert [m["content"] for m in before] == ["1", "0"]
    _, after = await http.call("GET", f"{base}?after={said[1].id}")
    assert [m["content"] for m in after] == ["3", "2"]
    assert (await http.call("GET", f"{base}?limit=101"))[0] == 400


async def test_the_log_keeps_no_bytes(here: Playground, http: Http) -> None:
    """Requests are remembered with the names and sizes of their files only."""
    await http.post({"content": "x"}, [png()])
    request = here.requests[-1]
    assert request.files == {"files[0]": ("0.png", len(png()))}
    assert request.body.files == {}
    assert request.json == {"content": "x"}
    assert request.status == 200


async def test_uploads_get_clean_names(here: Playground) -> None:
    """A file's name is no path and no markup, whatever the sender wrote."""
    upload = Upload("../..\\<b>häuser .png", b"x")
    stored = here.world.cdn.store(upload, id=1, channel_id=2, ephemeral=False)
    assert stored.filename == "_..__b_häuser_.png"
