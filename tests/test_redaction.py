"""Redaction of secrets in the log."""

import pytest

from engine.log.redaction import redact, register_secret

INTERACTION = "aW50ZXJhY3Rpb246MTIzNDU2Nzg5MDEyMzQ1Njc4OQ_-x"
BOT = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GaBcDe.abcdefghijklmnopqrstuvwxyz0123456789ab"


@pytest.mark.parametrize(
    ("text", "redacted"),
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
def test_tokens_are_recognised_by_position_or_form(text: str, redacted: str) -> None:
    """Such tokens need not be registered."""
    assert redact(text) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "Job 5f0c is done.",
        "Discord rejects this DISCORD_TOKEN. Copy it again from https://discord.com.",
        "The token is wrong.",
        "PATCH /channels/123456789012345678/messages/1",
        "a painting of a secret garden, token of love",
    ],
)
def test_other_text_is_unchanged(text: str) -> None:
    """Sentences about tokens and secrets are not redacted."""
    assert redact(text) == text


def test_a_registered_secret_is_redacted_everywhere() -> None:
    """The text around a secret does not matter."""
    assert redact("(correct horse)") == "(correct horse)"
    register_secret("correct horse")
    assert redact("(correct horse)") == "(…)"


def test_a_short_secret_is_not_registered() -> None:
    """An empty setting, for example, would redact everything."""
    register_secret("")
    register_secret("a")
    assert redact("a house") == "a house"
