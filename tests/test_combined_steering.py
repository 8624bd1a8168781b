"""LoRAs, controls, references and sources in one picture, and in one batch."""

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
import pytest
import torch
from diffusers import (
    ControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    UNet2DConditionModel,
)
from PIL import Image

from engine.contract import Edit, Inpaint, Recipe
from engine.core.engine_core import EngineCore
from engine.weights.ip_adapters import IP_ADAPTER_VARIABLE
from tests import tiny_model
from tests.controlled import control_sketch, controls_setting, stored
from tests.diffusers_pipeline import assert_alike, make_scheduler
from tests.engine_parts import load_engine_core, rendered_images, sketch
from tests.ip_adapter_writer import write_ip_adapter
from tests.lora_files import save_kohya
from tests.reference_models import digests, job_of, picture, reference, run_of
from tests.tiny_controls import save_control

_HOME: Final = TemporaryDirectory()
SCALES: Final = {"control": 0.8, "lora": 0.9, "reference": 0.7}


@cache
def folder(channels: int) -> Path:
    """A model whose UNet takes so many channels, with a ControlNet, a LoRA and an IP-Adapter."""
    home = Path(_HOME.name) / str(channels)
    model = tiny_model.save(home / "model", unet={"in_channels": channels})
    (home / "loras").mkdir()
    save_kohya(home / "loras" / "style.safetensors", model)
    if channels == 4:
        save_control(home / "scribble", model)
    write_ip_adapter(home / "adapter", UNet2DConditionModel.from_pretrained(model / "unet"))
    return home


@cache
def core(channels: int) -> EngineCore:
    """An engine core with all of them."""
    home = folder(channels)
    controls = [("scribble", home / "scribble")] if channels == 4 else []
    with pytest.MonkeyPatch.context() as patch, controls_setting(controls):
        patch.setenv("IMAGINE_LORAS", str(home / "loras"))
        patch.setenv(IP_ADAPTER_VARIABLE, str(home / "adapter"))
        return load_engine_core(str(home / "model"))


def steered(channels: int = 4, *, controlled: bool = False, **changes: Any) -> Recipe:  # noqa: ANN401 - any field
    """A picture with a LoRA, a reference, and maybe a control."""
    card = core(channels).model.card
    changes["adapters"] = (card.adapter("style", SCALES["lora"]),)
    if controlled:
        image = stored(control_sketch())
        changes["controls"] = (card.control("scribble", image, scale=SCALES["control"]),)
    own = reference(core(channels), picture(1), SCALES["reference"])
    return run_of(core(channels), own, **({"row_class": 4} | changes))


def ours(run: Recipe, channels: int = 4) -> Image.Image:
    """The engine's picture."""
    return rendered_images(job_of(run), core(channels))[0]


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of what older pipelines do themselves
        yield


def theirs(pipeline_class: Any, run: Recipe, channels: int = 4, **options: Any) -> Image.Image:  # noqa: ANN401 - diffusers has no types
    """The picture of diffusers' pipeline."""
    home = folder(channels)
    parts = {name: options.pop(name) for name in ("controlnet",) if name in options}
    pipeline = pipeline_class.from_pretrained(home / "model", safety_checker=None, **parts)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(run.sampler.scheduler, pipeline.scheduler.config)
    pipeline.load_lora_weights(home / "loras", weight_name="style.safetensors", adapter_name="a")
    pipeline.set_adapters(["a"], [SCALES["lora"]])
    [file] = (home / "adapter").glob("*.safetensors")
    pipeline.load_ip_adapter(str(home / "adapter"), subfolder="", weight_name=file.name)
    pipeline.set_ip_adapter_scale(SCALES["reference"])
    image = pipeline(
        prompt=run.prompt,
        ip_adapter_image=picture(1),
        num_inference_steps=run.steps,
        guidance_scale=run.guidance,
        generator=torch.Generator("cpu").manual_seed(run.seed),
        **options,
    ).images[0]
    assert isinstance(image, Image.Image)
    return image


def test_a_control_a_lora_and_a_reference_equal_the_pipeline() -> None:
    """All three in one picture."""
    run = steered(controlled=True)
    net = ControlNetModel.from_pretrained(folder(4) / "scribble")
    image = theirs(
        StableDiffusionControlNetPipeline,
        run,
        controlnet=net,
        image=control_sketch(),
        controlnet_conditioning_scale=SCALES["control"],
    )
    assert_alike(ours(run), image)


def test_an_edit_with_a_lora_and_a_reference_equals_the_pipeline() -> None:
    """Of its three rows, the one with the instruction reads the reference."""
    run = steered(8, source=Edit(stored(sketch()), 1.5), prompt="make it red")
    image = theirs(
        StableDiffusionInstructPix2PixPipeline, run, 8, image=sketch(), image_guidance_scale=1.5
    )
    assert_alike(ours(run, 8), image)


def test_inpainting_with_a_lora_and_a_reference_equals_the_pipeline() -> None:
    """A UNet with nine channels; compared below the mask."""
    mask = Image.new("L", (64, 64))
    mask.paste(255, (16, 8, 56, 48))
    run = steered(9, source=Inpaint(stored(sketch()), stored(mask.convert("RGB")), 1.0))
    image = theirs(
        StableDiffusionInpaintPipeline,
        run,
        9,
        image=sketch(),
        mask_image=mask,
        strength=1.0,
        width=64,
        height=64,
    )
    assert_alike(ours(run, 9).crop((16, 8, 56, 48)), image.crop((16, 8, 56, 48)))


def test_company_changes_no_bit() -> None:
    """Pictures with all, some and none of them share batches."""
    everything = steered(controlled=True, row_class=8)
    parts: list[dict[str, Any]] = [
        {},
        {"adapters": ()},
        {"controls": ()},
        {"references": ()},
        {"adapters": (), "controls": ()},
        {"adapters": (), "controls": (), "references": ()},
        {"guidance": 1.0},
    ]
    runs = [replaced(everything, seed=seed, **part) for seed, part in enumerate(parts)]
    alone = [digests(core(4), run)[0] for run in runs]
    assert len(set(alone)) == len(alone)
    assert digests(core(4), *runs) == alone
    assert digests(core(4), *runs[::-1]) == alone[::-1]


def replaced(run: Recipe, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """The recipe with other fields."""

    return msgspec.structs.replace(run, **changes)
