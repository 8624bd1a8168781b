"""What /queue shows: a page of unfinished jobs, with a button for each that cancels it; pure."""

from enum import StrEnum
from typing import Final

import discord

from bot.domain.job import ResponseTarget
from bot.messages import captions
from bot.messages.components import VERSION, button, stateless_view
from bot.messages.message_links import message_url
from bot.services.queue_view import Queue, QueuedJob

PAGE_JOBS: Final = 5
"""Jobs of a page: as many as buttons in a row."""
_NO_JOBS: Final = "You have no jobs that wait or are painted. /imagine starts one."
_PRIVATE: Final = "*in private*"
"""Stands for the prompt of a private job, which moderators do not see either."""
_NONE_HERE: Final = "No jobs of this server wait or are painted."


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


def content(queue: Queue, scope: Scope, page: int, notice: str = "") -> str:
    """The text of a page, from 0; `notice` says what a button has just done."""
    lines = [notice, _heading(queue, scope, page)]
    for number, queued in _numbered(queue, page):
        lines.append(f"{number}. {_line(queued, scope)}")
    return "\n".join(filter(None, lines))


def view(queue: Queue, scope: Scope, page: int, *, is_moderator: bool) -> discord.ui.View:
    """The buttons of a page."""
    cancels = [
        button(f"✖ {number}", custom_id(scope, page, queued.job.id))
        for number, queued in _numbered(queue, page)
    ]
    last = page_count(queue) - 1
    controls = [button("◀", custom_id(scope, page - 1), row=1)] if page > 0 else []
    controls += [button("▶", custom_id(scope, page + 1), row=1)] if page < last else []
    if is_moderator:
        other_scope, label = (
            (Scope.SERVER, "All of this server") if scope is Scope.MINE else (Scope.MINE, "Mine")
        )
        controls.append(button(label, custom_id(other_scope, 0), row=1))
    controls.append(button("🔄 Refresh", custom_id(scope, page), row=1))
    return stateless_view([*cancels, *controls])


def _numbered(queue: Queue, page: int) -> list[tuple[int, QueuedJob]]:
    first = page * PAGE_JOBS
    return list(enumerate(queue.jobs[first : first + PAGE_JOBS], start=first + 1))


def _heading(queue: Queue, scope: Scope, page: int) -> str:
    if not queue.jobs:
        return _NO_JOBS if scope is Scope.MINE else _NONE_HERE
    subject = "Your jobs" if scope is Scope.MINE else "Jobs of this server"
    count = page_count(queue)
    pages = f" · page {page + 1} of {count}" if count > 1 else ""
    return f"**{subject}**: {len(queue.jobs)} of {queue.total} in the queue{pages}"


def _line(queued: QueuedJob, scope: Scope) -> str:
    job = queued.job
    is_hidden = job.plan.is_private and scope is Scope.SERVER
    title = f"{job.kind.title}{_PRIVATE}" if is_hidden else captions.title(job)
    parts = [title, captions.stage(queued.progress)]
    if scope is Scope.SERVER:
        parts.insert(1, f"<@{job.user_id}>")
    return " · ".join([*parts, *([] if job.plan.is_private else _link(job.target))])


def _link(target: ResponseTarget) -> list[str]:
    """To the message of a job, if it has one."""
    if target.message_id is None:
        return []
    return [message_url(target)]
