"""Validation of the fields of messages and of their embeds, as Discord validates them."""

import pytest

from bot.playground import Playground
from bot.playground.model.permissions import EVERYONE, Permission
from bot.playground.rest.validation.messages import read_message
from tests.playground_bot import png
from tests.playground_forms import LINK, V2, Rule, codes, embed, text, titled, v2
from tests.playground_http import Http

MAX, LENGTH = "BASE_TYPE_MAX_LENGTH", "BASE_TYPE_BAD_LENGTH"
REQUIRED, CHOICES = "BASE_TYPE_REQUIRED", "BASE_TYPE_CHOICES"
SCHEME, WRONG_URL = "URL_TYPE_INVALID_SCHEME", "URL_TYPE_INVALID_URL"
COERCE, TWICE = "NUMBER_TYPE_COERCE", "SET_TYPE_ALREADY_CONTAINS_VALUE"
EXCLUSIVE = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
LEGACY = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"


def fields(*items: object) -> dict[str, object]:
    """A message with an embed of these fields."""
    return embed(fields=list(items))


def mentions(**allowed: object) -> dict[str, object]:
    """A message with `allowed_mentions`."""
    return {"content": "x", "allowed_mentions": allowed}


def poll(
    answers: int = 1, answer: str | None = "y", question: str = "x", **more: object
) -> dict[str, object]:
    """A message with a poll."""
    options = [{"poll_media": {"text": answer}}] * answers
    return {"poll": {"question": {"text": question}, "answers": options} | more}


PAIR = {"name": "x", "value": "y"}
RULES: dict[str, Rule] = {
    "content": Rule({"content": "x" * 2001}, "content", MAX, {"content": "x" * 2000}),
    "content of a number": Rule({"content": 7}, "content", "STRING_TYPE_CONVERT", {"content": "7"}),
    "embeds": Rule({"embeds": [PAIR | {"title": "x"}] * 11}, "embeds", MAX, titled()),
    "embeds that are no list": Rule({"embeds": {}}, "embeds", "LIST_TYPE_CONVERT", titled()),
    "embeds that are an object": Rule(
        {"embeds": {"title": "x", "color": 1}}, "embeds.1", "MODEL_TYPE_CONVERT", titled()
    ),
    "an embed that is no object": Rule(
        {"embeds": ["x"]}, "embeds.0", "MODEL_TYPE_CONVERT", titled()
    ),
    "an empty embed": Rule(embed(), "embeds.0.description", REQUIRED, embed(description="x")),
    "an embed of a color and a time": Rule(
        embed(color=1, timestamp="2026-01-01T00:00:00Z"),
        "embeds.0.description",
        REQUIRED,
        embed(image={"url": LINK}),
    ),
    "title": Rule(embed(title="x" * 257), "embeds.0.title", MAX, embed(title="x" * 256)),
    "description": Rule(
        embed(description="x" * 4097), "embeds.0.description", MAX, embed(description="x" * 4096)
    ),
    "fields": Rule(fields(*[PAIR] * 26), "embeds.0.fields", MAX, fields(*[PAIR] * 25)),
    "a field without a name": Rule(
        fields({"value": "y"}), "embeds.0.fields.0.name", REQUIRED, fields(PAIR)
    ),
    "a field whose value is null": Rule(
        fields(PAIR | {"value": None}),
        "embeds.0.fields.0.value",
        REQUIRED,
        fields(PAIR | {"value": ""}),
    ),
    "a field's name": Rule(
        fields(PAIR | {"name": "x" * 257}),
        "embeds.0.fields.0.name",
        MAX,
        fields(PAIR | {"name": "x" * 256}),
    ),
    "a field's value": Rule(
        fields(PAIR | {"value": "x" * 1025}),
        "embeds.0.fields.0.value",
        MAX,
        fields(PAIR | {"value": "x" * 1024}),
    ),
    "footer": Rule(
        titled(footer={"text": "x" * 2049}),
        "embeds.0.footer.text",
        MAX,
        titled(footer={"text": "x" * 2048}),
    ),
    "author": Rule(
        titled(author={"name": "x" * 257}),
        "embeds.0.author.name",
        MAX,
        titled(author={"name": "x" * 256}),
    ),
    "all embeds": Rule(
        {"embeds": [{"description": "x" * 3001}] * 2},
        "embeds",
        "MAX_EMBED_SIZE_EXCEEDED",
        {"embeds": [{"description": "x" * 3000}] * 2},
    ),
    "a color": Rule(
        titled(color=0x1000000), "embeds.0.color", "NUMBER_TYPE_MAX", titled(color=0xFFFFFF)
    ),
    "a negative color": Rule(
        titled(color=-1), "embeds.0.color", "NUMBER_TYPE_MIN", titled(color=0)
    ),
    "a color's name": Rule(titled(color="red"), "embeds.0.color", COERCE, titled(color=255)),
    "a timestamp": Rule(
        titled(timestamp="yesterday"),
        "embeds.0.timestamp",
        "DATE_TIME_TYPE_PARSE",
        titled(timestamp="2026-11-26T12:00:00.000+01:00"),
    ),
    "a boolean as a timestamp": Rule(
        titled(timestamp=True),
        "embeds.0.timestamp",
        "DATE_TIME_TYPE_PARSE",
        titled(timestamp="2026-11-26T12:00:00Z"),
    ),
    "a timestamp in milliseconds": Rule(
        titled(timestamp=1_735_732_800_000),
        "embeds.0.timestamp",
        "DATE_TIME_TYPE_PARSE",
        titled(timestamp="2026-11-26"),
    ),
    "a URL of no scheme": Rule(
        titled(url="notaurl"), "embeds.0.url", SCHEME, titled(url="https://a.example")
    ),
    "an empty URL": Rule(titled(url=""), "embeds.0.url", SCHEME, titled(url=None)),
    "a URL without a domain": Rule(
        titled(url="http://localhost:80"), "embeds.0.url", WRONG_URL, titled(url="http://127.0.0.1")
    ),
    "a URL that is no attachment": Rule(
        titled(url="attachment://a.png"), "embeds.0.url", SCHEME, titled(url=LINK)
    ),
    "a URL of a number": Rule(
        titled(url=7), "embeds.0.url", "STRING_TYPE_CONVERT", titled(url="http://[::1]/a")
    ),
    "a broken host": Rule(
        titled(url="http://[a/"), "embeds.0.url", WRONG_URL, titled(url="https://user@a.example:8")
    ),
    "a URL's length": Rule(
        titled(url=LINK + "x" * 2048), "embeds.0.url", MAX, titled(url=LINK + "x" * 2000)
    ),
    "an image by ftp": Rule(
        embed(image={"url": "ftp://a.example/b.png"}),
        "embeds.0.image.url",
        SCHEME,
        embed(image={"url": LINK}),
    ),
    "an icon": Rule(
        titled(author={"name": "x", "icon_url": "x"}),
        "embeds.0.author.icon_url",
        SCHEME,
        titled(author={"name": "x", "icon_url": LINK}),
    ),
    "mention types": Rule(
        mentions(parse=["all"]), "allowed_mentions.parse.0", CHOICES, mentions(parse=["everyone"])
    ),
    "a mention type twice": Rule(
        mentions(parse=["users", "users"]),
        "allowed_mentions.parse.1",
        TWICE,
        mentions(parse=["users", "roles"]),
    ),
    "users parsed and listed": Rule(
        mentions(parse=["users"], users=["1"]),
        "allowed_mentions",
        EXCLUSIVE,
        mentions(parse=["roles"], users=["1"]),
    ),
    "roles parsed and listed": Rule(
        mentions(parse=["roles"], roles=["1"]),
        "allowed_mentions",
        EXCLUSIVE,
        mentions(parse=["roles"], roles=[]),
    ),
    "101 users": Rule(
        mentions(users=[str(n) for n in range(101)]),
        "allowed_mentions.users",
        MAX,
        mentions(users=[str(n) for n in range(100)]),
    ),
    "a user twice": Rule(
        mentions(users=["1", "1"]), "allowed_mentions.users.1", TWICE, mentions(users=["1", "2"])
    ),
    "a user's name": Rule(
        mentions(users=["Ada"]), "allowed_mentions.users.0", COERCE, mentions(users=["1"])
    ),
    "a nonce": Rule(
        {"content": "x", "nonce": "x" * 26},
        "nonce",
        "NONCE_TYPE_TOO_LONG",
        {"content": "x", "nonce": "x" * 25},
    ),
    "a nonce of a list": Rule(
        {"content": "x", "nonce": []},
        "nonce",
        "NONCE_TYPE_INVALID_TYPE",
        {"content": "x", "nonce": 7},
    ),
    "a nonce of 65 bits": Rule(
        {"content": "x", "nonce": 1 << 63},
        "nonce",
        "NONCE_TYPE_OUT_OF_BOUNDS",
        {"content": "x", "nonce": (1 << 63) - 1},
    ),
    "a flag": Rule(
        {"content": "x", "flags": "silent"}, "flags", COERCE, {"content": "x", "flags": 4096}
    ),
    "a boolean": Rule(
        {"content": "x", "tts": "loud"},
        "tts",
        "BOOLEAN_TYPE_CONVERT",
        {"content": "x", "tts": False},
    ),
    "a null embed": Rule({"embeds": [None]}, "embeds.0", REQUIRED, titled()),
    "a reply to nothing": Rule(
        {"content": "x", "message_reference": {}},
        "message_reference.message_id",
        REQUIRED,
        {"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": False}},
    ),
    "a reply to another channel": Rule(
        {"content": "x", "message_reference": {"message_id": "1", "channel_id": "2"}},
        "message_reference",
        "REPLIES_CANNOT_REFERENCE_OTHER_CHANNEL",
        {"content": "x", "message_reference": None},
    ),
    "four stickers": Rule(
        {"content": "x", "sticker_ids": ["1", "2", "3", "4"]},
        "sticker_ids",
        MAX,
        {"content": "x", "sticker_ids": []},
    ),
    "V2 with content": Rule(v2(text()) | {"content": "x"}, "content", LEGACY, v2(text())),
    "V2 with an embed": Rule(v2(text()) | titled(), "embeds", LEGACY, v2(text()) | {"embeds": []}),
    "V2 with a poll": Rule(v2(text()) | poll(), "poll", LEGACY, v2(text()) | {"poll": None}),
    "11 answers": Rule(poll(11), "poll.answers", LENGTH, poll(10)),
    "no answer": Rule(poll(0), "poll.answers", LENGTH, poll(1)),
    "an answer": Rule(
        poll(answer="x" * 56), "poll.answers.0.poll_media.text", LENGTH, poll(answer="x" * 55)
    ),
    "an answer without a text": Rule(
        poll(answer=None),
        "poll.answers.0.poll_media.text",
        REQUIRED,
        poll(answer="x"),
    ),
    "a question": Rule(
        poll(question="x" * 301), "poll.question.text", LENGTH, poll(question="x" * 300)
    ),
    "a poll's duration": Rule(
        poll(duration=769), "poll.duration", "NUMBER_TYPE_MAX", poll(duration=768)
    ),
    "a poll's layout": Rule(poll(layout_type=2), "poll.layout_type", CHOICES, poll(layout_type=1)),
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
async def test_a_message_is_refused_at_the_path(
    playground: Playground, http: Http, rule: Rule
) -> None:
    """A 400 with code 50035 and the error at its path; the nearest valid message is created."""
    status, body = await http.post(rule.refused)
    assert (status, body["code"], body["message"]) == (400, 50035, "Invalid Form Body")
    assert codes(body, rule.path) == [rule.code]
    assert len(playground.violations) == 1
    assert playground.messages() == []
    status, body = await http.post(rule.accepted)
    assert status == 200, body


async def test_all_errors_are_in_one_tree(http: Http) -> None:
    """The response has the errors of all fields."""
    _, body = await http.post({"content": "x" * 2001, **titled(url="x", color="x")})
    assert set(body["errors"]) == {"content", "embeds"}
    assert set(body["errors"]["embeds"]["0"]) == {"url", "color"}
    assert body["errors"]["content"]["_errors"] == [
        {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}
    ]


ATTACHMENT_RULES: dict[str, Rule] = {
    "no id": Rule([{}], "attachments.0.id", REQUIRED, [{"id": "0"}]),
    "no file": Rule([{"id": 0}, {"id": 1}], "attachments.1", "ATTACHMENT_NOT_FOUND", [{"id": 0}]),
    "a description": Rule(
        [{"id": 0, "description": "x" * 1025}],
        "attachments.0.description",
        MAX,
        [{"id": 0, "description": "x" * 1024}],
    ),
    "a name": Rule(
        [{"id": 0, "filename": ""}],
        "attachments.0.filename",
        LENGTH,
        [{"id": 0, "filename": "a.png"}],
    ),
}


@pytest.mark.parametrize("rule", ATTACHMENT_RULES.values(), ids=ATTACHMENT_RULES.keys())
async def test_attachments_are_checked(http: Http, rule: Rule) -> None:
    """Entries of `attachments` have limits, and each names a file."""
    status, body = await http.post({"attachments": rule.refused}, [png()])
    assert (status, body["code"]) == (400, 50035)
    assert codes(body, rule.path) == [rule.code]
    assert (await http.post({"attachments": rule.accepted}, [png()]))[0] == 200


async def test_an_embed_may_name_a_file_that_is_missing(http: Http) -> None:
    """Discord shows the embed without the picture."""
    status, _ = await http.post(titled(image={"url": "attachment://no.png"}))
    assert status == 200


def test_some_values_are_converted() -> None:
    """Numbers may be strings, booleans also numbers, timestamps numbers; null mentions are none."""
    sent = titled(color="255", timestamp=1_735_732_800, fields=[PAIR | {"inline": "true"}])
    message = read_message(sent | mentions(users=[None, 7]) | {"flags": "4096", "tts": 0}, ())
    time = "2025-01-01T12:00:00+00:00"
    expected = titled(color=255, timestamp=time, fields=[PAIR | {"inline": True}])
    assert message == expected | mentions(users=["7"]) | {"flags": 4096, "tts": False}


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("2025-01-01T12:00:00.123Z", "2025-01-01T12:00:00.123000+00:00"),
        ("2025-01-01T12:00:00+02:00", "2025-01-01T10:00:00+00:00"),
        ("2025-01-01T12:00:00", "2025-01-01T12:00:00+00:00"),
    ],
)
def test_timestamps_are_converted_to_utc(sent: str, expected: str) -> None:
    """Discord returns them in its own format."""
    [embed] = read_message(titled(timestamp=sent), ())["embeds"]
    assert embed["timestamp"] == expected


async def test_stickers_are_unknown(http: Http) -> None:
    """The bot can use no sticker (50081), and cannot change those of a message (50080)."""
    status, body = await http.post({"content": "x", "sticker_ids": ["1"]})
    assert (status, body["code"]) == (403, 50081)
    _, message = await http.post({"content": "x"})
    path = f"/channels/{http.playground.channel.id}/messages/{message['id']}"
    status, body = await http.call("PATCH", path, json={"sticker_ids": ["1"]})
    assert (status, body["code"]) == (400, 50080)


PERMISSIONS: dict[Permission, dict[str, object]] = {
    Permission.EMBED_LINKS: titled(),
    Permission.ATTACH_FILES: {"content": "x"},
}


@pytest.mark.parametrize("permission", PERMISSIONS)
async def test_embeds_and_files_need_permissions(
    playground: Playground, http: Http, permission: Permission
) -> None:
    """Without EMBED_LINKS or ATTACH_FILES, creating and editing are refused with 50013."""
    payload = PERMISSIONS[permission]
    files = [png()] if permission is Permission.ATTACH_FILES else None
    _, message = await http.post({"content": "y"})
    playground.channel.bot_permissions = EVERYONE & ~permission
    status, body = await http.post(payload, files)
    assert (status, body["code"]) == (403, 50013)
    status, body = await http.patch(message["id"], payload, files)
    assert (status, body["code"]) == (403, 50013)
    playground.channel.bot_permissions = EVERYONE
    assert (await http.post(payload, files))[0] == 200
    assert (await http.patch(message["id"], payload, files))[0] == 200


async def test_an_edit_to_v2_resets_the_content(http: Http) -> None:
    """Content must be null when an edit sets IS_COMPONENTS_V2."""
    _, message = await http.post({"content": "x"})
    status, body = await http.patch(message["id"], v2(text()))
    assert (status, codes(body, "content")) == (400, [LEGACY])
    status, body = await http.patch(message["id"], v2(text()) | {"content": None})
    assert (status, body["flags"]) == (200, V2)
