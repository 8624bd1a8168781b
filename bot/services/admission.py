"""Checks the user and the prompts of a request before anything of it is stored."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import Final

from bot.db.audit_log import AuditLog
from bot.db.lineage import LineageStore
from bot.db.moderation import ModerationStore
from bot.domain.clock import Clock
from bot.domain.job import RequestContext
from bot.domain.moderation import AuditAction, AuditEntry, check_not_blocked
from bot.errors import PolicyViolation
from bot.i18n import N_
from bot.prompt_filter.filter import SENTENCES, Rule, Violation, find_violation, find_violation_in
from engine.contract import Work, sha256

_EXCERPT_LENGTH: Final = 200
log = logging.getLogger(__name__)


class AdmissionPolicy:
    """Checks blocked users and forbidden prompts, and writes refusals to the audit log."""

    def __init__(
        self,
        moderation: ModerationStore,
        lineage: LineageStore,
        audit_log: AuditLog,
        clock: Clock,
    ) -> None:
        self._moderation = moderation
        self._lineage = lineage
        self._audit_log = audit_log
        self._clock = clock

    async def check_prompts(
        self,
        recipes: Sequence[Work],
        context: RequestContext,
        *,
        shown: str = "",
        parents: Collection[str] = (),
    ) -> None:
        """Raise PolicyViolation if the user is blocked or one of the prompts is forbidden.

        `shown` are the words in the messages of the job, if they are not those of a prompt: some of
        a schedule may never take effect. `parents` are the ids of pictures that the job changes:
        what they show was said by their own prompts, so each prompt is checked together with those.
        """
        rules = await self._moderation.rules_for(context.target.guild_id, context.user_id)
        check_not_blocked(rules)
        shown_prompts = [((shown, ""),)] if shown else []
        pictured = await self._pictured(parents)
        with_pictured = (tuple(dict.fromkeys((*recipe.prompts, *pictured))) for recipe in recipes)
        for prompts in dict.fromkeys([*with_pictured, *shown_prompts]):
            check = partial(find_violation_in, prompts, words=rules.banned_words)
            match = check() if len(prompts) == 1 else await asyncio.to_thread(check)
            if match is not None:
                violation, prompt, negative = match
                await self._log(violation, prompt, negative, context)
                raise PolicyViolation(SENTENCES[violation.rule])

    async def allows(self, prompt: str, negative: str, context: RequestContext) -> bool:
        """Whether a text that the user has not written may be a prompt; nothing is logged."""
        rules = await self._moderation.rules_for(context.target.guild_id, context.user_id)
        return find_violation(prompt, negative, words=rules.banned_words) is None

    async def _pictured(self, parents: Collection[str]) -> list[tuple[str, str]]:
        """The prompts of pictures and of those that they were made from."""
        if not parents:
            return []
        pictures = await self._lineage.ancestors(parents)
        return [prompts for picture in pictures for prompts in picture.recipe.prompts]

    async def _log(
        self, violation: Violation, prompt: str, negative: str, context: RequestContext
    ) -> None:
        log.warning(
            "Request %s of %d broke rule %s.",
            context.idempotency_key,
            context.user_id,
            violation.rule,
        )
        entry = AuditEntry(
            created_at=self._clock(),
            guild_id=context.target.guild_id,
            channel_id=context.target.channel_id,
            actor_id=context.user_id,
            action=AuditAction.REFUSED,
            detail=_audit_detail(violation, prompt, negative),
            idempotency_key=context.idempotency_key,
        )
        await self._audit_log.add(entry)


def _audit_detail(violation: Violation, prompt: str, negative: str) -> str:
    """The violated rule, and an excerpt of the prompt if it contains a banned word.

    Prompts that violate the rule on minors are not stored; equal digests mean equal prompts.
    """
    detail = N_("rule {rule}: {terms}").format(
        rule=violation.rule, terms=", ".join(violation.terms)
    )
    if violation.rule is Rule.WORDS:
        return N_("{detail}; in “{prompt}”").format(detail=detail, prompt=prompt[:_EXCERPT_LENGTH])
    digest = sha256(f"{prompt}\0{negative}".encode())
    return N_("{detail}; sha256 {digest}").format(detail=detail, digest=digest)
