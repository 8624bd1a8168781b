"""Pan, below single pictures: paint what is beside one."""

from functools import partial
from typing import Final

from bot.context import Interaction
from bot.domain.canvas import Direction
from bot.domain.job import Job
from bot.domain.kinds import pan
from bot.features.changing import change_picture, is_changeable
from bot.features.exports import Action, Exports
from bot.i18n import N_, NP_
from bot.messages.action_views import ActionScope

_TEXTS: Final = {
    Direction.LEFT: (NP_("button", "⬅️ Pan left"), N_("Paint what is left of it")),
    Direction.RIGHT: (NP_("button", "➡️ Pan right"), N_("Paint what is right of it")),
    Direction.UP: (NP_("button", "⬆️ Pan up"), N_("Paint what is above it")),
    Direction.DOWN: (NP_("button", "⬇️ Pan down"), N_("Paint what is below it")),
}
"""Labels, and what they mean."""


async def pan_to(direction: Direction, interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of pictures that show more in this direction."""
    request = pan.PanRequest(direction)
    await change_picture(pan.KIND, pan.plan, request, interaction, job, nth)


exports: Final = Exports(
    actions=tuple(
        Action(
            name=f"pan{direction}",
            label=label,
            summary=summary,
            scope=ActionScope.PICTURE,
            order=33 + number,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=partial(pan_to, direction),
        )
        for number, (direction, (label, summary)) in enumerate(_TEXTS.items())
    )
)
