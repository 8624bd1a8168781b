"""Zoom: an earlier picture made smaller, with what is around it; pure."""

from typing import Final

import msgspec

from bot.domain.canvas import Size, zoomed_out
from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, JobKind, Plan, PlanContext, Relation
from bot.domain.repainting import on_canvas, painted_size, repainted
from bot.i18n import N_
from engine.contract import ModelCard, Source


class ZoomRequest(msgspec.Struct, frozen=True):
    """The picture `PlanContext.parents`, on a canvas of its size."""

    factor: float
    """How many times as wide and high as the picture the scene is."""


def plan(request: ZoomRequest, context: PlanContext) -> Plan:
    """Four pictures. Raises Refused, with a sentence for the user."""

    def source(parent: Picture, card: ModelCard, steps: int) -> tuple[Source, Size]:
        size = painted_size(parent, card)
        return on_canvas(zoomed_out(size, request.factor, card.size_multiple), card, steps)

    return repainted(context, Relation.ZOOM, source)


KIND: Final = JobKind(name="zoom", title=N_("Zoomed out: "), plan=plan, actions=PICTURE_ACTIONS)
