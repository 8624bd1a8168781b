"""Adds words to prompts, none that would be forbidden where they are shown."""

import logging
from typing import Final

from bot.domain.job import RequestContext
from bot.domain.plan import Plan
from bot.domain.prompt_expansion import expanded, is_starter, with_phrases
from bot.errors import BotError, Refused
from bot.i18n import N_, _
from bot.services.admission import AdmissionPolicy
from bot.services.engine_texts import EngineTexts
from engine.contract import SEED_LIMIT, ModelCard, TextModelCards

_TRIES: Final = 5
_FORBIDDEN: Final = N_("All words that I would add are forbidden here, so I add none.")
log = logging.getLogger(__name__)


class PromptExpander:
    """By the language model of the engine, or by rules where it has none, or does not answer, or
    the model that paints knows only the words of the starter. Equal seeds add equal words."""

    def __init__(self, admission: AdmissionPolicy, engine_texts: EngineTexts) -> None:
        self._admission = admission
        self._engine_texts = engine_texts

    @property
    def text_models(self) -> TextModelCards:
        """The models of the engine that write texts."""
        return self._engine_texts.cards

    async def check(self, plan: Plan, context: RequestContext) -> None:
        """Raise PolicyViolation if the user is blocked, or the user's own words are forbidden."""
        await self._admission.check_prompts(plan.recipes, context, shown=plan.prompt)

    async def expand(
        self, prompt: str, negative: str, model: ModelCard, seed: int, context: RequestContext
    ) -> str:
        """The prompt with more words, which this model knows.

        Raises Refused, with a sentence for the user, if they would be forbidden.
        """
        if not is_starter(model) and self._engine_texts.cards.expander is not None:
            text = await self._continued(prompt, seed, context)
            if text != prompt and await self._admission.allows(text, negative, context):
                return text
        for nth in range(_TRIES):
            text = expanded(prompt, model, (seed + nth) % SEED_LIMIT)
            if await self._admission.allows(text, negative, context):
                return text
        raise Refused(_(_FORBIDDEN))

    async def _continued(self, prompt: str, seed: int, context: RequestContext) -> str:
        """The prompt as the language model continues it; as it is if the engine does not answer."""
        try:
            text = await self._engine_texts.expand(prompt, seed, context.user_id)
        except BotError as error:
            log.warning("a prompt is expanded by rules", extra={"reason": str(error)})
            return prompt
        return with_phrases(prompt, text)
