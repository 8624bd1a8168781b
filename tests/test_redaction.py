"""Secrets are left out of what is written."""

import pytest

from engine.log.redaction import discreet, hide

INTERACTION = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OQ_-x"
BOT = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.abcdefghijklmnopqrstuvwxyz0123456789ab"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/webhooks/12/s3cret/messages/@original", "/webhooks/12/…/messages/@original"),
        ("/interactions/34/s3cret/callback?with=1", "/interactions/34/…/callback?with=1"),
        ("{'token': 's3cret', 'id': '5'}", "{'token': '…', 'id': '5'}"),
        ('{"token":"s3cret"}', '{"token":"…"}'),
        ("Hello(token='s3cret', version=5)", "Hello(token='…', version=5)"),
        ("IMAGINE_ENGINE_TOKEN=s3cret", "IMAGINE_ENGINE_TOKEN=…"),
        ("{'Authorization': 'Bot s3cret'}", "{'Authorization': 'Bot …'}"),
        ("Authorization: Bearer s3cret", "Authorization: Bearer …"),
        (f"got {INTERACTION} back", "got … back"),
        (f"got {BOT} back", "got … back"),
        ("hf_s3cretS3cretS3cretS3cret", "…"),
        ("https://cdn/a.png?ex=1&is=2&hm=5ecret&x=1", "https://cdn/a.png?ex=1&is=2&hm=…&x=1"),
        ("https://hub/x?X-Amz-Signature=5ecret", "https://hub/x?X-Amz-Signature=…"),
    ],
)
def test_a_secret_is_known_by_its_place_or_its_look(text: str, left: str) -> None:
    """Without being told."""
    assert discreet(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "Job 5f0c is done.",
        "Discord does not know this DISCORD_TOKEN. Copy it again from https://discord.com.",
        "The token is wrong.",
        "PATCH /channels/123456789012345678/messages/1",
        "a painting of a secret garden, token of love",
    ],
)
def test_other_words_stay(text: str) -> None:
    """Only what stands where a secret stands is left out."""
    assert discreet(text) == text


def test_what_is_hidden_stays_so_everywhere() -> None:
    """Also where nothing shows that it is a secret."""
    assert discreet("(correct horse)") == "(correct horse)"
    hide("correct horse")
    assert discreet("(correct horse)") == "(…)"


def test_what_is_too_short_to_be_a_secret_is_not_hidden() -> None:
    """Or an empty setting would hide all."""
    hide("")
    hide("a")
    assert discreet("a house") == "a house"
