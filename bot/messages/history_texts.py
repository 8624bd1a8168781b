"""The texts and components of the pages of a user's history; pure."""

import re
from collections.abc import Sequence
from typing import Any, Final

import discord

from bot.domain.history import FAR_FUTURE, MAX_WORDS, PAGE_SIZE, HistoryFilter, HistoryPage
from bot.domain.history import model_key as key_of
from bot.domain.job import Job
from bot.i18n import N_, _, pgettext
from bot.messages import captions
from bot.messages.components import VERSION, button, stateless_view
from engine.contract.infotext import public_model_name

PAGE_PATTERN: Final = (
    rf"{VERSION}:history:(?P<page>[0-9]{{1,6}}):(?P<since>[0-9]{{0,11}}):(?P<until>[0-9]{{0,11}}):"
    rf"(?P<model>[0-9a-f]{{0,8}}):(?P<words>[\s\S]{{0,{MAX_WORDS}}})"
)
SHOW_ID: Final = f"{VERSION}:historyshow"
_MAX_PROMPT: Final = 60
_MAX_LABEL: Final = 100
NOTHING: Final = N_("You have no finished pictures yet. /imagine makes some.")
NO_MATCH: Final = N_("None of your results matches this.")


def label(job: Job, limit: int = _MAX_LABEL) -> str:
    """A job in one line without Markdown, for menus and choices."""
    words = " ".join(job.words.split()) or _("without words")
    count = len(job.recipes)
    details = f" · {count} {'picture' if count == 1 else 'pictures'}"
    room = limit - len(details)
    return (words if len(words) <= room else f"{words[: room - 1]}…") + details


def page_text(page: HistoryPage, chosen: HistoryFilter) -> str:
    """The list of the jobs of a page, with what was looked for."""
    filters = [
        *(
            [_("with “{words}”").format(words=captions.escape(chosen.words, MAX_WORDS))]
            if chosen.words
            else []
        ),
        *(
            [_("by {model}").format(model=captions.escape(public_model_name(chosen.model), 40))]
            if chosen.model
            else []
        ),
        *([_("since <t:{since:.0f}:d>").format(since=chosen.since)] if chosen.since else []),
        *(
            [_("before <t:{until:.0f}:d>").format(until=chosen.until)]
            if chosen.until < FAR_FUTURE
            else []
        ),
    ]
    noun = "result" if page.count == 1 else "results"
    place = _("page {number} of {pages}").format(number=page.number + 1, pages=page.pages)
    head = " · ".join([f"🗂 **{page.count} {noun}**", *filters, place])
    first = page.number * PAGE_SIZE + 1
    return "\n".join([head, *(_line(nth, job) for nth, job in enumerate(page.jobs, first))])


def _line(nth: int, job: Job) -> str:
    words = captions.escape(job.words, _MAX_PROMPT) or captions.WITHOUT_WORDS
    count = len(job.recipes)
    pictures = "" if count == 1 else _(" · {count} pictures").format(count=count)
    return f"`{nth}` {job.kind.title}{words}{pictures} · <t:{job.created_at:.0f}:R>"


def page_view(page: HistoryPage, chosen: HistoryFilter) -> discord.ui.View:
    """A menu that shows one of the jobs, and buttons to the pages beside this one."""
    first = page.number * PAGE_SIZE + 1
    options = [
        discord.SelectOption(
            label=f"{nth}: {label(job, _MAX_LABEL - 8)}", value=job.id, description=job.id
        )
        for nth, job in enumerate(page.jobs, first)
    ]
    menu: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=SHOW_ID, placeholder=pgettext("placeholder", "Show here…"), options=options, row=0
    )
    newer = button(pgettext("button", "◀ Newer"), page_id(max(0, page.number - 1), chosen), row=1)
    older = button(pgettext("button", "Older ▶"), page_id(page.number + 1, chosen), row=1)
    newer.disabled, older.disabled = page.number == 0, page.number + 1 >= page.pages
    if newer.disabled:
        newer.custom_id = page_id(page.number, chosen)
    return stateless_view([menu, *([newer, older] if page.pages > 1 else [])])


def page_id(number: int, chosen: HistoryFilter) -> str:
    """The custom id of the button to a page: all that is looked for."""
    since = f"{chosen.since:.0f}" if chosen.since else ""
    until = f"{chosen.until:.0f}" if chosen.until < FAR_FUTURE else ""
    return f"{VERSION}:history:{number}:{since}:{until}:{key_of(chosen.model)}:{chosen.words}"


def chosen_in(match: "re.Match[str]", models: Sequence[str]) -> HistoryFilter:
    """What the button of this custom id looks for, among jobs of these models."""
    key = match["model"]
    model = next((name for name in models if key_of(name) == key), key) if key else ""
    return HistoryFilter(
        words=match["words"],
        model=model,
        since=float(match["since"] or 0),
        until=float(match["until"] or FAR_FUTURE),
    )
