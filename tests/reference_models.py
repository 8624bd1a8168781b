"""Tiny models with IP-Adapters, and the images of diffusers' own pipelines for them."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from diffusers import DiffusionPipeline, UNet2DConditionModel
from PIL import Image

from engine.contract import Paint, Recipe, Reference, ReferenceRole, sha256
from engine.contract.images.encode import encode_png
from engine.core.engine_core import EngineCore
from engine.weights.ip_adapters import IP_ADAPTER_VARIABLE
from tests import tiny_model
from tests.engine_parts import (
    INPUT_FILES,
    job,
    load_engine_core,
    painted_images,
    recipe,
    sketch,
)
from tests.ip_adapter_writer import write_ip_adapter

ATTENTION_EVERYWHERE: Final = {
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
"""Options of a UNet with the blocks that the style is read by."""
_HOME: Final = TemporaryDirectory()


@cache
def model_folder(*, is_xl: bool) -> Path:
    """The folder of a tiny model."""
    folder = Path(_HOME.name) / ("xl" if is_xl else "sd")
    save = tiny_model.save_xl if is_xl else tiny_model.save
    return save(folder, unet=ATTENTION_EVERYWHERE)


@cache
def adapter_file(*, is_xl: bool, is_plus: bool) -> Path:
    """An IP-Adapter for it."""
    unet = UNet2DConditionModel.from_pretrained(model_folder(is_xl=is_xl) / "unet")
    folder = Path(_HOME.name) / f"adapter-{'xl' if is_xl else 'sd'}-{'plus' if is_plus else ''}"
    return write_ip_adapter(folder, unet, is_plus=is_plus)


@cache
def reference_core(*, is_xl: bool = False, is_plus: bool = False) -> EngineCore:
    """An engine core with the two."""
    with pytest.MonkeyPatch.context() as patch:
        file = adapter_file(is_xl=is_xl, is_plus=is_plus)
        patch.setenv(IP_ADAPTER_VARIABLE, str(file.parent))
        return load_engine_core(str(model_folder(is_xl=is_xl)))


def picture(seed: int) -> Image.Image:
    """A reference image, another one for each seed."""
    image = sketch(90, 70).rotate(40 * seed)
    red, green, blue = image.split()
    return Image.merge(
        "RGB", [(red, green, blue), (blue, red, green), (green, blue, red)][seed % 3]
    )


def reference(
    core: EngineCore,
    image: Image.Image,
    scale: float = 1.0,
    role: ReferenceRole = ReferenceRole.LIKE,
) -> Reference:
    """A reference for the core's model."""
    data = encode_png(image)
    INPUT_FILES[sha256(data)] = data
    return core.model.card.reference(sha256(data), scale=scale, role=role)


def pipeline_with(
    folder: Path | None = None, /, *, is_xl: bool = False, is_plus: bool = False, count: int = 1
) -> DiffusionPipeline:
    """diffusers' own pipeline with so many copies of the IP-Adapter; `folder` is that of another
    model."""
    options: dict[str, Any] = {} if is_xl else {"safety_checker": None}
    pipeline = DiffusionPipeline.from_pretrained(folder or model_folder(is_xl=is_xl), **options)
    file = adapter_file(is_xl=is_xl, is_plus=is_plus)
    pipeline.load_ip_adapter(str(file.parent), subfolder="", weight_name=[file.name] * count)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@torch.no_grad()
def embeddings(pipeline: DiffusionPipeline, image: Image.Image) -> torch.Tensor:
    """Of an image, as diffusers' pipeline computes them."""
    embeds: Sequence[torch.Tensor] = pipeline.encode_image(image, "cpu", 1)
    return embeds[0]


def run_of(core: EngineCore, *references: Reference, **changes: Any) -> Recipe:  # noqa: ANN401 - any of a recipe's fields
    """A recipe with these references."""
    return recipe(core, references=references, **changes)


def job_of(*recipes: Recipe, name: str = "a") -> Paint:
    """A job with the images of these recipes."""
    inputs = tuple(dict.fromkeys(image for run in recipes for image in run.images))
    return job(*recipes, inputs=inputs, job=name)


def digests(core: EngineCore, *runs: Recipe) -> list[str]:
    """The pixels of pictures that are painted together."""
    return [image.sha256 for image in painted_images(job_of(*runs), core)]
