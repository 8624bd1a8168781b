"""Which texts are accepted as reactions."""

from urllib.parse import quote

import pytest

from bot.playground import Playground
from bot.playground.model.emoji import is_emoji
from tests.playground_http import Http

EMOJI = (
    *("🔁", "✉️", "✉", "❌", "1️⃣", "1⃣", "#️⃣", "❤", "❤️", "©️", "ℹ️", "™️"),
    *(
        "👍🏽",
        "👩‍🎨",
        "👩🏾‍❤️‍💋‍👨🏻",
        "🏳️‍🌈",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ),
    *("🇩🇪", "🇦", "🫨", "🛜", "☺️"),
)
NO_EMOJI = (
    *("a", "1", "#", ":smile:", "smile", "name:123", "é", "日本", "ä", "→", "★", "½", "👍👍"),
    *("👍x", "\u200d", "\ufe0f", "🇩🇪🇫", "👩\u200d", "🔁 "),
)


@pytest.mark.parametrize("text", EMOJI)
def test_emoji(text: str) -> None:
    """Emoji with and without variation selector, skin tones, sequences, flags and keycaps."""
    assert is_emoji(text)


@pytest.mark.parametrize("text", NO_EMOJI)
async def test_other_texts_are_unknown_emoji(playground: Playground, http: Http, text: str) -> None:
    """Letters, symbols, several emoji and unknown custom emoji are refused with 10014."""
    _, message = await http.post({"content": "x"})
    path = f"/channels/{playground.channel.id}/messages/{message['id']}/reactions"
    status, body = await http.call("PUT", f"{path}/{quote(text)}/@me")
    assert (status, body["code"]) == (400, 10014)
    status, body = await http.call("GET", f"{path}/{quote(text)}")
    assert (status, body["code"]) == (400, 10014)
    playground.clock.advance(1)
    assert (await http.call("PUT", f"{path}/{quote('🔁')}/@me"))[0] == 204
