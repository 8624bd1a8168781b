"""Controls in batches: each image has its own, and no other image sees it."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from engine.contract import (
    Backend,
    Change,
    Control,
    Edit,
    Preprocessor,
    PromptFormat,
    Recipe,
)
from engine.core.engine_core import EngineCore
from engine.imaging.init_image import decode_source
from engine.pipeline.denoise import DenoisingState, forward_batch
from engine.pipeline.sources import InputImages
from engine.steering.controls import ActingSteps, ImageControls
from engine.steering.rows import Steering
from tests import tiny_controls, tiny_model
from tests.controlled import (
    control,
    control_sketch,
    controlled_core,
    painted,
    recipe,
    stored,
)
from tests.engine_parts import INPUT_FILES, failure_reason, job, run_together, sketch
from tests.engine_parts import Painted as PaintedJob


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> EngineCore:
    """Stable Diffusion 1 with two ControlNets and a T2I-Adapter."""
    folder = tmp_path_factory.mktemp("controls")
    model = tiny_model.save(folder / "model")
    return controlled_core(
        model,
        ("scribble", tiny_controls.save_control(folder / "scribble", model, 1)),
        ("depth", tiny_controls.save_control(folder / "depth", model, 2)),
        ("tile", tiny_controls.save_xl_adapter(folder / "tile")),
    )


@pytest.fixture(scope="module")
def xl_core(tmp_path_factory: pytest.TempPathFactory) -> EngineCore:
    """SDXL with a ControlNet and a ControlNet-Union."""
    folder = tmp_path_factory.mktemp("controls-xl")
    model = tiny_model.save_xl(folder / "model")
    union = tiny_controls.save_union(folder / "union", model)
    net = tiny_controls.save_control(folder / "scribble", model)
    return controlled_core(model, ("scribble", net), ("openpose", union), ("depth", union))


def variety(core: EngineCore, **changes: object) -> list[Recipe]:
    """Recipes of one row class with different controls, scales, rows and steps, and plain ones."""
    options = {"row_class": 8, "seed": 3} | changes
    kinds = [card.kind for card in core.model.card.controls]
    images = [control_sketch(nth) for nth in range(4)]
    first, second = (control(core, kind, images[nth]) for nth, kind in enumerate(kinds[:2]))
    third = control(core, kinds[2], images[2], scale=0.6, end=0.5)
    again = control(core, kinds[0], images[3], scale=1.7, start=0.4)
    return [
        recipe(core, **options),
        recipe(core, first, **options),
        recipe(core, second, third, guidance=1.0, **options),
        recipe(core, again, **options | {"seed": 9, "steps": 5}),
        recipe(core, guidance=1.0, **options | {"seed": 4}),
        recipe(core, third, again, prompt="a (blue:1.4) boat", **options),
    ]


def latents(recipes: list[Recipe], core: EngineCore, rows: int = 8) -> list[torch.Tensor]:
    """The final latents of recipes, in shared batches as far as they fit."""
    states = [state_of(each, core) for each in recipes]
    while running := [state for state in states if not state.is_finished]:
        batch, free = [], rows
        for state in running:
            if state.rows <= free:
                batch.append(state)
                free -= state.rows
        forward_batch(batch, rows)
    return [state.latents for state in states]


@torch.inference_mode()
def state_of(recipe: Recipe, core: EngineCore) -> DenoisingState:
    """The initial state of an image."""
    images = InputImages(core.model, recipe.images)
    images.images = {digest: decoded(digest) for digest in recipe.images}
    return DenoisingState(recipe, images)


def decoded(digest: str) -> Image.Image:
    """The input image of a digest."""
    return decode_source(INPUT_FILES[digest])


@pytest.mark.parametrize("family", ["core", "xl_core"])
def test_company_changes_no_bit(family: str, request: pytest.FixtureRequest) -> None:
    """Each image of a mixed batch has the latents that it has alone."""
    core: EngineCore = request.getfixturevalue(family)
    recipes = variety(core)
    alone = [latents([each], core)[0] for each in recipes]
    for order in (recipes, recipes[::-1]):
        together = dict(zip(order, latents(order, core), strict=True))
        for each, expected in zip(recipes, alone, strict=True):
            assert torch.equal(together[each], expected)
    assert len({tensor.numpy().tobytes() for tensor in alone}) == len(recipes)


def test_the_bits_of_plain_rows_stay(core: EngineCore) -> None:
    """Also the signs of zeros: one forward pass, with controls in other rows and without."""
    plain, *_ = variety(core)
    net, adapted = (
        recipe(core, control(core, kind, control_sketch()), row_class=8, seed=5)
        for kind in ("scribble", "tile")
    )
    outputs = []
    for company in ([], [net], [adapted, net], [adapted]):
        states = [state_of(each, core) for each in (plain, *company)]
        forward_batch(states, 8)
        outputs.append(states[0].registers.numpy().tobytes())
    assert len(set(outputs)) == 1


def test_numbers_that_are_not_finite_stay_in_their_image(core: EngineCore) -> None:
    """NaN from a control makes no other image NaN."""
    recipes = variety(core)[:2]
    [expected] = latents(recipes[:1], core)
    states = [state_of(each, core) for each in recipes]
    states[1].steering = Steering(controls=nan_controls(states[1]))
    while not states[0].is_finished:
        forward_batch(states, 8)
    assert states[1].latents.isnan().all()
    assert torch.equal(states[0].latents, expected)


def nan_controls(state: DenoisingState) -> ImageControls:
    """The controls of an image whose control image is NaN."""
    assert state.steering is not None
    assert state.steering.controls is not None
    [controls] = state.steering.controls.networks
    [condition] = controls.conditions
    nan = condition._replace(embedding=torch.full_like(condition.embedding, float("nan")))
    return ImageControls((replace(controls, conditions=(nan,)),))


def test_pictures_of_jobs_at_the_same_time(core: EngineCore) -> None:
    """A plain job and two controlled ones have the pixels that they have alone."""
    recipes = variety(core)[:4]
    jobs = [job(each, job=f"j{nth}", inputs=each.images) for nth, each in enumerate(recipes)]
    together = run_together(core, *jobs)
    for ending, each in zip(together, recipes, strict=True):
        assert isinstance(ending, PaintedJob)
        [alone] = run_together(core, job(each, inputs=each.images))
        assert isinstance(alone, PaintedJob)
        assert ending.pictures[0].sha256 == alone.pictures[0].sha256


def test_two_threads(core: EngineCore) -> None:
    """Batches with controls that run at the same time have the bits that they have alone."""
    recipes = [each for each in variety(core) if each.controls]
    expected = [latents([each], core)[0] for each in recipes]
    results: dict[int, list[torch.Tensor]] = {}

    def run(nth: int) -> None:
        results[nth] = [latents([each], core)[0] for each in recipes]

    threads = [threading.Thread(target=run, args=(nth,)) for nth in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for nth in range(2):
        assert all(map(torch.equal, results[nth], expected))


@pytest.mark.parametrize("family", ["core", "xl_core"])
def test_prompts_of_several_chunks_that_change(family: str, request: pytest.FixtureRequest) -> None:
    """Each step has the conditioning of its prompt, in the rows of the control too."""
    core: EngineCore = request.getfixturevalue(family)
    options = {"prompt_format": PromptFormat.A1111, "steps": 6, "row_class": 8}
    long = "a red house, " * 12
    used = control(core, "scribble", control_sketch(), scale=1.3)
    changes = (Change(step=2, prompt="a blue boat"), Change(step=4, negative="a cat"))
    changing = recipe(core, used, prompt=long, changes=changes, **options)
    recipes = [
        changing,
        recipe(core, used, prompt=long, **options),
        recipe(core, prompt=long, changes=changes, **options),
    ]
    alone = [latents([each], core)[0] for each in recipes]
    assert len({tensor.numpy().tobytes() for tensor in alone}) == 3
    for ours, expected in zip(latents(recipes, core), alone, strict=True):
        assert torch.equal(ours, expected)


def test_an_image_is_resized_and_cropped(core: EngineCore) -> None:
    """A control image of another size gives the picture of the cropped one."""
    wide = Image.new("RGB", (128, 64), "red")
    wide.paste(control_sketch(), (32, 0))
    used = [control(core, "depth", image) for image in (wide, control_sketch())]
    first, second = painted(core, *(recipe(core, each) for each in used))
    assert first.tobytes() == second.tobytes()


def test_an_edit_has_controls(tmp_path: Path) -> None:
    """In its three rows, in company too."""
    plain = tiny_model.save(tmp_path / "plain")
    model = tiny_model.save(tmp_path / "edit", unet={"in_channels": 8})
    core = controlled_core(model, ("scribble", tiny_controls.save_control(tmp_path / "net", plain)))
    used = control(core, "scribble", control_sketch())
    source = Edit(stored(sketch()), 1.5)
    recipes = [recipe(core, *each, source=source, row_class=8) for each in ((), (used,))]
    alone = [painted(core, each)[0].tobytes() for each in recipes]
    assert [image.tobytes() for image in painted(core, *recipes)] == alone
    assert len(set(alone)) == 2


@pytest.mark.parametrize("preprocessor", [Preprocessor.SCRIBBLE, Preprocessor.EDGES])
def test_a_sketch_becomes_a_control_image(core: EngineCore, preprocessor: Preprocessor) -> None:
    """A preprocessor gives another picture than the sketch itself."""
    used = [
        control(core, "scribble", sketch(), preprocessor=each)
        for each in (Preprocessor.NONE, preprocessor)
    ]
    first, second = painted(core, *(recipe(core, each) for each in used))
    assert first.tobytes() != second.tobytes()


def test_a_scale_of_zero_is_no_control(core: EngineCore) -> None:
    """As is a control that acts in no step."""
    off = [
        control(core, "scribble", control_sketch(), scale=0.0),
        control(core, "scribble", control_sketch(), start=0.0, end=0.01),
    ]
    plain, *others = painted(core, recipe(core), *(recipe(core, each) for each in off))
    assert all(other.tobytes() == plain.tobytes() for other in others)


@pytest.mark.parametrize("evaluations", [1, 7, 20, 39])
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.1, 0.7), (0.29, 0.57), (0.0, 0.001)])
def test_the_acting_steps_are_those_of_diffusers(
    evaluations: int, start: float, end: float
) -> None:
    """`controlnet_keep` in its pipelines."""
    steps = ActingSteps(start, end)
    timesteps = range(evaluations)
    keep = [
        1.0 - float(i / len(timesteps) < start or (i + 1) / len(timesteps) > end)
        for i in range(len(timesteps))
    ]
    assert [steps.has(i, evaluations) for i in timesteps] == [bool(each) for each in keep]


def test_an_empty_control_image_is_refused(core: EngineCore) -> None:
    """The job fails with one sentence; an image with colours alone is no reason."""
    white = Image.new("RGB", (100, 80), "white")
    empty = control(core, "scribble", white, preprocessor=Preprocessor.SCRIBBLE)
    one = recipe(core, empty)
    assert failure_reason(job(one, inputs=one.images), core) == (
        "There are no lines to follow in this picture: it is empty, or of one colour. Draw some."
    )
    assert painted(core, recipe(core, control(core, "depth", white)))


def test_an_unknown_kind_is_refused(core: EngineCore) -> None:
    """The sentence names those that there are."""
    with pytest.raises(ValueError, match=r"has no control “canny” here\. Choose one of: scribble"):
        control(core, "canny", sketch())
    unknown = Control(kind="canny", revision="r", image=stored(sketch()))
    one = recipe(core, unknown)
    assert "has no control “canny” here" in failure_reason(job(one, inputs=one.images), core)


def test_another_revision_is_refused(core: EngineCore) -> None:
    """A picture of an older ControlNet cannot be painted again."""
    old = Control(kind="depth", revision="0" * 64, image=stored(sketch()))
    one = recipe(core, old)
    assert failure_reason(job(one, inputs=one.images), core).startswith(
        "This picture needs the control depth (000000000000); here is another one of this name"
    )


def test_a_backend_without_controls_is_refused(core: EngineCore) -> None:
    """Plain pictures of that backend would be run by torch too."""
    used = control(core, "depth", sketch())
    one = recipe(core, used, backend=Backend.OPENVINO)
    assert "is run by torch" in failure_reason(job(one, inputs=one.images), core)


def test_a_size_that_an_adapter_cannot_read_is_refused(core: EngineCore) -> None:
    """A T2I-Adapter of SDXL reads multiples of 16 pixels."""
    one = recipe(core, control(core, "tile", sketch()), width=72)
    reason = failure_reason(job(one, inputs=one.images), core)
    assert reason.startswith("The control tile needs widths and heights that are multiples of 16")
