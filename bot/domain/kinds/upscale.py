"""Upscale: an earlier picture at 2 or 4 times its size; pure."""

from typing import Any, Final

import msgspec

from bot.domain.picture import Picture
from bot.domain.plan import PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Upscale, UpscalerCard, Work

NO_UPSCALER: Final = N_(
    "I have no upscaler. Whoever runs me can add one with the extra `upscale` of the installation."
)
NOTHING: Final = N_("There is no picture here that can be enlarged.")


class UpscaleRequest(msgspec.Struct, frozen=True):
    """The picture `PlanContext.parents`, enlarged."""

    scale: int


def plan(request: UpscaleRequest, context: PlanContext) -> Plan:
    """One picture. Raises Refused, with a sentence for the user."""
    parent, upscaler = enlarged(context, request.scale)
    try:
        work = Upscale(**enlargement(parent, upscaler, request.scale))
    except ValueError as error:
        raise Refused(str(error)) from error
    return enlarging(work, parent, Relation.UPSCALE)


def enlarged(context: PlanContext, scale: int) -> tuple[Picture, UpscalerCard]:
    """The picture that is enlarged, and the upscaler. Raises Refused."""
    if len(context.parents) != 1 or context.parents[0].sha256 is None:
        raise Refused(_(NOTHING))
    for upscaler in context.upscalers:
        if scale in upscaler.scales:
            return context.parents[0], upscaler
    raise Refused(_(NO_UPSCALER))


def enlargement(parent: Picture, upscaler: UpscalerCard, scale: int) -> dict[str, Any]:
    """The fields that all enlargements of a picture have."""
    return {
        "picture": parent.recipe,
        "image": parent.sha256 or "",
        "upscaler": upscaler.name,
        "upscaler_revision": upscaler.revision,
        "scale": scale,
    }


def enlarging(work: Work, parent: Picture, relation: Relation) -> Plan:
    """A plan of this work alone."""
    return Plan(recipes=(work,), edges=(Edge(1, parent.id, relation),))


KIND: Final = JobKind(name="upscale", title=N_("Upscaled: "), plan=plan, actions=PICTURE_ACTIONS)
