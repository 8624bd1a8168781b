"""Pan, below single pictures: paint what is beside one."""

from functools import partial
from typing import Final

from bot.context import Interaction
from bot.domain.canvas import Direction
from bot.domain.job import Job
from bot.domain.kinds import pan
from bot.features.changing import change_picture, is_changeable
from bot.features.exports import Action, Exports
from bot.messages.action_views import ActionScope

_ARROWS: Final = {
    Direction.LEFT: "⬅️",
    Direction.RIGHT: "➡️",
    Direction.UP: "⬆️",
    Direction.DOWN: "⬇️",
}


async def pan_to(direction: Direction, interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of pictures that show more in this direction."""
    request = pan.PanRequest(direction)
    await change_picture(pan.KIND, pan.plan, request, interaction, job, nth)


exports: Final = Exports(
    actions=tuple(
        Action(
            name=f"pan{direction}",
            label=f"{arrow} Pan {direction}",
            scope=ActionScope.PICTURE,
            order=80 + number,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=partial(pan_to, direction),
        )
        for number, (direction, arrow) in enumerate(_ARROWS.items())
    )
)
