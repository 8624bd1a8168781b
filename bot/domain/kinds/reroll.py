"""Reroll: the same recipes with other seeds; pure."""

from collections.abc import Sequence
from typing import Final

from bot.domain.plan import (
    INHERITED,
    PICTURE_ACTIONS,
    SEED_AXIS,
    Axis,
    Edge,
    Grid,
    JobKind,
    Layout,
    Matrix,
    Plan,
    PlanContext,
    PlannedJob,
    Relation,
)
from bot.domain.row_classes import with_row_classes
from bot.i18n import N_
from engine.contract import Recipe


def plan(job: PlannedJob, context: PlanContext) -> Plan:
    """The same recipes, or the nth alone, with the seeds seed, seed + 1, …

    Pictures that had the same seed have the same one again. What they were variations of, or
    changed, the new pictures do too; they neither finish, show nor enlarge what those did.
    """
    numbers = range(1, len(job.recipes) + 1) if job.nth is None else [job.nth]
    recipes = with_new_seeds([job.recipes[number - 1].recipe for number in numbers], context.seed)
    pictures = {picture.nth: picture.id for picture in job.pictures}
    return Plan(
        recipes=with_row_classes(recipes, context.models),
        layout=_layout(job, recipes),
        prompt=_prompt(job),
        edges=tuple(
            edge
            for child, number in enumerate(numbers, start=1)
            for edge in [*_inherited(job, number, child), *_rerolled(pictures.get(number), child)]
        ),
    )


def _prompt(job: PlannedJob) -> str:
    """The user's own words, unless they stand for several prompts, of which one is planned."""
    prompts = {work.prompt for work in job.recipes}
    return "" if job.nth is not None and len(prompts) > 1 else job.details.prompt


def _inherited(job: PlannedJob, number: int, child: int) -> list[Edge]:
    edges = (edge for edge in job.edges if edge.relation in INHERITED)
    return [Edge(child, edge.parent, edge.relation) for edge in edges if edge.child == number]


def _rerolled(picture: str | None, child: int) -> list[Edge]:
    return [] if picture is None else [Edge(child, picture, Relation.REROLL)]


def with_new_seeds(recipes: Sequence[Recipe], seed: int) -> list[Recipe]:
    """The recipes with seed, seed + 1, … in place of the first, second, … of their seeds."""
    nth_seed: dict[int, int] = {}
    for recipe in recipes:
        nth_seed.setdefault(recipe.seed, len(nth_seed))
    return [recipe.with_seed(seed + nth_seed[recipe.seed]) for recipe in recipes]


def _layout(job: PlannedJob, recipes: Sequence[Recipe]) -> Layout:
    """A matrix, with the new seeds on an axis of seeds; other pictures, and a single one, need
    none."""
    layout = job.details.layout
    if job.nth is not None or not isinstance(layout, Matrix):
        return Grid()
    columns = len(layout.columns.labels)
    return Matrix(
        rows=_relabelled(layout.rows, recipes[::columns]),
        columns=_relabelled(layout.columns, recipes[:columns]),
    )


def _relabelled(axis: Axis, recipes: Sequence[Recipe]) -> Axis:
    """`recipes` are the first ones of each row or column."""
    if axis.name != SEED_AXIS:
        return axis
    return Axis(axis.name, tuple(str(recipe.seed) for recipe in recipes))


KIND: Final = JobKind(name="reroll", title=N_("Again: "), plan=plan, actions=PICTURE_ACTIONS)
