"""Films: how an earlier picture emerged from noise; pure."""

from collections.abc import Sequence
from typing import Final

import msgspec

from bot.domain.plan import Edge, Film, JobKind, Plan, PlanContext, Relation
from bot.errors import Refused
from bot.i18n import N_, _
from engine.contract import Capture, ModelCard, Recipe, card_for

NO_ENCODER: Final = N_(
    "I cannot make films. Whoever runs me can add them with the extra `film` of the installation."
)


class FilmRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A film of the one picture of `PlanContext.parents`."""

    max_bytes: int
    """Discord's limit where the film is shown."""


def plan(request: FilmRequest, context: PlanContext) -> Plan:
    """The recipe of the picture as it is, with its row class, so that the film ends with the same
    pixels. Raises Refused, with a sentence for the user."""
    if not context.can_film:
        raise Refused(_(NO_ENCODER))
    if not context.parents:
        raise Refused(_("There is no picture here that I could show a film of."))
    parent = context.parents[0]
    recipe = parent.recipe.recipe  # that of an enlargement is the recipe of what it enlarges
    _check(recipe, context.models)
    return Plan(
        recipes=(recipe,),
        layout=Film(),
        capture=Capture(film=True, film_bytes=request.max_bytes),
        edges=(Edge(1, parent.id, Relation.FILM),),
    )


def _check(recipe: Recipe, models: Sequence[ModelCard]) -> None:
    """Raise Refused if no model paints such a recipe now."""
    try:
        card_for(recipe, models).check_recipe(recipe)
    except ValueError as error:
        raise Refused(str(error)) from error


KIND: Final = JobKind(name="film", title=N_("Film: "), plan=plan, keeps_row_classes=True)
