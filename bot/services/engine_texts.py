"""Has the engine write texts: more words for prompts, and descriptions of pictures."""

import asyncio
import itertools
import uuid
from collections.abc import Mapping
from typing import Final

from bot.engine_client.base import NO_FILES, EngineClient, EngineDied
from bot.errors import BotError, Refused
from bot.i18n import N_, _, from_english
from bot.services import unstored_jobs
from engine.contract import (
    Completed,
    Description,
    Expansion,
    Failed,
    JobEvent,
    Paint,
    TextModelCards,
    TextWork,
    sha256,
)

EXPANSION_SECONDS: Final = 20.0
DESCRIPTION_SECONDS: Final = 120.0
_UNAVAILABLE: Final = N_("The engine is not running at the moment. Please try again in a minute.")
_DIED: Final = N_("The engine stopped while it worked on this. Please try again in a minute.")
_TOO_LONG: Final = N_("The engine took too long. Please try again later.")
_BUSY: Final = N_("I am still busy with your last picture or prompt. Wait until it is done.")


class EngineTexts:
    """Nothing is stored, and users are not charged; each has one text at a time.

    The BotErrors that methods raise are sentences for the user.
    """

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._attempts = itertools.count(1)
        self._users: set[int] = set()
        """Those for whom the engine writes now."""

    @property
    def cards(self) -> TextModelCards:
        """The models that write texts."""
        return self._engine.text_models

    async def expand(self, prompt: str, seed: int, user_id: int) -> str:
        """What the language model writes behind a prompt. Raises BotError."""
        work = Expansion(prompt=prompt, seed=seed)
        texts = await self._write(work, NO_FILES, user_id, EXPANSION_SECONDS)
        return " ".join(texts)

    async def describe(self, png: bytes, user_id: int) -> tuple[str, ...]:
        """What a picture shows, the best text first; none if the model knows nothing in it.

        Raises BotError, also if the safety check flags the picture.
        """
        name = sha256(png)
        return await self._write(Description(name), {name: png}, user_id, DESCRIPTION_SECONDS)

    async def _write(
        self, work: TextWork, files: Mapping[str, bytes], user_id: int, seconds: float
    ) -> tuple[str, ...]:
        if not self._engine.status.is_available:
            raise BotError(_(_UNAVAILABLE))
        if user_id in self._users:
            raise Refused(_(_BUSY))
        paint = Paint(
            job=f"text-{uuid.uuid4().hex[:16]}",
            attempt=0,
            recipes=(),
            inputs=tuple(files),
            owner=str(user_id),
            text=work,
        )
        self._users.add(user_id)
        try:
            async with asyncio.timeout(seconds):
                ending = await unstored_jobs.submit(
                    self._engine, paint, self._attempts, _ignore, files
                )
        except EngineDied as error:
            raise BotError(_(_DIED)) from error
        except TimeoutError as error:
            raise BotError(_(_TOO_LONG)) from error
        finally:
            self._users.discard(user_id)
        if isinstance(ending, Failed):
            raise Refused(from_english(ending.reason))
        return ending.texts if isinstance(ending, Completed) else ()


def _ignore(_event: JobEvent) -> None:
    pass
