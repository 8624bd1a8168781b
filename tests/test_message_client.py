"""Requests of the message client."""

from discord.http import Route

from bot.messages.message_client import ORIGINAL_RESPONSE


def test_the_original_response_is_not_encoded_in_a_path() -> None:
    """Other servers than Discord may compare the path as it is sent."""
    route = Route("PATCH", "/webhooks/1/t/messages/{message_id}", message_id=ORIGINAL_RESPONSE)
    assert route.url.endswith("/webhooks/1/t/messages/@original")
