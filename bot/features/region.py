"""🖌 Vary region, below single pictures: paint a part of one again."""

import re
from typing import Final

import discord

from bot.attachments import sanitize
from bot.context import Interaction, services
from bot.domain import prompt_flags, repainting, rules
from bot.domain.job import Job
from bot.domain.kinds import region
from bot.domain.kinds.imagine import parse
from bot.domain.prompt_flags import FlaggedPrompt
from bot.features.changing import check_form, is_changeable, picture_to_change, start
from bot.features.exports import Action, Component, Exports
from bot.i18n import N_, NP_, _, pgettext
from bot.messages import components
from bot.messages.action_views import ActionScope
from engine.contract import MAX_PROMPT_CHARS

_MODAL: Final = "regionof"
_WHERE, _MASK, _PROMPT = "where", "mask", "prompt"


async def ask(interaction: Interaction, job: Job, nth: int) -> None:
    """Respond with a modal: where to paint, and what."""
    await check_form(interaction)
    context = await picture_to_change(interaction, job, nth)
    repainting.inpainter(repainting.only_parent(context), context.models)
    await interaction.response.send_modal(modal(job.id, nth, repainting.words_of(context)))


def modal(job_id: str, nth: int, prompt: str) -> discord.ui.Modal:
    """Asks where to paint, and what. Its custom id is its only state, so it also works after a
    restart."""
    form = discord.ui.Modal(
        title=pgettext("title", "Vary a region of picture {nth}").format(nth=nth),
        custom_id=components.custom_id(_MODAL, job_id, nth),
    )
    where = discord.ui.Select[discord.ui.Modal](
        custom_id=_WHERE,
        placeholder=pgettext("placeholder", "One or more parts"),
        min_values=0,
        max_values=len(region.CELLS),
        required=False,
        options=[
            discord.SelectOption(label=_(name).capitalize(), value=str(number))
            for number, name in enumerate(region.CELLS)
        ],
    )
    mask = discord.ui.FileUpload[discord.ui.Modal](
        custom_id=_MASK, required=False, min_values=0, max_values=1
    )
    words = discord.ui.TextInput[discord.ui.Modal](
        custom_id=_PROMPT,
        style=discord.TextStyle.paragraph,
        default=prompt or None,
        required=bool(prompt),
        max_length=MAX_PROMPT_CHARS,
    )
    form.add_item(discord.ui.Label(text=pgettext("label", "Where to paint"), component=where))
    form.add_item(
        discord.ui.Label(
            text=pgettext("label", "Or a mask"),
            description=pgettext(
                "label description",
                "White or transparent where to paint; as high and wide as the picture",
            ),
            component=mask,
        )
    )
    form.add_item(
        discord.ui.Label(text=pgettext("label", "What the picture should show"), component=words)
    )
    form.stop()
    return form


async def on_modal_submit(interaction: Interaction, match: re.Match[str]) -> None:
    """Start a job of the picture with another region."""
    job = await services(interaction).job_finder.by_button(match["job"])
    context = await picture_to_change(interaction, job, int(match["nth"]))
    typed = rules.strip_invisible(components.submitted_text(interaction, _PROMPT))
    is_same = typed == rules.strip_invisible(repainting.words_of(context))
    flagged = FlaggedPrompt(typed, {}, {}) if is_same else prompt_flags.read(typed, region.FLAGS)
    request = region.RegionRequest(
        prompt=flagged.prompt,
        options=parse(prompt="", **flagged.values),
        cells=_cells(components.submitted_values(interaction, _WHERE)),
        mask_url=_mask_url(interaction),
    )
    await start(interaction, region.KIND, region.plan(request, context))


def _cells(values: list[str]) -> frozenset[int]:
    return frozenset(int(value) for value in values if re.fullmatch("[0-9]", value))


def _mask_url(interaction: Interaction) -> str | None:
    for upload in components.submitted_files(interaction, _MASK):
        sanitize.check_size(upload.size)
        return upload.url
    return None


exports: Final = Exports(
    actions=(
        Action(
            name="region",
            label=NP_("button", "🖌 Vary region"),
            summary=N_("Paint a part of it again: choose the part, or upload a mask"),
            scope=ActionScope.PICTURE,
            order=31,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=ask,
        ),
    ),
    modals=(Component(components.job_pattern(_MODAL), on_modal_submit),),
)
