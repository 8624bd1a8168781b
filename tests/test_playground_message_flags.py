"""Flags of messages: voice messages, flags of other users' messages, and Components V2 in edits."""

from typing import Any

import pytest

from bot.playground import Playground
from bot.playground.model.permissions import EVERYONE, MODERATOR
from tests.playground_bot import png
from tests.playground_forms import V2, button, codes, row, text, titled, v2
from tests.playground_http import Http

SUPPRESS_EMBEDS, VOICE = 1 << 2, 1 << 13
RECORDING = {"id": 0, "filename": "a.ogg", "duration_secs": 1.5, "waveform": "AAA="}


def voice(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    """A voice message."""
    return {"flags": VOICE, "attachments": [RECORDING]} | fields


@pytest.mark.parametrize(
    ("payload", "files", "code"),
    [
        (voice(content="x"), 1, 50159),
        (voice(**titled()), 1, 50159),
        ({"flags": VOICE}, None, 50160),
        (voice(attachments=[{"id": 0}, {"id": 1}]), 2, 50160),
        (voice(attachments=[{"id": 0}]), 1, 50161),
        (voice(attachments=[RECORDING | {"waveform": None}]), 1, 50161),
    ],
)
async def test_a_voice_message_is_one_recording(
    http: Http, payload: dict[str, Any], files: int | None, code: int
) -> None:
    """It has nothing else, and its length and waveform."""
    status, body = await http.post(payload, [png()] * files if files else None)
    assert (status, body["code"]) == (400, code)


async def test_a_voice_message_cannot_be_edited(http: Http) -> None:
    """The attachment has the length and the waveform."""
    status, message = await http.post(voice(), [png()])
    assert (status, message["flags"]) == (200, VOICE)
    attachment = message["attachments"][0]
    assert (attachment["duration_secs"], attachment["waveform"]) == (1.5, "AAA=")
    status, body = await http.patch(message["id"], {"content": "x"})
    assert (status, body["code"]) == (400, 50162)


async def test_a_moderator_sets_flags_of_others(playground: Playground, http: Http) -> None:
    """The bot may suppress the embeds of any message, and edit nothing else."""
    message = await playground.person("Ada").say("https://a.example")
    path = f"/channels/{playground.channel.id}/messages/{message.id}"
    payload = {"flags": SUPPRESS_EMBEDS}
    playground.set_bot_permissions(playground.channel, EVERYONE)
    status, body = await http.call("PATCH", path, json=payload)
    assert (status, body["code"]) == (403, 50013)
    playground.set_bot_permissions(playground.channel, MODERATOR)
    status, body = await http.call("PATCH", path, json=payload)
    assert (status, body["flags"], body["edited_timestamp"]) == (200, SUPPRESS_EMBEDS, None)
    status, body = await http.call("PATCH", path, json=payload | {"content": "x"})
    assert (status, body["code"]) == (403, 50005)


async def test_components_of_an_edit_need_the_flag_again(http: Http) -> None:
    """Flags without IS_COMPONENTS_V2 do not unset it, but refuse components other than rows."""
    _, message = await http.post(v2(text()))
    status, body = await http.patch(message["id"], v2(text()) | {"flags": 0})
    assert (status, codes(body, "components.0")) == (400, ["UNION_TYPE_CHOICES"])
    for payload in ({"components": [text()]}, v2(text()), {"flags": 0}):
        status, body = await http.patch(message["id"], payload)
        assert (status, body["flags"]) == (200, V2)
    status, body = await http.patch(message["id"], {"flags": 0, "components": [row(button())]})
    assert (status, body["flags"]) == (200, V2)


async def test_outer_spaces_of_contents_are_removed(playground: Playground, http: Http) -> None:
    """They do not count for the limit."""
    status, message = await http.post({"content": f"\n  {'x' * 2000} "})
    assert (status, message["content"]) == (200, "x" * 2000)
    assert (await playground.person("Ada").say(" hello\n")).content == "hello"
