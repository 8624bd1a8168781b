"""The text of cases, blocks and the audit log, for moderators, without pictures; pure."""

from collections.abc import Iterable, Sequence
from typing import Final

from bot.domain.job import DeletionReason, Job, ResponseTarget
from bot.domain.moderation import AuditAction, AuditEntry, Block, Case, CaseState, Report
from bot.domain.picture import Picture
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
        f"🚩 Reported: {_link(case.reports[0])} by <@{job.user_id}>",
        captions.recipes(job, has_prompt=has_texts),
        _pictures(pictures),
        *_history(case, has_texts),
    ]
    if block is not None:
        lines.append(f"<@{job.user_id}> is blocked: {_reason(block, has_texts)}")
    return "\n".join(lines)[:_MAX_CONTENT]


def deleted_case(case: Case, reason: DeletionReason, *, has_texts: bool = True) -> str:
    """The card of a case whose job was deleted."""
    history = _history(case, has_texts)
    lines = [f"🚩 Reported: {_link(case.reports[0])}", reason.message, *history]
    return "\n".join(lines)[:_MAX_CONTENT]


def _history(case: Case, has_texts: bool) -> list[str]:
    lines = [_reported(report, has_texts) for report in case.reports[-_MAX_REPORTS:]]
    if len(case.reports) > _MAX_REPORTS:
        lines.append(f"… and {len(case.reports) - _MAX_REPORTS} earlier reports")
    if case.state is not CaseState.OPEN:
        lines.append(f"**{case.state.capitalize()}** by <@{case.moderator_id}>")
    return lines


def _link(report: Report) -> str:
    target = ResponseTarget(
        guild_id=report.guild_id, channel_id=report.channel_id, message_id=report.message_id
    )
    return message_url(target)


def variations(jobs: Sequence[Job]) -> str:
    """A sentence with links to the variations of removed pictures; empty if none was posted."""
    jobs = [job for job in jobs if job.target.message_id is not None]
    if not jobs:
        return ""
    links = " ".join(message_url(job.target) for job in jobs[:_MAX_VARIATIONS])
    more = len(jobs) - _MAX_VARIATIONS
    rest = f" and {more} more" if more > 0 else ""
    return f" Their variations are not removed: {links}{rest}"


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return "no pictures yet"
    return "pictures " + " · ".join(
        f"`{picture.id}`"
        + (f" ({picture.unavailable_reason})" if picture.unavailable_reason else "")
        for picture in pictures
    )


def _reported(report: Report, has_texts: bool) -> str:
    picture = "" if report.nth is None else f" picture {report.nth}"
    reason = _reason(report.reason, has_texts) or "no reason given"
    return f"<@{report.reporter_id}> reported{picture} <t:{int(report.created_at)}:R>: {reason}"


def _reason(text: str, has_texts: bool) -> str:
    return captions.escape(text, _MAX_REASON) if has_texts or not text else "not shown here"


def blocks(blocks: Iterable[Block]) -> list[str]:
    """A line for each block."""
    return [
        f"<@{block.user_id}> by <@{block.moderator_id}> <t:{int(block.created_at)}:R>: "
        f"{captions.escape(block.reason, _MAX_REASON)}"
        for block in blocks
    ]


def audit(entries: Iterable[AuditEntry]) -> list[str]:
    """A line for each entry of the audit log."""
    return [_line(entry) for entry in entries]


def _line(entry: AuditEntry) -> str:
    parts = [f"<t:{int(entry.created_at)}:f> <@{entry.actor_id}> {entry.action}"]
    if entry.target_id is not None:
        parts.append(f"<@{entry.target_id}>")
    if entry.job_id is not None:
        parts.append(f"job `{entry.job_id}`")
    if entry.channel_id is not None:
        parts.append(f"in <#{entry.channel_id}>")
    is_own_text = entry.action is AuditAction.SET  # has mentions of roles and channels
    detail = entry.detail if is_own_text else captions.escape(entry.detail, _MAX_DETAIL)
    return " ".join(parts) + (f": {detail}" if detail else "")


def page(lines: Sequence[str], number: int) -> str:
    """The page of this number, from 1, in whole lines; the last one if the number is too high."""
    pages: list[list[str]] = [[]]
    for line in lines:
        if sum(len(previous) + 1 for previous in pages[-1]) + len(line) > _MAX_PAGE:
            pages.append([])
        pages[-1].append(line)
    number = min(number, len(pages))
    footer = f"\npage {number} of {len(pages)}" if len(pages) > 1 else ""
    return "\n".join(pages[number - 1]) + footer
