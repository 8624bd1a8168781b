"""/history: the finished jobs of a user, privately, in pages with thumbnails and a search."""

import io
import re
from typing import Any, Final

import discord
from discord import app_commands

from bot.context import Interaction, services
from bot.domain import rules
from bot.domain.history import (
    FAR_FUTURE,
    MAX_WORDS,
    PAGE_SIZE,
    HistoryEntry,
    HistoryFilter,
    HistoryPage,
)
from bot.errors import Refused
from bot.features import picture_option, restrictions, show
from bot.features.dates import days
from bot.features.exports import Component, Exports
from bot.features.places import everywhere
from bot.features.responses import check_not_blocked, defer_privately, defer_update
from bot.i18n import _
from bot.messages import channels, history_texts
from engine.contract.infotext import public_model_name

_MAX_CHOICES: Final = 25
_MAX_CHOICE: Final = 100
_MAX_DAY: Final = 20
Words = app_commands.Range[str, 1, MAX_WORDS]
Day = app_commands.Range[str, 1, _MAX_DAY]


async def complete_model(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
    """The models of the user's own results."""
    names = await services(interaction).history.models(interaction.user.id)
    return [
        app_commands.Choice(name=public_model_name(name)[:_MAX_CHOICE], value=name[:_MAX_CHOICE])
        for name in names
        if typed.strip().casefold() in name.casefold()
    ][:_MAX_CHOICES]


@app_commands.command(name="history", description="Look through your own results, privately")
@app_commands.describe(
    words="Words of the prompt, in any order",
    model="Only results of this model",
    since="Only from this day on (UTC): 2026-11-28, 2026-11, today, 7d for seven days ago",
    until="Only up to the end of this day (UTC)",
)
@app_commands.autocomplete(model=complete_model)
@everywhere
async def command(
    interaction: Interaction,
    words: Words | None = None,
    model: str | None = None,
    since: Day | None = None,
    until: Day | None = None,
) -> None:
    """The response is private. Lengths are checked again: only Discord's own clients check them."""
    await check_not_blocked(interaction)
    now = interaction.created_at
    chosen = HistoryFilter(
        words=_checked_words(words or ""),
        model=await _model(interaction, model),
        since=days(since, now)[0] if since else 0.0,
        until=days(until, now)[1] if until else FAR_FUTURE,
    )
    if chosen.since >= chosen.until:
        raise Refused(_("`since` is after `until`, so no result can be between them."))
    await defer_privately(interaction)
    await _respond(interaction, chosen, 0)


def _checked_words(words: str) -> str:
    """Raise Refused if they do not fit into the custom id of a button."""
    words = " ".join(rules.strip_invisible(words).split())
    if len(words.encode("utf-16-le")) // 2 > MAX_WORDS:
        raise Refused(_("Search for at most {limit} characters.").format(limit=MAX_WORDS))
    return words


async def _model(interaction: Interaction, typed: str | None) -> str:
    """The whole name of the model of the user's results that was typed. Raises Refused."""
    requested = (typed or "").strip().casefold()
    if not requested:
        return ""
    names = await services(interaction).history.models(interaction.user.id)
    for name in names:
        if requested in (name.casefold()[:_MAX_CHOICE], public_model_name(name).casefold()):
            return name
    if not names:
        raise Refused(_(history_texts.NOTHING))
    offered = ", ".join(public_model_name(name) for name in names[:10])
    raise Refused(
        _("You have no results of that model. These have painted yours: {offered}.").format(
            offered=offered
        )
    )


async def _respond(interaction: Interaction, chosen: HistoryFilter, number: int) -> None:
    """Write a page into the private response."""
    history, user_id = services(interaction).history, interaction.user.id
    page = await history.page(user_id, chosen, number)
    if not page.jobs:
        is_any = chosen != HistoryFilter()
        text = _(history_texts.NO_MATCH) if is_any else _(history_texts.NOTHING)
        await interaction.edit_original_response(content=text, attachments=[], view=None)
        return
    await interaction.edit_original_response(
        content=history_texts.page_text(page, chosen),
        attachments=[await _sheet(interaction, page)],
        view=history_texts.page_view(page, chosen),
    )


async def _sheet(interaction: Interaction, page: HistoryPage) -> discord.File:
    history = services(interaction).history
    channel = channels.from_interaction(interaction)
    visible = await services(interaction).planner.visible(channel, await history.pictures(page))
    entries = [
        HistoryEntry(job, tuple(item for item in visible.pictures if item.job_id == job.id))
        for job in page.jobs
    ]
    sheet = await history.sheet(entries, page.number * PAGE_SIZE + 1, interaction.filesize_limit)
    alt_text = "; ".join(history_texts.label(job) for job in page.jobs)
    return discord.File(
        io.BytesIO(sheet.data),
        f"history.{sheet.suffix}",
        spoiler=visible.needs_spoiler,
        description=alt_text[:1000],
    )


async def turn_page(interaction: Interaction, match: re.Match[str]) -> None:
    """The buttons below a page; the custom id is all of their state."""
    await check_not_blocked(interaction)
    await defer_update(interaction)
    history, user_id = services(interaction).history, interaction.user.id
    models = await history.models(user_id) if match["model"] else ()
    await _respond(interaction, history_texts.chosen_in(match, models), int(match["page"]))


async def show_entry(interaction: Interaction, _: re.Match[str]) -> None:
    """Bring the chosen job back, as /show does, where that is allowed."""
    restrictions.check(interaction, (show.command.name,))
    data: dict[str, Any] = dict(interaction.data or {})
    job_id = str(next(iter(data.get("values") or ()), ""))
    await show.show_result(interaction, await picture_option.find(interaction, job_id))


exports: Final = Exports(
    commands=(command,),
    components=(
        Component(history_texts.PAGE_PATTERN, turn_page),
        Component(re.escape(history_texts.SHOW_ID), show_entry),
    ),
)
