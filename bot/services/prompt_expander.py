"""Adds words to prompts, none that would be forbidden where they are shown."""

from typing import Final

from bot.domain.job import RequestContext
from bot.domain.plan import Plan
from bot.domain.prompt_expansion import expanded
from bot.errors import Refused
from bot.i18n import N_, _
from bot.services.admission import AdmissionPolicy
from engine.contract import SEED_LIMIT, ModelCard

_TRIES: Final = 5
_FORBIDDEN: Final = N_("All words that I would add are forbidden here, so I add none.")


class PromptExpander:
    """Equal seeds add equal words."""

    def __init__(self, admission: AdmissionPolicy) -> None:
        self._admission = admission

    async def check(self, plan: Plan, context: RequestContext) -> None:
        """Raise PolicyViolation if the user is blocked, or the user's own words are forbidden."""
        await self._admission.check_prompts(plan.recipes, context, shown=plan.prompt)

    async def expand(
        self, prompt: str, negative: str, model: ModelCard, seed: int, context: RequestContext
    ) -> str:
        """The prompt with more words, which this model knows.

        Raises Refused, with a sentence for the user, if they would be forbidden.
        """
        for nth in range(_TRIES):
            text = expanded(prompt, model, (seed + nth) % SEED_LIMIT)
            if await self._admission.allows(text, negative, context):
                return text
        raise Refused(_(_FORBIDDEN))
