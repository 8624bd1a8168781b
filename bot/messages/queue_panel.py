"""What /queue shows: a page of unfinished jobs, with a button for each that cancels it; pure."""

from enum import StrEnum
from typing import Final

import discord

from bot.domain.job import ResponseTarget
from bot.i18n import N_, _, pgettext
from bot.messages import captions
from bot.messages.components import VERSION, layout_button, stateless_layout
from bot.messages.message_links import message_url
from bot.services.queue_view import Queue, QueuedJob

PAGE_JOBS: Final = 5
"""Jobs of a page: as many as buttons in a row."""
_NO_JOBS: Final = N_("You have no jobs that wait or are painted. /imagine starts one.")
_PRIVATE: Final = N_("*in private*")
"""Stands for the prompt of a private job, which moderators do not see either."""
_NONE_HERE: Final = N_("No jobs of this server wait or are painted.")


class Scope(StrEnum):
    """Whose jobs are shown."""

    MINE = "mine"
    SERVER = "server"


def pattern() -> str:
    """Matches the custom ids of the buttons: a job to cancel, if any, the scope and the page."""
    scopes = "|".join(Scope)
    return (
        rf"{VERSION}:queue:(?P<queued>[0-9a-z]{{0,24}}):(?P<scope>{scopes}):(?P<page>[0-9]{{1,4}})"
    )


def custom_id(scope: Scope, page: int, job_id: str = "") -> str:
    """The custom id of a button that shows a page, after it has cancelled a job if one is named."""
    return f"{VERSION}:queue:{job_id}:{scope.value}:{page}"


def page_count(queue: Queue) -> int:
    """At least 1."""
    return max(1, -(-len(queue.jobs) // PAGE_JOBS))


def panel(
    queue: Queue, scope: Scope, page: int, *, is_moderator: bool, notice: str = ""
) -> discord.ui.LayoutView:
    """A page, from 0: each job beside the button that cancels it; `notice` says what a button has
    just done."""
    card = discord.ui.Container[discord.ui.LayoutView]()
    heading = "\n".join(filter(None, [notice, _heading(queue, scope, page)]))
    card.add_item(discord.ui.TextDisplay(heading))
    for number, queued in _numbered(queue, page):
        cancel = layout_button(f"✖ {number}", custom_id(scope, page, queued.job.id))
        card.add_item(discord.ui.Section(f"{number}. {_line(queued, scope)}", accessory=cancel))
    controls = _controls(queue, scope, page, is_moderator=is_moderator)
    return stateless_layout([card, discord.ui.ActionRow(*controls)])


def _controls(
    queue: Queue, scope: Scope, page: int, *, is_moderator: bool
) -> list[discord.ui.Button[discord.ui.LayoutView]]:
    last = page_count(queue) - 1
    targets = [("◀", scope, page - 1)] if page > 0 else []
    targets += [("▶", scope, page + 1)] if page < last else []
    if is_moderator:
        other_scope = (
            (pgettext("button", "All of this server"), Scope.SERVER)
            if scope is Scope.MINE
            else (pgettext("button", "Mine"), Scope.MINE)
        )
        targets.append((*other_scope, 0))
    targets.append((pgettext("button", "🔄 Refresh"), scope, page))
    return [layout_button(label, custom_id(of, number)) for label, of, number in targets]


def _numbered(queue: Queue, page: int) -> list[tuple[int, QueuedJob]]:
    first = page * PAGE_JOBS
    return list(enumerate(queue.jobs[first : first + PAGE_JOBS], start=first + 1))


def _heading(queue: Queue, scope: Scope, page: int) -> str:
    if not queue.jobs:
        return _(_NO_JOBS) if scope is Scope.MINE else _(_NONE_HERE)
    subject = _("Your jobs") if scope is Scope.MINE else _("Jobs of this server")
    count = page_count(queue)
    number = _("page {number} of {count}").format(number=page + 1, count=count)
    pages = f" · {number}" if count > 1 else ""
    return _("**{subject}**: {count} of {total} in the queue{pages}").format(
        subject=subject, count=len(queue.jobs), total=queue.total, pages=pages
    )


def _line(queued: QueuedJob, scope: Scope) -> str:
    job = queued.job
    is_hidden = job.plan.is_private and scope is Scope.SERVER
    title = f"{_(job.kind.title)}{_(_PRIVATE)}" if is_hidden else captions.title(job)
    parts = [title, captions.stage(queued.progress)]
    if scope is Scope.SERVER:
        parts.insert(1, f"<@{job.user_id}>")
    return " · ".join([*parts, *([] if job.plan.is_private else _link(job.target))])


def _link(target: ResponseTarget) -> list[str]:
    """To the message of a job, if it has one."""
    if target.message_id is None:
        return []
    return [message_url(target)]
