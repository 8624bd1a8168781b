"""Models and messages for tests of jobs that change a picture."""

import msgspec

from bot.domain.plan import PlanContext
from bot.playground import Message
from engine.contract import Recipe
from tests.bot_harness import BotHarness
from tests.fake_engine import MODEL, FakeEngine
from tests.samples import picture

PAINTER = msgspec.structs.replace(MODEL, can_inpaint=True)
EDITOR = msgspec.structs.replace(
    MODEL, name="editor", revision="2" * 40, is_editor=True, image_guidance=1.25, steps=5
)


def context(*models: object, parent: Recipe | None = None) -> PlanContext:
    """The context of a request that starts from one picture, with 5 as the random seed."""
    cards = models or (PAINTER, EDITOR)
    parents = (picture() if parent is None else picture(recipe=parent),)
    return PlanContext(models=cards, seed=5, parents=parents)  # type: ignore[arg-type]


async def single(harness: BotHarness, nth: int = 2) -> Message:
    """The message with one picture of a new result."""
    return await harness.result(await harness.ada.click(await harness.imagine(), f"U{nth}"))


def menu_of(harness: BotHarness, nth: int = 2) -> str:
    """The custom id of the menu below this picture of the first job."""
    [job] = harness.query("SELECT id FROM jobs ORDER BY rowid LIMIT 1")
    return f"v1:more:{job['id']}:{nth}"


def painted(engine: FakeEngine) -> tuple[Recipe, ...]:
    """The recipes of the last job."""
    return tuple(work.recipe for work in engine.paints[-1].recipes)
