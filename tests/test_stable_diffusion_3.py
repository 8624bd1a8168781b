"""Stable Diffusion 3 paints what diffusers' own pipelines paint."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import pytest
from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    FlowMatchHeunDiscreteScheduler,
    UniPCMultistepScheduler,
)

from engine.__main__ import main
from engine.contract import (
    ArtifactDone,
    ArtifactRole,
    Capture,
    Change,
    Completed,
    Event,
    Img2Img,
    PromptFormat,
    Recipe,
    Sampler,
    StepRounding,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.contract.metadata import has_flow_schedule, read_metadata
from engine.contract.samplers import FLOW_SAMPLERS
from engine.core.engine_core import EngineCore
from engine.device import select_device
from engine.errors import ModelCorrupt
from engine.models import registry
from engine.models.description import describe
from engine.pipeline.preview import previewer_for
from engine.weights.model_files import find_model_files
from tests import tiny_flow_models
from tests.diffusers_pipeline import SeededScheduler, assert_alike, diffusers_image
from tests.engine_parts import (
    IMG2IMG_STEPS,
    failure_reason,
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
    run_job,
    sketch,
)

MULTISTEP: Final = {
    "use_flow_sigmas": True,
    "prediction_type": "flow_prediction",
    "flow_shift": 3.0,
}
LONG: Final = "a small red house between two old trees, at night, with stars and a full moon " * 2


@cache
def core(*, has_t5: bool = True, use_dynamic_shifting: bool = False) -> EngineCore:
    """An engine core with a tiny Stable Diffusion 3.5."""
    with TemporaryDirectory() as folder:
        path = tiny_flow_models.save_sd3(
            Path(folder) / "tiny-sd3", has_t5=has_t5, use_dynamic_shifting=use_dynamic_shifting
        )
        return load_engine_core(str(path))


def flow_recipe(model: EngineCore | None = None, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A quick recipe."""
    return recipe(model or core(), **({"steps": 5} | changes))


def scheduler(sampler: Sampler) -> Any:  # noqa: ANN401 - has no type
    """The scheduler of diffusers with the tiny model's noise schedule."""
    match sampler:
        case Sampler.FLOW_HEUN:
            return FlowMatchHeunDiscreteScheduler(shift=3.0)
        case Sampler.DPMPP_2M:
            return DPMSolverMultistepScheduler(**MULTISTEP)
        case Sampler.DPMPP_2M_SDE:
            return SeededScheduler(**MULTISTEP, algorithm_type="sde-dpmsolver++")
        case Sampler.UNIPC:
            return UniPCMultistepScheduler(**MULTISTEP)
        case Sampler.DEIS:
            return DEISMultistepScheduler(**MULTISTEP)
    return FlowMatchEulerDiscreteScheduler(shift=3.0)


@pytest.mark.parametrize("sampler", FLOW_SAMPLERS)
def test_each_sampler_equals_the_pipeline(sampler: Sampler) -> None:
    """They are those of its card."""
    assert sampler in core().model.card.samplers
    run = flow_recipe(sampler=sampler)
    theirs = diffusers_image(run, None, core(), scheduler(sampler))
    assert_alike(rendered_images(job(run), core())[0], theirs)


@pytest.mark.parametrize(
    "changes",
    [
        {"guidance": 1.0},
        {"negative": "blue", "height": 96},
        {"prompt": LONG, "prompt_format": PromptFormat.PLAIN},
    ],
)
def test_txt2img_equals_the_pipeline(changes: dict[str, Any]) -> None:
    """With and without guidance; a long prompt is truncated as there."""
    run = flow_recipe(**changes)
    theirs = diffusers_image(run, None, core(), scheduler(run.sampler))
    assert_alike(rendered_images(job(run), core())[0], theirs)


def test_other_programs_read_its_schedule_in_the_file() -> None:
    """Other models have the same sampler with another schedule."""
    [image] = painted_images(job(flow_recipe(sampler=Sampler.DPMPP_2M)), core())
    infotext = read_metadata(image.png).infotext
    assert infotext is not None and infotext.has_flow_schedule
    assert not has_flow_schedule(painted_images(job(recipe(sampler=Sampler.DPMPP_2M)))[0].png)


def test_a_model_without_t5_equals_the_pipeline() -> None:
    """Its embeddings are zeros."""
    model = core(has_t5=False)
    run = flow_recipe(model)
    theirs = diffusers_image(run, None, model, scheduler(run.sampler))
    assert_alike(rendered_images(job(run), model)[0], theirs)


@pytest.mark.parametrize("width", [64, 128])
def test_the_schedule_depends_on_the_size_with_dynamic_shifting(width: int) -> None:
    """The pipeline shifts the noise by the number of tokens."""
    model = core(use_dynamic_shifting=True)
    run = flow_recipe(model, width=width, steps=3)
    dynamic = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    theirs = diffusers_image(run, None, model, dynamic)
    assert_alike(rendered_images(job(run), model)[0], theirs)


@pytest.mark.parametrize("sampler", [Sampler.FLOW_EULER, Sampler.FLOW_HEUN])
@pytest.mark.parametrize(("steps", "strength"), IMG2IMG_STEPS)
def test_img2img_equals_the_pipeline(steps: int, strength: float, sampler: Sampler) -> None:
    """It rounds the steps that are run up; other samplers have no img2img there."""
    source = sketch()
    data = encode_png(source)
    init_image = Img2Img(sha256(data), strength, core().model.card.rounding)
    run = flow_recipe(source=init_image, steps=steps, sampler=sampler)
    ours = rendered_images(job(run, source=data), core())[0]
    assert_alike(ours, diffusers_image(run, source, core(), scheduler(run.sampler)))


def test_other_images_change_no_bit() -> None:
    """Images with other steps, samplers, prompts, guidance and sketches share batches."""
    data = encode_png(sketch())
    sketched = [
        flow_recipe(
            row_class=8, source=Img2Img(sha256(data), strength, StepRounding.UP), steps=steps
        )
        for steps, strength in IMG2IMG_STEPS[1:4]
    ]
    grid = [
        *sketched,
        flow_recipe(row_class=8, steps=4, prompt=LONG),
        flow_recipe(row_class=8, steps=7, sampler=Sampler.FLOW_HEUN),
        flow_recipe(row_class=8, steps=3, guidance=1.0),
        flow_recipe(row_class=8, sampler=Sampler.DPMPP_2M_SDE),
        flow_recipe(row_class=8, changes=(Change(step=2, prompt="a boat", sampler=Sampler.UNIPC),)),
    ]
    alone = [painted_images(job(single, source=data), core())[0].sha256 for single in grid]
    together = painted_images(job(*grid, source=data), core())
    assert [image.sha256 for image in together] == alone


def test_weights_are_left_out_of_prompts() -> None:
    """Its text encoders were not trained for them; a raw prompt is literal."""
    plain = flow_recipe(prompt="a red house")
    weighted = flow_recipe(prompt="a (red:1.3) [house]", prompt_format=PromptFormat.A1111)
    raw = flow_recipe(prompt="a (red:1.3) [house]", prompt_format=PromptFormat.PLAIN)
    digests = [image.sha256 for image in painted_images(job(plain, weighted, raw), core())]
    assert digests[0] == digests[1] != digests[2]


def test_other_samplers_are_refused_with_the_right_ones() -> None:
    """Those of models that are not trained with flow matching would paint noise."""
    reason = failure_reason(job(flow_recipe(sampler=Sampler.DDIM)), core())
    assert "does not work with the sampler ddim" in reason
    assert "Choose one of: dpmpp_2m, dpmpp_2m_sde, unipc, deis, flow_euler, flow_heun." in reason


def test_sizes_are_multiples_of_a_token() -> None:
    """Requests by aspect have such sizes."""
    card = core().model.card
    assert "multiples of 16" in failure_reason(job(flow_recipe(width=72)), core())
    assert all(side % 16 == 0 for side in card.size_for_aspect(1.37))
    assert card.size_for_init_image(121, 125) == (128, 128)


def test_larger_sizes_than_it_has_positions_for_are_refused() -> None:
    """The sentence has the largest one, and requests by aspect stay below it."""
    card = core().model.card
    expected = "272 x 64 is too large for this model: widths and heights of at most 256 pixels"
    assert failure_reason(job(flow_recipe(width=272)), core()).startswith(expected)
    assert not card.is_paintable(64, 272)
    assert rendered_images(job(flow_recipe(width=256, steps=1)), core())[0].width == 256
    wide = msgspec.structs.replace(card, native_size=256)
    assert wide.size_for_aspect(4.0) == (256, 128)
    assert wide.size_for_init_image(300, 200) == (256, 192)


def test_a_size_that_its_config_lacks_is_that_of_diffusers(tmp_path: Path) -> None:
    """`sample_size` may be left out; a picture is never larger than there are positions."""
    folder = tiny_flow_models.save_sd3(tmp_path / "sd3", has_t5=False)
    path = folder / "transformer" / "config.json"
    config = json.loads(path.read_text())
    del config["sample_size"]
    path.write_text(json.dumps(config))
    description = describe(find_model_files(str(folder)))
    card = registry.load(str(folder), select_device()).card
    assert description.native_size == card.native_size == card.max_side == 256
    config["pos_embed_max_size"] = 96
    path.write_text(json.dumps(config))
    assert describe(find_model_files(str(folder))).native_size == 1024


def test_it_is_described_without_its_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The row has its licence and samplers."""
    folder = tiny_flow_models.save_sd3(tmp_path / "sd3-turbo", has_t5=False)
    (folder / "README.md").write_text(
        "---\nlicense: other\nlicense_name: stabilityai-ai-community\n---\n"
    )
    main(["models", "--json", "--model", str(folder)])
    [row] = json.loads(capsys.readouterr().out)
    assert row["family"] == "Stable Diffusion 3"
    assert row["licence"] == "stabilityai-ai-community"
    assert row["native_size"] == core().model.card.native_size == 128
    assert row["defaults"] == {"steps": 4, "guidance": 1.0, "sampler": "flow_euler"}
    assert row["samplers"] == list(core().model.card.samplers)


def test_another_kind_of_scheduler_is_refused(tmp_path: Path) -> None:
    """Its noise schedule would be wrong."""
    folder = tiny_flow_models.save_sd3(tmp_path / "sd3", has_t5=False)
    path = folder / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({"_class_name": "DDIMScheduler"}))
    with pytest.raises(ModelCorrupt, match="needs the scheduler DDIMScheduler"):
        registry.load(str(folder), select_device())


def test_a_damaged_schedule_is_refused(tmp_path: Path) -> None:
    """Shifts must be numbers."""
    folder = tiny_flow_models.save_sd3(tmp_path / "sd3", has_t5=False)
    path = folder / "scheduler" / "scheduler_config.json"
    config = json.loads(path.read_text()) | {"use_dynamic_shifting": True, "base_shift": "x"}
    path.write_text(json.dumps(config))
    with pytest.raises(ModelCorrupt, match=r"The base_shift in scheduler/scheduler_config.json"):
        registry.load(str(folder), select_device())


def test_a_missing_text_encoder_is_named(tmp_path: Path) -> None:
    """Only T5 may be missing."""
    folder = tiny_flow_models.save_sd3(tmp_path / "sd3", has_t5=False)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"text_encoder_2": [None, None]}))
    files = find_model_files(str(folder))
    with pytest.raises(ModelCorrupt, match="it has no text_encoder_2"):
        registry.load(files.name, select_device())


def test_its_steps_can_be_shown() -> None:
    """Its latents become previews, and decoded frames."""
    model = core().model
    mean, _ = model.encode_image(sketch())
    preview = previewer_for(model).image(model.scale_latents(mean)[0], 64, 64)
    assert preview.size == (64, 64)
    events: list[Event] = []
    run_job(job(flow_recipe(), capture=Capture(strip=3)), core(), events.append)
    [strip] = [event for event in events if isinstance(event, ArtifactDone)]
    assert strip.role is ArtifactRole.STRIP
    [ending] = [event for event in events if isinstance(event, Completed)]
    assert not ending.artifact_failures
