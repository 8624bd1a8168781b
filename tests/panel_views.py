"""The views of private panels, with the longest custom ids that they may have."""

import discord

from bot.domain.job import Progress
from bot.features import about
from bot.messages import help_pages, queue_panel
from bot.messages.help_pages import Contents
from bot.messages.queue_panel import Scope
from bot.services.queue_view import Queue, QueuedJob
from tests.samples import job


def panel_views(job_id: str) -> list[discord.ui.View]:
    """Those of /queue and /help."""
    jobs = tuple(QueuedJob(job(job_id), Progress()) for _ in range(20))
    queue = Queue(jobs=jobs, total=40)
    contents = Contents(commands={"about": about.command}, menus=(), actions=(), reactions={})
    return [
        queue_panel.view(queue, Scope.SERVER, 1, is_moderator=True),
        help_pages.view(contents, f"/{'x' * 64}", 1, 3),
    ]
