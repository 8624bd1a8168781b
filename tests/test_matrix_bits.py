"""Each picture of a matrix is the one that its recipe alone would give, with a real engine."""

from itertools import product

from bot.domain.kinds import compare, explore
from bot.domain.kinds.compare import CompareRequest
from bot.domain.kinds.explore import ExploreRequest
from bot.domain.kinds.imagine import parse
from bot.domain.plan import Plan, PlanContext
from engine.contract import Sampler
from tests.engine_parts import digests, engine_core


def context() -> PlanContext:
    """The tiny model and a seed."""
    return PlanContext(models=(engine_core().model.card,), seed=11)


def assert_same_alone(plan: Plan) -> None:
    """Together and alone, the pictures have the same pixels; no two are equal."""
    together = digests(*plan.recipes)
    assert len(set(together)) == len(together)
    assert together == [digests(recipe)[0] for recipe in plan.recipes]


def test_the_cells_of_an_exploration_equal_single_pictures() -> None:
    """They differ in the number of steps and the sampler."""
    values = {"steps": "2,3,5", "sampler": "ddim,euler,dpmpp_2m"}
    plan = explore.plan(ExploreRequest(prompt="a red house", values=values), context())
    cells = product(("ddim", "euler", "dpmpp_2m"), (2, 3, 5))
    assert [(recipe.sampler, recipe.steps) for recipe in plan.recipes] == list(cells)
    assert_same_alone(plan)


def test_the_cells_of_a_guidance_axis_equal_single_pictures() -> None:
    """Those without guidance need one row each, and the others two."""
    values = {"guidance": "1,3,7.5", "steps": "3"}
    plan = explore.plan(ExploreRequest(prompt="a red house", values=values), context())
    assert [recipe.rows for recipe in plan.recipes] == [1, 2, 2]
    assert_same_alone(plan)


def test_the_cells_of_a_comparison_equal_single_pictures() -> None:
    """Two samplers on two seeds."""
    options = parse(prompt="a red house", steps=3, count=2)
    plan = compare.plan(CompareRequest(options=options, samplers="heun, euler_a"), context())
    assert {recipe.sampler for recipe in plan.recipes} == {Sampler.HEUN, Sampler.EULER_A}
    assert_same_alone(plan)
