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

_PLACES: Final = {
    Direction.LEFT: ("⬅️", "left of"),
    Direction.RIGHT: ("➡️", "right of"),
    Direction.UP: ("⬆️", "above"),
    Direction.DOWN: ("⬇️", "below"),
}
"""An arrow, and where it points."""


async def pan_to(direction: Direction, interaction: Interaction, job: Job, nth: int) -> None:
    """Start a job of pictures that show more in this direction."""
    request = pan.PanRequest(direction)
    await change_picture(pan.KIND, pan.plan, request, interaction, job, nth)


exports: Final = Exports(
    actions=tuple(
        Action(
            name=f"pan{direction}",
            label=f"{arrow} Pan {direction}",
            summary=f"Paint what is {place} it",
            scope=ActionScope.PICTURE,
            order=33 + number,
            is_on_picture=is_changeable,
            is_in_menu=True,
            handler=partial(pan_to, direction),
        )
        for number, (direction, (arrow, place)) in enumerate(_PLACES.items())
    )
)
