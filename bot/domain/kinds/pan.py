"""Pan: an earlier picture and what is beside it; pure."""

from typing import Final

import msgspec

from bot.domain.canvas import Direction, Size, panned
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext, Relation
from bot.domain.repainting import on_canvas, painted_size, repainted
from bot.i18n import N_
from engine.contract import ModelCard, Source


class PanRequest(msgspec.Struct, frozen=True):
    """The picture `PlanContext.parents`, on a longer canvas."""

    direction: Direction


def plan(request: PanRequest, context: PlanContext) -> Plan:
    """Four pictures. Raises Refused, with a sentence for the user."""

    def source(parent: Picture, card: ModelCard, steps: int) -> tuple[Source, Size]:
        return on_canvas(panned(painted_size(parent, card), request.direction, card), card, steps)

    return repainted(context, Relation.PAN, source)


KIND: Final = JobKind(name="pan", title=N_("Panned: "), plan=plan, actions=PICTURE_ACTIONS)
