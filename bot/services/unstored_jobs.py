"""Jobs of the engine that no table has: what they make can be made again at any time."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from bot.engine_client.base import NO_FILES, EngineClient, EngineDied, EventCallback
from engine.contract import Ending, Paint

_FIRST_PAUSE: Final = 0.5


async def submit(
    engine: EngineClient,
    paint: Paint,
    attempts: Iterator[int],
    on_event: EventCallback,
    files: Mapping[str, bytes] = NO_FILES,
) -> Ending:
    """The ending of a job, which is sent again after pauses if replicas hand it back.

    Raises EngineDied if the engine crashed.
    """
    pause = _FIRST_PAUSE
    while True:
        paint = msgspec.structs.replace(paint, attempt=next(attempts))
        try:
            return await engine.submit(paint, on_event, files)
        except EngineDied as error:
            if error.crashed:
                raise
        await asyncio.sleep(pause)
        pause *= 2
