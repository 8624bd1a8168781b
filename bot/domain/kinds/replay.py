"""Replay: an earlier picture, painted again from its recipe to compare the bits; pure."""

from typing import Final

import msgspec

from bot.domain import rules
from bot.domain.plan import PICTURE_ACTIONS, Edge, JobKind, Plan, PlanContext, Relation
from bot.errors import Refused
from bot.i18n import N_

NO_PICTURE: Final = N_("There is no picture here that I could paint again.")


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The one picture of `PlanContext.parents`, once more."""

    origins: tuple[str, ...] = ()
    """Of an enlargement, the id of the picture that was enlarged."""
    relation: Relation | None = None
    """What the picture is to its origins; None without them."""


def plan(request: ReplayRequest, context: PlanContext) -> Plan:
    """The recipe of the picture as it is, with its row class.

    Raises Refused, with a sentence for the user.
    """
    if not context.parents:
        raise Refused(NO_PICTURE)
    parent = context.parents[0]
    rules.check_models([parent.recipe], context.models)
    relation = request.relation
    origins = () if relation is None else (Edge(1, name, relation) for name in request.origins)
    return Plan(recipes=(parent.recipe,), edges=(Edge(1, parent.id, Relation.REPLAY), *origins))


KIND: Final = JobKind(
    name=Relation.REPLAY.value,
    title=N_("Replay: "),
    plan=plan,
    actions=PICTURE_ACTIONS,
    keeps_row_classes=True,
    compares_pixels=True,
)
