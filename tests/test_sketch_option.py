"""The options of /imagine about a sketch: how it fits, and strengths by name."""

import pytest

from bot.domain import sketches
from bot.domain.kinds import imagine
from bot.domain.kinds.imagine import ImagineRequest, parse
from bot.domain.plan import PlanContext
from bot.errors import Refused
from bot.playground import Upload
from bot.playground.client.options import Value
from engine.contract.images.fit import Fit
from tests.bot_harness import BotHarness
from tests.changing import painted
from tests.fake_engine import MODEL, FakeEngine
from tests.sketching import disc_in, photo, private, sketch_of


@pytest.mark.parametrize(
    ("fit", "disc"), [("contain", (16, 16)), ("cover", (64, 64)), ("stretch", (16, 32))]
)
async def test_a_sketch_is_fitted(
    harness: BotHarness, engine: FakeEngine, fit: str, disc: tuple[int, int]
) -> None:
    """The stored sketch is the fitted one, except for cover, which the engine does."""
    await harness.imagine(sketch=photo(), aspect="square", fit=fit)
    assert painted(engine)[0].size == (64, 64)
    assert disc_in(sketch_of(engine)) == disc
    [file] = (harness.data / "sources").iterdir()
    assert file.read_bytes() == sketch_of(engine)


async def test_a_fitted_sketch_waits_for_a_restart(harness: BotHarness, engine: FakeEngine) -> None:
    """The fit is stored until the sketch is fetched."""
    engine.gate.clear()
    await harness.ada.slash("imagine", prompt="a house", sketch=photo(), fit="contain")
    await harness.discord.until(lambda: engine.paints, why="it is painted")
    await harness.stop()
    engine.gate.set()
    await harness.start()
    await harness.discord.until(lambda: len(engine.paints) == 2, why="it is painted again")
    assert engine.paints[0].recipes == engine.paints[1].recipes


async def test_the_recipe_of_a_fitted_sketch_needs_no_fit(
    harness: BotHarness, engine: FakeEngine
) -> None:
    """Painted again from the file, it has the same recipe and the same sketch, to the byte."""
    result = await harness.imagine(sketch=photo(), aspect="square", fit="contain", count=1)
    first, sketch = painted(engine), sketch_of(engine)
    file = Upload("a.png", result.attachments[0].data, "image/png")
    offered = await private(harness, await harness.ada.slash("recipe", file=file))
    await harness.result(await harness.ada.click(offered, "🎨 Paint"))
    assert (painted(engine), sketch_of(engine)) == (first, sketch)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"fit": "contain"}, "The fit says how to use a sketch, so it needs a sketch."),
        ({"fit": "squeeze", "sketch": photo()}, "no fit “squeeze”. Choose one of: contain, cover"),
    ],
)
async def test_a_bad_fit_is_refused(
    harness: BotHarness, engine: FakeEngine, options: dict[str, Value], sentence: str
) -> None:
    """In private."""
    interaction = await harness.ada.invoke("imagine", {"prompt": "a", **options}, checked=False)
    assert sentence in await harness.refusal(interaction)
    assert engine.paints == []


@pytest.mark.parametrize("typed", ["", "0.", "ke"])
async def test_strengths_are_offered_by_name(harness: BotHarness, typed: str) -> None:
    """Whatever was typed; the value of a choice is its number."""
    interaction = await harness.ada.complete("imagine", "strength", typed)
    await interaction.acknowledged()
    assert [(choice["name"], choice["value"]) for choice in interaction.choices or []] == [
        ("keep (0.4)", 0.4),
        ("balanced (0.6)", 0.6),
        ("free (0.85)", 0.85),
    ]


async def test_scales_of_lines_are_offered_by_the_same_names(harness: BotHarness) -> None:
    """In the mode that follows lines, a larger number keeps more."""
    interaction = await harness.ada.complete("imagine", "strength", "", mode="follow the lines")
    await interaction.acknowledged()
    assert [choice["value"] for choice in interaction.choices or []] == [1.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("flags", "strength"), [("--strength keep", 0.4), ("--strength Free", 0.85), ("", 0.75)]
)
async def test_flags_take_names_of_strengths(
    harness: BotHarness, engine: FakeEngine, flags: str, strength: float
) -> None:
    """And the fit of a sketch."""
    await harness.imagine(prompt=f"a house {flags} --fit contain --ar 1:1", sketch=photo())
    assert painted(engine)[0].strength == strength
    assert disc_in(sketch_of(engine)) == (16, 16)


def test_each_named_strength_runs_a_step() -> None:
    """Also where a model has one step alone."""
    for steps in (1, 2, 4, 50):
        for name in sketches.STRENGTHS:
            strength = sketches.strength_of(name, MODEL, steps)
            request = ImagineRequest(
                options=parse(prompt="a", strength=strength, steps=steps, fit="contain"),
                sketch_url="https://a/b",
            )
            plan = imagine.plan(request, PlanContext(models=(MODEL,), seed=5))
            assert plan.recipes[0].recipe.source.executed_steps(steps) >= 1
            assert plan.inputs[0].fit is Fit.CONTAIN
    assert sketches.strength_of("keep", MODEL, 50) == 0.4


def test_an_unknown_fit_is_refused() -> None:
    """Before anything is fetched."""
    request = ImagineRequest(options=parse(prompt="a", fit="x"), sketch_url="https://a/b")
    with pytest.raises(Refused, match="no fit “x”"):
        imagine.plan(request, PlanContext(models=(MODEL,), seed=5))
