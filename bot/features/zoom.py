"""Zoom out, below single pictures: paint what is around one."""

from functools import partial
from typing import Final

from bot.context import Interaction
from bot.domain.canvas import ZOOMS
from bot.domain.job import Job
from bot.domain.kinds import zoom
from bot.features.changing import change_picture, is_changeable
from bot.features.exports import Action, Exports
from bot.i18n import N_, NP_
from bot.messages.action_views import ActionScope

_LABELS: Final = {
    1.5: NP_("button", "🔍 Zoom out 1.5x"),
    2.0: NP_("button", "🔍 Zoom out 2x"),
}
NAMES: Final = {1.5: "zoom15", 2.0: "zoom20"}
"""Of the actions, by the factor."""


async def zoom_out(factor: float, interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of pictures that show this one smaller."""
    request = zoom.ZoomRequest(factor)
    await change_picture(zoom.KIND, zoom.plan, request, interaction, job, nth)


exports: Final = Exports(
    actions=tuple(
        Action(
            name=NAMES[factor],
            label=_LABELS[factor],
            summary=N_("Show it smaller, and paint what is around it"),
            scope=ActionScope.PICTURE,
            order=32,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=partial(zoom_out, factor),
        )
        for factor in ZOOMS
    )
)
