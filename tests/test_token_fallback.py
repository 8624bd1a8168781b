"""Sending a message by token, and by channel if Discord refuses the token."""

import pytest

from bot.domain.job import ResponseTarget
from bot.messages.discord_errors import MessageGone, TokenExpired
from bot.messages.token_fallback import with_token_fallback, without_token

TARGET = ResponseTarget(channel_id=1, message_id=2, application_id=3, token="t" * 8)
BY_CHANNEL = ResponseTarget(channel_id=1, message_id=2, application_id=3)


class Sender:
    """Records the calls; each send raises the next of these errors."""

    def __init__(self, *errors: Exception) -> None:
        self.events: list[object] = []
        self._errors = list(errors)

    async def send(self, target: ResponseTarget) -> int:
        self.events.append(target)
        if self._errors:
            raise self._errors.pop(0)
        return 2

    async def on_refused(self) -> None:
        self.events.append("refused")


async def test_a_valid_token_is_used_once() -> None:
    """The result of the call is returned."""
    sender = Sender()
    assert await with_token_fallback(TARGET, sender.send, on_refused=sender.on_refused) == 2
    assert sender.events == [TARGET]


async def test_a_refused_token_is_given_up_before_the_channel_is_used() -> None:
    """After a crash in between, the token is not used again."""
    sender = Sender(TokenExpired())
    assert await with_token_fallback(TARGET, sender.send, on_refused=sender.on_refused) == 2
    assert sender.events == [TARGET, "refused", BY_CHANNEL]


async def test_other_errors_are_not_retried() -> None:
    """This holds before the fallback and after it."""
    sender = Sender(MessageGone())
    with pytest.raises(MessageGone):
        await with_token_fallback(TARGET, sender.send)
    assert sender.events == [TARGET]
    sender = Sender(TokenExpired(), MessageGone())
    with pytest.raises(MessageGone):
        await with_token_fallback(TARGET, sender.send)
    assert sender.events == [TARGET, BY_CHANNEL]


def test_a_target_without_its_token_stays_the_same_message() -> None:
    """Its channel and message do not change."""
    assert without_token(TARGET) == BY_CHANNEL
