"""Checks who may ask for what, before anything of a request is stored."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Final

from bot.db.moderation import Moderation
from bot.domain.job import Origin
from bot.domain.moderation import Action, Entry
from bot.errors import PolicyViolation
from bot.prompt_filter.filter import SENTENCES, Rule, Violation, find_violation
from engine.contract import Recipe

_EXCERPT_LENGTH: Final = 200
log = logging.getLogger(__name__)


class AdmissionPolicy:
    """Checks blocked users and forbidden prompts, and writes refusals to the audit log."""

    def __init__(self, moderation: Moderation, clock: Callable[[], float]) -> None:
        self._moderation = moderation
        self._clock = clock

    async def check_not_blocked(self, guild_id: int | None, user_id: int) -> None:
        """Raise PolicyViolation if moderators of the guild have blocked this user."""
        _check_not_blocked((await self._moderation.standing(guild_id, user_id)).blocked)

    async def check_prompts(self, recipes: Sequence[Recipe], origin: Origin) -> None:
        """Raise PolicyViolation if the user is blocked or one of the prompts is forbidden."""
        rules = await self._moderation.standing(origin.address.guild, origin.person)
        _check_not_blocked(rules.blocked)
        for prompt, negative in dict.fromkeys(_prompts(recipe) for recipe in recipes):
            violation = find_violation(prompt, negative, words=rules.words)
            if violation is not None:
                await self._log(violation, prompt, negative, origin)
                raise PolicyViolation(SENTENCES[violation.rule])

    async def _log(self, violation: Violation, prompt: str, negative: str, origin: Origin) -> None:
        log.warning(
            "Request %s of %d broke rule %s.", origin.request, origin.person, violation.rule
        )
        entry = Entry(
            at=self._clock(),
            guild=origin.address.guild,
            channel=origin.address.channel,
            actor=origin.person,
            action=Action.REFUSED,
            detail=_audit_detail(violation, prompt, negative),
            request=origin.request,
        )
        await self._moderation.audit.add(entry)


def _check_not_blocked(reason: str | None) -> None:
    if reason is not None:
        raise PolicyViolation(
            f"Moderators of this server have blocked you from using me here: {reason}"
        )


def _prompts(recipe: Recipe) -> tuple[str, str]:
    """The prompt and the negative prompt, which has no effect without guidance."""
    return recipe.prompt, recipe.negative if recipe.uses_cfg else ""


def _audit_detail(violation: Violation, prompt: str, negative: str) -> str:
    """The violated rule, and an excerpt of the prompt if it contains a banned word.

    Prompts that violate the rule on minors are not stored; equal digests mean equal prompts.
    """
    detail = f"rule {violation.rule}: {', '.join(violation.terms)}"
    if violation.rule is Rule.WORDS:
        return f"{detail}; in “{prompt[:_EXCERPT_LENGTH]}”"
    digest = hashlib.sha256(f"{prompt}\0{negative}".encode()).hexdigest()
    return f"{detail}; sha256 {digest}"
