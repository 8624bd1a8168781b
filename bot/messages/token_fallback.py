"""Write by an interaction's token and, if Discord refuses it, in the channel."""

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from bot.domain.job import ResponseTarget
from bot.messages.discord_errors import TokenExpired

log = logging.getLogger(__name__)
T = TypeVar("T")


async def with_token_fallback(
    target: ResponseTarget,
    send: Callable[[ResponseTarget], Awaitable[T]],
    *,
    on_refused: Callable[[], Awaitable[object]] | None = None,
) -> T:
    """The result of `send(target)` or, if it raises TokenExpired, of `send` without the token.

    `on_refused` is called in between.
    """
    try:
        return await send(target)
    except TokenExpired as error:
        log.info("token refused", extra={"reason": str(error)})
    if on_refused is not None:
        await on_refused()
    return await send(without_token(target))


def without_token(target: ResponseTarget) -> ResponseTarget:
    """The same target, reached by its channel."""
    return msgspec.structs.replace(target, token=None)
