"""How many steps are run on an init image: as many as diffusers' img2img pipelines run."""

import inspect
from typing import Any, Final

import msgspec
import pytest
from diffusers import (
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinInpaintPipeline,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusion3InpaintPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionXLImg2ImgPipeline,
    ZImageImg2ImgPipeline,
    ZImageInpaintPipeline,
)

from bot.domain.kinds import draft
from engine.contract import (
    Change,
    Img2Img,
    Inpaint,
    ModelCard,
    PictureOptions,
    Recipe,
    StepRounding,
    make_recipes,
)
from engine.models import defaults
from tests.engine_parts import engine_core
from tests.fake_engine import MODEL
from tests.samples import recipe

FLOW_MODEL: Final = msgspec.structs.replace(MODEL, rounding=StepRounding.UP)
STRENGTHS: Final = (0.001, 0.01, 0.28, 0.3, 0.35, 0.5, 0.56, 0.58, 0.7, 0.75, 0.9, 0.99, 0.999, 1.0)
STEPS: Final = (1, 2, 3, 4, 5, 7, 8, 10, 20, 25, 28, 50, 75, 100, 150)


def without_networks(pipeline_class: type[DiffusionPipeline], scheduler: Any) -> Any:  # noqa: ANN401 - diffusers' classes have no types
    """A pipeline that has only a scheduler."""
    parameters = inspect.signature(pipeline_class).parameters
    required = [name for name, item in parameters.items() if item.default is item.empty]
    options = {"requires_safety_checker": False, "scheduler": scheduler}
    return pipeline_class(
        **dict.fromkeys(required) | {name: options[name] for name in parameters if name in options}
    )


@pytest.mark.parametrize(
    ("rounding", "scheduler", "pipeline_class"),
    [
        (StepRounding.DOWN, EulerDiscreteScheduler(steps_offset=1), StableDiffusionImg2ImgPipeline),
        (StepRounding.DOWN, EulerDiscreteScheduler(), StableDiffusionXLImg2ImgPipeline),
        *(
            (StepRounding.UP, FlowMatchEulerDiscreteScheduler(), pipeline_class)
            for pipeline_class in (
                StableDiffusion3Img2ImgPipeline,
                StableDiffusion3InpaintPipeline,
                Flux2KleinInpaintPipeline,
                ZImageImg2ImgPipeline,
                ZImageInpaintPipeline,
            )
        ),
    ],
)
def test_as_many_steps_are_run_as_in_the_pipeline(
    rounding: StepRounding,
    scheduler: Any,  # noqa: ANN401 - has no type
    pipeline_class: type[DiffusionPipeline],
) -> None:
    """Also where the product is not whole, or is whole but for an error of floating point."""
    pipeline = without_networks(pipeline_class, scheduler)
    for steps in STEPS:
        scheduler.set_timesteps(steps)
        for strength in STRENGTHS:
            timesteps, _ = pipeline.get_timesteps(steps, strength, "cpu")
            assert rounding.executed_steps(steps, strength) == len(timesteps), (steps, strength)


def test_each_family_rounds_as_its_pipelines() -> None:
    """The card of a model says it."""
    rounding = {family.name: family.rounding for family in defaults.FAMILIES}
    assert rounding == {
        "Stable Diffusion 1 and 2": StepRounding.DOWN,
        "Stable Diffusion image variations": StepRounding.DOWN,
        "SDXL": StepRounding.DOWN,
        "Stable Diffusion 3": StepRounding.UP,
        "FLUX.2 klein": StepRounding.UP,
        "Z-Image": StepRounding.UP,
    }
    assert engine_core().model.card.rounding is StepRounding.DOWN


def sketched(model: ModelCard, **options: Any) -> Recipe:  # noqa: ANN401 - any of the options
    """The recipe of a request with a sketch."""
    values: dict[str, Any] = {"prompt": "a fox", "steps": 5, "strength": 0.5}
    request = PictureOptions(**(values | options))
    return make_recipes(request, model, size=(512, 512), seed=1, source="a" * 64)[0]


def test_new_recipes_round_as_the_model() -> None:
    """So the steps of changes may be one more."""
    assert sketched(MODEL).executed_steps == 2
    assert sketched(FLOW_MODEL).executed_steps == 3
    prompt = "a [fox:cat:2] [:in the snow:0.9]"
    assert [change.step for change in sketched(FLOW_MODEL, prompt=prompt).changes] == [2]
    assert make_recipes(PictureOptions(prompt="a fox"), FLOW_MODEL, size=(512, 512), seed=1) == (
        make_recipes(PictureOptions(prompt="a fox"), MODEL, size=(512, 512), seed=1)
    )


def test_stored_recipes_and_cards_round_down() -> None:
    """Those of earlier versions do not say it, and recipes that round down are stored as then."""
    stored = msgspec.to_builtins(recipe(source=Img2Img("a" * 64, 0.5)))
    assert stored["source"] == {"type": "Img2Img", "image": "a" * 64, "strength": 0.5}
    assert msgspec.convert(stored, Recipe).source.executed_steps(5) == 2
    assert "rounding" not in msgspec.to_builtins(Inpaint("a", "b", 0.5))
    card = msgspec.to_builtins(FLOW_MODEL)
    assert card.pop("rounding") == "up"
    assert msgspec.convert(card, ModelCard) == MODEL
    flow = sketched(FLOW_MODEL)
    assert msgspec.json.decode(msgspec.json.encode(flow), type=Recipe) == flow


def test_one_step_is_run_with_the_smallest_strength() -> None:
    """A smaller one is refused where none would be."""
    with pytest.raises(ValueError, match=r"none of the 20 steps would run; .* at least 0\.05"):
        sketched(MODEL, steps=20, strength=0.04)
    assert sketched(FLOW_MODEL, steps=20, strength=0.04).executed_steps == 1
    with pytest.raises(ValueError, match=r"at least 0\.001"):
        sketched(FLOW_MODEL, steps=20, strength=1e-18)
    for rounding in StepRounding:
        for steps in range(1, 151):
            smallest = rounding.smallest_strength(steps)
            assert rounding.executed_steps(steps, smallest) == 1


def test_drafts_round_as_their_pictures() -> None:
    """So a change of the draft is at one of its steps."""
    change = Change(step=10, guidance=2.0)
    full = recipe(steps=24, source=Img2Img("a" * 64, 0.45, StepRounding.UP), changes=(change,))
    drafted = draft.draft_recipe(full)
    assert (drafted.steps, drafted.executed_steps) == (8, 4)
    assert [item.step for item in drafted.changes] == [3]
    small = recipe(steps=24, source=Img2Img("a" * 64, 0.05, StepRounding.UP))
    assert draft.draft_recipe(small).steps == 8
