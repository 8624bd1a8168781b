"""Who may ask for what: each request passes here before anything of it is kept."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from bot.db.moderation import Moderation
from bot.domain.job import Origin
from bot.domain.moderation import Action, Entry
from bot.errors import PolicyViolation
from bot.prompt_filter import filter as prompt_filter
from bot.prompt_filter.filter import Breach, Rule
from engine.contract import Recipe

_EXCERPT: Final = 200
log = logging.getLogger(__name__)


class AdmissionPolicy:
    """Asks the record once, decides by pure rules, and notes what was refused by a rule."""

    def __init__(self, moderation: Moderation, clock: Callable[[], float]) -> None:
        self._moderation = moderation
        self._clock = clock

    async def check_not_blocked(self, guild: int | None, person: int) -> None:
        """Raise PolicyViolation if moderators of the server have blocked this person."""
        _check_blocked((await self._moderation.standing(guild, person)).blocked)

    async def check_prompts(self, wanted: Sequence[Recipe], origin: Origin) -> None:
        """Raise PolicyViolation if this person may not have these painted there."""
        standing = await self._moderation.standing(origin.address.guild, origin.person)
        _check_blocked(standing.blocked)
        for prompt, negative in dict.fromkeys(_prompts(recipe) for recipe in wanted):
            found = prompt_filter.breach(prompt, negative, words=standing.words)
            if found is not None:
                await self._note(found, prompt, negative, origin)
                raise PolicyViolation(prompt_filter.SENTENCES[found.rule])

    async def _note(self, found: Breach, prompt: str, negative: str, origin: Origin) -> None:
        log.warning("Request %s of %d broke rule %s.", origin.request, origin.person, found.rule)
        entry = Entry(
            at=self._clock(),
            guild=origin.address.guild,
            channel=origin.address.channel,
            actor=origin.person,
            action=Action.REFUSED,
            detail=_told(found, prompt, negative),
            request=origin.request,
        )
        await self._moderation.audit.add(entry)


def _check_blocked(reason: str | None) -> None:
    if reason is not None:
        raise PolicyViolation(
            f"Moderators of this server have blocked you from using me here: {reason}"
        )


def _prompts(recipe: Recipe) -> tuple[str, str]:
    """Without guidance, a negative prompt takes nothing away."""
    return recipe.prompt, recipe.negative if recipe.uses_cfg else ""


def _told(found: Breach, prompt: str, negative: str) -> str:
    """As much as moderators need: of a banned word, what stood around it.

    What breaks the one rule is kept nowhere; its digest tells whether two attempts were the same.
    """
    terms = f"rule {found.rule}: {', '.join(found.terms)}"
    if found.rule is Rule.WORDS:
        return f"{terms}; in “{prompt[:_EXCERPT]}”"
    digest = hashlib.sha256(f"{prompt}\0{negative}".encode()).hexdigest()
    return f"{terms}; sha256 {digest}"
