"""Cases, blocks and the audit log in words, for moderators; pure. No picture is shown again."""

from collections.abc import Iterable, Sequence
from typing import Final

from bot.domain.job import DeletionReason, Job
from bot.domain.moderation import AuditAction, AuditEntry, Block, Case, CaseState, Report
from bot.domain.picture import Picture
from bot.messages import captions

_LIMIT: Final = 2000
_REPORTS_SHOWN: Final = 3
_REASON_SHOWN: Final = 150
_VARIATIONS_SHOWN: Final = 10
_DETAIL_SHOWN: Final = 160
_PAGE: Final = 1800
"""Characters of a page, with some room for what stands around it."""


def case(case: Case, job: Job, pictures: Sequence[Picture], block: str | None) -> str:
    """A case on its card; `block` says why the person is blocked, if they are."""
    lines = [
        f"🚩 Reported: {_link(case.reports[0])} by <@{job.user_id}>",
        captions.recipes(job),
        _pictures(pictures),
        *_history(case),
    ]
    if block is not None:
        lines.append(f"<@{job.user_id}> is blocked: {captions.escape(block, _REASON_SHOWN)}")
    return "\n".join(lines)[:_LIMIT]


def deleted_case(case: Case, erasure: DeletionReason) -> str:
    """The card of a case whose job was deleted."""
    lines = [f"🚩 Reported: {_link(case.reports[0])}", erasure.message, *_history(case)]
    return "\n".join(lines)[:_LIMIT]


def _history(case: Case) -> list[str]:
    lines = [_reported(report) for report in case.reports[-_REPORTS_SHOWN:]]
    if len(case.reports) > _REPORTS_SHOWN:
        lines.append(f"… and {len(case.reports) - _REPORTS_SHOWN} earlier reports")
    if case.state is not CaseState.OPEN:
        lines.append(f"**{case.state.capitalize()}** by <@{case.moderator_id}>")
    return lines


def _link(report: Report) -> str:
    return _address(report.guild_id, report.channel_id, report.message_id)


def _address(guild: int | None, channel: int, message: int | None) -> str:
    return f"https://discord.com/channels/{guild or '@me'}/{channel}/{message}"


def variations(jobs: Sequence[Job]) -> str:
    """Those of removed pictures, which stay; nothing if there are none."""
    if not jobs:
        return ""
    where = (job.target for job in jobs[:_VARIATIONS_SHOWN])
    links = " ".join(_address(each.guild_id, each.channel_id, each.message_id) for each in where)
    more = len(jobs) - _VARIATIONS_SHOWN
    others = f" and {more} more" if more > 0 else ""
    return f" Variations of them are results of their own, and stay: {links}{others}"


def _pictures(pictures: Sequence[Picture]) -> str:
    if not pictures:
        return "not painted yet"
    return "pictures " + " · ".join(
        f"`{picture.id}`"
        + (f" ({picture.unavailable_reason})" if picture.unavailable_reason else "")
        for picture in pictures
    )


def _reported(report: Report) -> str:
    which = "" if report.nth is None else f" picture {report.nth}"
    why = captions.escape(report.reason, _REASON_SHOWN) or "no reason given"
    return f"<@{report.reporter_id}> reported{which} <t:{int(report.created_at)}:R>: {why}"


def blocks(blocked: Iterable[Block]) -> list[str]:
    """A line for each blocked person."""
    return [
        f"<@{block.user_id}> by <@{block.moderator_id}> <t:{int(block.created_at)}:R>: "
        f"{captions.escape(block.reason, _REASON_SHOWN)}"
        for block in blocked
    ]


def audit(entries: Iterable[AuditEntry]) -> list[str]:
    """A line for each line of the log."""
    return [_line(entry) for entry in entries]


def _line(entry: AuditEntry) -> str:
    parts = [f"<t:{int(entry.created_at)}:f> <@{entry.actor_id}> {entry.action}"]
    if entry.target_id is not None:
        parts.append(f"<@{entry.target_id}>")
    if entry.job_id is not None:
        parts.append(f"job `{entry.job_id}`")
    if entry.channel_id is not None:
        parts.append(f"in <#{entry.channel_id}>")
    ours = entry.action is AuditAction.SET  # with roles and channels, to be read as such
    detail = entry.detail if ours else captions.escape(entry.detail, _DETAIL_SHOWN)
    return " ".join(parts) + (f": {detail}" if detail else "")


def page(lines: Sequence[str], number: int) -> str:
    """So many whole lines as fit; pages are counted from 1, and one too high is the last."""
    pages: list[list[str]] = [[]]
    for line in lines:
        if sum(len(other) + 1 for other in pages[-1]) + len(line) > _PAGE:
            pages.append([])
        pages[-1].append(line)
    number = min(number, len(pages))
    foot = f"\npage {number} of {len(pages)}" if len(pages) > 1 else ""
    return "\n".join(pages[number - 1]) + foot
