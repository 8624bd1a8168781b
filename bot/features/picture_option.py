"""Options that name a job or a picture: by an id, a file name, or the link of a message."""

import datetime
import re
from typing import Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.job import Job, ShownJob
from bot.domain.picture import Picture
from bot.errors import Refused
from bot.i18n import N_, _
from bot.messages import history_texts
from bot.messages.message_links import message_id_in

_ID: Final = re.compile(
    r"(?:SPOILER_)?(?P<job>[0-9a-z]{1,24})(?:-(?P<nth>[1-9][0-9]{0,2}))?(?:\.[a-z0-9]{3,4})?"
)
"""The id of a job or of a picture, or the name of a file that shows it."""
_MAX_TEXT: Final = 200
_MAX_CHOICES: Final = 25
_MAX_CHOICE_PROMPT: Final = 60
"""Discord shows 100 characters of a choice."""
_MAX_CHOICE: Final = 100
_DATE: Final = len(" · 2026-11-28 07:30")
_NO_PICTURE: Final = N_(
    "That is no picture of mine. Give the id of a picture or of a job, or the link "
    "of a message that shows one (Copy Message Link)."
)


async def find(interaction: Interaction, text: str) -> ShownJob:
    """The job, or the one picture of it, that a text names.

    Raises Refused if it names none that the user may see, or one that was deleted.
    """
    text = text.strip()[:_MAX_TEXT]
    finder = services(interaction).job_finder
    message_id, name = message_id_in(text), _ID.fullmatch(text)
    if message_id is not None:
        result = await finder.by_message(message_id)
    elif name is not None:
        result = await finder.by_id(name["job"], int(name["nth"]) if name["nth"] else None)
    else:
        result = None
    if result is None:
        is_picture = name is not None and name["nth"] is not None
        raise Refused(_(rules.UNKNOWN_PICTURE) if is_picture else _NO_PICTURE)
    if not can_view(interaction, result.job):
        raise Refused(_(rules.UNKNOWN_PICTURE))
    return result


async def find_pictures(interaction: Interaction, text: str) -> list[Picture]:
    """The finished pictures of what a text names; at least one. Raises Refused as `find` does, or
    if there is none, or moderators removed one."""
    result = await find(interaction, text)
    pictures = await services(interaction).job_finder.pictures(result)
    if result.nth is not None:
        pictures = [rules.nth_picture(result.job, pictures, result.nth)]
    rules.check_not_removed(pictures)
    rules.check_any_finished(result.job, pictures)
    return pictures


def can_view(interaction: Interaction, job: Job) -> bool:
    """Whether the user may see the pictures of a job: their own, and those of channels that they
    can open in this server, unless the result was private."""
    if job.user_id == interaction.user.id or job.plan.is_private:
        return job.user_id == interaction.user.id
    if job.target.channel_id == interaction.channel_id:
        return True
    guild, member = interaction.guild, interaction.user
    if guild is None or job.target.guild_id != guild.id or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(job.target.channel_id)
    if isinstance(channel, discord.Thread) and channel.is_private():
        return False
    return channel is not None and channel.permissions_for(member).view_channel


async def complete(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The latest pictures of the user whose prompts contain what was typed."""
    trees, user_id = services(interaction).family_trees, interaction.user.id
    choices = [
        app_commands.Choice(
            name=_("{prompt} · picture {nth} · seed {seed}").format(
                prompt=_prompt(p), nth=p.nth, seed=p.recipe.seed
            ),
            value=p.id,
        )
        for p in await trees.latest(user_id, 4 * _MAX_CHOICES)
    ]
    return [c for c in choices if typed.casefold() in c.name.casefold()][:_MAX_CHOICES]


async def complete_job(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The latest results of the user whose prompts contain the words that were typed."""
    jobs = await services(interaction).history.latest(interaction.user.id, typed, _MAX_CHOICES)
    return [
        app_commands.Choice(
            name=f"{history_texts.label(job, _MAX_CHOICE - _DATE)} · {_date(job)}", value=job.id
        )
        for job in jobs
    ]


def _date(job: Job) -> str:
    return datetime.datetime.fromtimestamp(job.created_at, datetime.UTC).strftime("%Y-%m-%d %H:%M")


def _prompt(picture: Picture) -> str:
    return picture.recipe.prompt[:_MAX_CHOICE_PROMPT] or _("without words")
