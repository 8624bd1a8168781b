"""Plans check themselves."""

import msgspec
import pytest

from bot.domain.plan import Axis, Edge, Film, Grid, Layout, Matrix, Plan, PlanDetails, Relation
from tests.samples import recipe

STEPS = Axis("steps", ("4", "8"))
NOTHING = Axis("", ("",))


def test_a_plan_without_recipes_is_refused() -> None:
    """There is nothing to paint."""
    with pytest.raises(ValueError, match="at least one recipe"):
        Plan(recipes=())


def test_a_plan_may_have_more_than_four_recipes() -> None:
    """The operator's limit is checked elsewhere."""
    assert len(Plan(recipes=(recipe(),) * 40).recipes) == 40


@pytest.mark.parametrize("child", [0, 2])
def test_an_edge_of_no_picture_is_refused(child: int) -> None:
    """Its child is a picture of the plan, counted from 1."""
    with pytest.raises(ValueError, match="none of its pictures"):
        Plan(recipes=(recipe(),), edges=(Edge(child, "j0-1", Relation.VARIATION),))


def test_a_matrix_has_one_recipe_for_each_cell() -> None:
    """Rows times columns."""
    matrix = Matrix(NOTHING, STEPS)
    assert Plan(recipes=(recipe(), recipe()), layout=matrix).layout == matrix
    with pytest.raises(ValueError, match="A matrix of 2 cells has 1 recipes"):
        Plan(recipes=(recipe(),), layout=matrix)


@pytest.mark.parametrize("layout", [Grid(), Matrix(NOTHING, STEPS), Film()])
def test_details_are_stored_without_recipes(layout: Layout) -> None:
    """They are the same when they are read again."""
    plan = Plan(recipes=(recipe(), recipe()), layout=layout, prompt="a house", notes=("Lowered.",))
    text = msgspec.json.encode(plan.details)
    assert msgspec.json.decode(text, type=PlanDetails) == plan.details
    assert b"recipes" not in text
