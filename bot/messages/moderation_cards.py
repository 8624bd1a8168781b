"""The text of cases, blocks and the audit log, for moderators, without pictures; pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from bot.domain.job import DeletionReason, Job, ResponseTarget
from bot.domain.moderation import AuditAction, AuditEntry, Block, Case, CaseState, Report
from bot.domain.picture import Picture
from bot.i18n import _, from_english
from bot.messages import captions
from bot.messages.message_links import message_url

_MAX_CONTENT: Final = 2000
_MAX_REPORTS: Final = 3
_MAX_REASON: Final = 150
_MAX_VARIATIONS: Final = 10
_MAX_DETAIL: Final = 160
_MAX_PAGE: Final = 1800
"""Characters of a page, less than a message to leave room for a footer."""


def case(
    case: Case,
    job: Job,
    pictures: Sequence[Picture],
    block: str | None,
    *,
    has_texts: bool = True,
) -> str:
    """The card of a case; `block` is the reason if the user is blocked.

    `has_texts` is False if the server blocks what people wrote: the prompt or a reason.
    """
    lines = [
        _("🚩 Reported: {link} by <@{user_id}>").format(
            link=_link(case.reports[0]), user_id=job.user_id
        ),
        captions.recipes(job, has_prompt=has_texts),
        _pictures(pictures),
        *_history(case, has_texts),
    ]
    if block is not None:
        lines.append(
            _("<@{user_id}> is blocked: {reason}").format(
                user_id=job.user_id, reason=_reason(block, has_texts)
            )
        )
    return "\n".join(lines)[:_MAX_CONTENT]


def deleted_case(case: Case, reason: DeletionReason, *, has_texts: bool = True) -> str:
    """The card of a case whose job was deleted."""
    history = _history(case, has_texts)
    lines = [
        _("🚩 Reported: {link}").format(link=_link(case.reports[0])),
        _(reason.message),
        *history,
    ]
    return "\n".join(lines)[:_MAX_CONTENT]


def _history(case: Case, has_texts: bool) -> list[str]:
    lines = [_reported(report, has_texts) for report in case.reports[-_MAX_REPORTS:]]
    if len(case.reports) > _MAX_REPORTS:
        lines.append(
            _("… and {count} earlier reports").format(count=len(case.reports) - _MAX_REPORTS)
        )
    if case.state is not CaseState.OPEN:
        lines.append(
            _("**{state}** by <@{moderator_id}>").format(
                state=_(case.state).capitalize(), moderator_id=case.moderator_id
            )
        )
    return lines


def _link(report: Report) -> str:
    target = ResponseTarget(
        guild_id=report.guild_id, channel_id=report.channel_id, message_id=report.message_id
    )
    return message_url(target)


def variations(jobs: Sequence[Job], guild_id: int | None) -> str:
    """A sentence with links to the variations of removed pictures that this guild can see; empty if
    none was posted there."""
    jobs = [
        job
        for job in jobs
        if job.target.message_id is not None
        and job.target.guild_id == guild_id
        and not job.plan.is_private
    ]
    if not jobs:
        return ""
    links = " ".join(message_url(job.target) for job in jobs[:_MAX_VARIATIONS])
    more = len(jobs) - _MAX_VARIATIONS
    rest = _(" and {count} more").format(count=more) if more > 0 else ""
    return _(" Their variations are not removed: {links}{rest}").format(links=links, rest=rest)


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return _("no pictures yet")
    names = " · ".join(
        f"`{picture.id}`"
        + (f" ({picture.unavailable_reason})" if picture.unavailable_reason else "")
        for picture in pictures
    )
    return _("pictures {names}").format(names=names)


def _reported(report: Report, has_texts: bool) -> str:
    picture = "" if report.nth is None else _(" picture {nth}").format(nth=report.nth)
    reason = _reason(report.reason, has_texts) or _("no reason given")
    return _("<@{reporter_id}> reported{picture} <t:{created_at}:R>: {reason}").format(
        reporter_id=report.reporter_id,
        picture=picture,
        created_at=int(report.created_at),
        reason=reason,
    )


def _reason(text: str, has_texts: bool) -> str:
    return (
        captions.escape(from_english(text), _MAX_REASON)
        if has_texts or not text
        else _("not shown here")
    )


def blocks(blocks: Iterable[Block]) -> list[str]:
    """A line for each block."""
    return [
        _("<@{user_id}> by <@{moderator_id}> <t:{created_at}:R>: {reason}").format(
            user_id=block.user_id,
            moderator_id=block.moderator_id,
            created_at=int(block.created_at),
            reason=captions.escape(from_english(block.reason), _MAX_REASON),
        )
        for block in blocks
    ]


def audit(entries: Iterable[AuditEntry]) -> list[str]:
    """A line for each entry of the audit log."""
    return [_line(entry) for entry in entries]


def _line(entry: AuditEntry) -> str:
    parts = [f"<t:{int(entry.created_at)}:f> <@{entry.actor_id}> {_(entry.action)}"]
    if entry.target_id is not None:
        parts.append(f"<@{entry.target_id}>")
    if entry.job_id is not None:
        parts.append(_("job `{job_id}`").format(job_id=entry.job_id))
    if entry.channel_id is not None:
        parts.append(_("in <#{channel_id}>").format(channel_id=entry.channel_id))
    is_own_text = entry.action is AuditAction.SET  # has mentions of roles and channels
    text = from_english(entry.detail)
    detail = text if is_own_text else captions.escape(text, _MAX_DETAIL)
    return " ".join(parts) + (f": {detail}" if detail else "")


def page(lines: Sequence[str], number: int) -> str:
    """The page of this number, from 1, in whole lines; the nearest one if there is none."""
    pages: list[list[str]] = [[]]
    for line in lines:
        if sum(len(previous) + 1 for previous in pages[-1]) + len(line) > _MAX_PAGE:
            pages.append([])
        pages[-1].append(line)
    number = min(max(number, 1), len(pages))
    place = _("page {number} of {count}").format(number=number, count=len(pages))
    footer = f"\n{place}" if len(pages) > 1 else ""
    return "\n".join(pages[number - 1]) + footer
