"""Describes pictures in words that may be prompts where they are shown."""

import asyncio
from io import BytesIO
from typing import Final, NamedTuple

from PIL import Image

from bot.attachments.sanitize import SanitizedImage
from bot.domain.description import cleaned
from bot.domain.job import RequestContext
from bot.domain.job_input import PlanInput
from bot.domain.restoration import Requester
from bot.errors import Refused
from bot.i18n import N_, _
from bot.services.admission import AdmissionPolicy
from bot.services.engine_texts import EngineTexts
from bot.services.inputs import InputService
from engine.contract.images.encode import encode_png

_THUMBNAIL_SIDE: Final = 256
_NOT_INSTALLED: Final = N_(
    "No model that describes pictures is installed. Whoever runs the bot adds one with the setting "
    "IMAGINE_CAPTIONER."
)
_NOTHING: Final = N_("I recognise nothing in this picture.")
_FORBIDDEN: Final = N_("What I see in this picture may not be said here.")


class PictureDescription(NamedTuple):
    """What a picture shows."""

    texts: tuple[str, ...]
    """At least one, the best first; each is a prompt."""
    width: int
    height: int
    thumbnail: bytes
    """The picture as a small PNG."""
    limits: str
    """What the model knows, as a sentence, if that is little."""


class Describer:
    """Nothing is stored. The BotErrors that methods raise are sentences for the user."""

    def __init__(
        self, inputs: InputService, engine_texts: EngineTexts, admission: AdmissionPolicy
    ) -> None:
        self._inputs = inputs
        self._engine_texts = engine_texts
        self._admission = admission

    def check_installed(self) -> None:
        """Raise Refused if the engine has no model that describes pictures."""
        if self._engine_texts.cards.captioner is None:
            raise Refused(_(_NOT_INSTALLED))

    async def describe(self, picture: PlanInput, context: RequestContext) -> PictureDescription:
        """What a picture shows; the safety checkers see it first. Raises BotError."""
        requester = Requester(user_id=context.user_id, guild_id=context.target.guild_id)
        image = await self._inputs.picture(picture, requester)
        texts = await self._engine_texts.describe(image.png, context.user_id)
        card = self._engine_texts.cards.captioner
        limits = "" if card is None else card.limits
        words = list(dict.fromkeys(filter(None, map(cleaned, texts))))
        if not words:
            raise Refused(f"{_(_NOTHING)} {limits}".strip())
        allowed = [text for text in words if await self._admission.allows(text, "", context)]
        if not allowed:
            raise Refused(_(_FORBIDDEN))
        thumbnail = await asyncio.to_thread(_thumbnail, image)
        return PictureDescription(tuple(allowed), image.width, image.height, thumbnail, limits)


def _thumbnail(image: SanitizedImage) -> bytes:
    with Image.open(BytesIO(image.png), formats=("PNG",)) as picture:
        picture.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
        return encode_png(picture.convert("RGB"))
