"""Controlled pictures are those of diffusers' own pipelines."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from diffusers import (
    StableDiffusionAdapterPipeline,
    StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLAdapterPipeline,
    StableDiffusionXLControlNetImg2ImgPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
)

from engine.contract import Img2Img, PromptFormat, Sampler
from engine.core.engine_core import EngineCore
from tests import tiny_controls, tiny_model
from tests.controlled import (
    adapter,
    control,
    control_net,
    control_sketch,
    controlled_core,
    painted,
    recipe,
    stored,
    theirs,
    union,
)
from tests.diffusers_pipeline import assert_alike
from tests.engine_parts import sketch
from tests.test_inpaint import assert_inpainted, inpainting, mask

PLAIN: dict[str, Any] = {"prompt_format": PromptFormat.PLAIN}
SAMPLERS = (Sampler.EULER, Sampler.PNDM, Sampler.HEUN, Sampler.DPMPP_2M, Sampler.EULER_A)
MIRRORED = {
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}
"""Options of a UNet like that of Stable Diffusion 1, whose first block has attention."""


class Parts(NamedTuple):
    """A model and its controls."""

    core: EngineCore
    folders: dict[str, Path]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """Stable Diffusion 1 with two ControlNets."""
    folder = tmp_path_factory.mktemp("controls")
    model = tiny_model.save(folder / "model")
    folders = {
        "scribble": tiny_controls.save_control(folder / "scribble", model, 1),
        "canny": tiny_controls.save_control(
            folder / "canny", model, 2, controlnet_conditioning_channel_order="bgr"
        ),
    }
    return Parts(controlled_core(model, *folders.items()), folders)


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    """SDXL with a ControlNet, a ControlNet-Union and two T2I-Adapters."""
    folder = tmp_path_factory.mktemp("controls-xl")
    model = tiny_model.save_xl(folder / "model")
    every = tiny_controls.save_union(folder / "union", model)
    folders = {
        "scribble": tiny_controls.save_control(folder / "scribble", model),
        "openpose": every,
        "depth": every,
        "lineart": tiny_controls.save_xl_adapter(folder / "lineart", 3, in_channels=1),
        "tile": tiny_controls.save_xl_adapter(folder / "colour", 4),
    }
    return Parts(controlled_core(model, *folders.items()), folders)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(("start", "end"), [(0.0, 1.0), (0.0, 0.5), (0.3, 0.8)])
def test_a_control_net(first: Parts, sampler: Sampler, start: float, end: float) -> None:
    """With a scale, and in a part of the steps."""
    image = control_sketch()
    used = control(first.core, "scribble", image, scale=0.8, start=start, end=end)
    one = recipe(first.core, used, sampler=sampler, steps=5, negative="a cat", **PLAIN)
    expected = theirs(
        first.core,
        one,
        StableDiffusionControlNetPipeline,
        controlnet=control_net(first.folders["scribble"]),
        image=image,
        controlnet_conditioning_scale=0.8,
        control_guidance_start=start,
        control_guidance_end=end,
    )
    assert_alike(painted(first.core, one)[0], expected)


def test_a_control_changes_the_picture(first: Parts) -> None:
    """So that parity proves something."""
    image = control_sketch()
    used = [control(first.core, "scribble", image, scale=scale) for scale in (0.2, 1.0)]
    recipes = [recipe(first.core), *(recipe(first.core, each) for each in used)]
    assert len({image.tobytes() for image in painted(first.core, *recipes)}) == 3


def test_without_guidance(first: Parts) -> None:
    """A picture with one row."""
    image = control_sketch()
    one = recipe(first.core, control(first.core, "canny", image), guidance=1.0, **PLAIN)
    expected = theirs(
        first.core,
        one,
        StableDiffusionControlNetPipeline,
        controlnet=control_net(first.folders["canny"]),
        image=image,
    )
    assert_alike(painted(first.core, one)[0], expected)


def test_two_control_nets(first: Parts) -> None:
    """Each has its image, its scale, and its part of the steps."""
    images = [control_sketch(nth).resize((72, 64)) for nth in (1, 2)]
    used = (
        control(first.core, "scribble", images[0], scale=0.6, end=0.7),
        control(first.core, "canny", images[1], scale=1.2, start=0.3),
    )
    one = recipe(first.core, *used, steps=6, width=72, height=64, **PLAIN)
    expected = theirs(
        first.core,
        one,
        StableDiffusionControlNetPipeline,
        controlnet=control_net(*first.folders.values()),
        image=images,
        controlnet_conditioning_scale=[0.6, 1.2],
        control_guidance_start=[0.0, 0.3],
        control_guidance_end=[0.7, 1.0],
    )
    assert_alike(painted(first.core, one)[0], expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_control_net_over_an_init_image(first: Parts, sampler: Sampler) -> None:
    """Start and end are shares of the steps that are run."""
    image, init = control_sketch(), sketch()
    used = control(first.core, "scribble", image, scale=0.9, start=0.2, end=0.7)
    source = Img2Img(stored(init), 0.7)
    one = recipe(first.core, used, sampler=sampler, steps=8, source=source, **PLAIN)
    expected = theirs(
        first.core,
        one,
        StableDiffusionControlNetImg2ImgPipeline,
        controlnet=control_net(first.folders["scribble"]),
        image=init,
        control_image=image,
        strength=0.7,
        controlnet_conditioning_scale=0.9,
        control_guidance_start=0.2,
        control_guidance_end=0.7,
    )
    assert_alike(painted(first.core, one)[0], expected)


@pytest.mark.parametrize("channels", [4, 9])
def test_a_control_net_for_a_part_of_a_picture(tmp_path: Path, channels: int) -> None:
    """It reads the latents alone, also where the UNet reads the mask too."""
    plain = tiny_model.save(tmp_path / "plain")
    model = tiny_model.save(tmp_path / "model", unet={"in_channels": channels})
    net = tiny_controls.save_control(tmp_path / "net", plain)
    core = controlled_core(model, ("scribble", net))
    image, used = control_sketch(), control(core, "scribble", control_sketch(), scale=0.8, end=0.7)
    one = inpainting(core, controls=(used,), strength=0.8, **PLAIN)
    expected = theirs(
        core,
        one,
        StableDiffusionControlNetInpaintPipeline,
        controlnet=control_net(net),
        image=sketch(),
        mask_image=mask(),
        control_image=image,
        strength=0.8,
        controlnet_conditioning_scale=0.8,
        control_guidance_end=0.7,
    )
    ours = painted(core, one)[0]
    assert_inpainted(ours, expected)
    assert ours.tobytes() != painted(core, inpainting(core, strength=0.8))[0].tobytes()


@pytest.mark.parametrize("strength", [None, 0.6])
def test_a_control_net_of_sdxl(xl: Parts, strength: float | None) -> None:
    """It reads the size conditions and the pooled embeddings too."""
    image, init = control_sketch(), sketch()
    used = control(xl.core, "scribble", image, scale=0.7, end=0.8)
    changes = {} if strength is None else {"source": Img2Img(stored(init), strength)}
    one = recipe(xl.core, used, steps=5, **PLAIN, **changes)
    options: dict[str, object] = {"image": image}
    pipeline_class = StableDiffusionXLControlNetPipeline
    if strength is not None:
        options = {"image": init, "control_image": image, "strength": strength}
        pipeline_class = StableDiffusionXLControlNetImg2ImgPipeline
    expected = theirs(
        xl.core,
        one,
        pipeline_class,
        controlnet=control_net(xl.folders["scribble"]),
        controlnet_conditioning_scale=0.7,
        control_guidance_end=0.8,
        **options,
    )
    assert_alike(painted(xl.core, one)[0], expected)


@pytest.mark.parametrize("kinds", [("depth",), ("openpose", "depth")])
@pytest.mark.parametrize("end", [1.0, 0.5])
def test_a_control_net_union(xl: Parts, kinds: tuple[str, ...], end: float) -> None:
    """With one control image, and with two at once."""
    images = [control_sketch(nth) for nth in range(len(kinds))]
    scales, ends = [0.7, 1.1][: len(kinds)], [end, 1.0][: len(kinds)]
    used = [
        control(xl.core, kind, image, scale=scale, end=each)
        for kind, image, scale, each in zip(kinds, images, scales, ends, strict=True)
    ]
    one = recipe(xl.core, *used, steps=5, **PLAIN)
    expected = theirs(
        xl.core,
        one,
        StableDiffusionXLControlNetUnionPipeline,
        controlnet=union(xl.folders["depth"]),
        control_image=images,
        control_mode=[{"openpose": 0, "depth": 1}[kind] for kind in kinds],
        controlnet_conditioning_scale=scales,
        control_guidance_start=[0.0] * len(kinds),
        control_guidance_end=ends,
    )
    assert_alike(painted(xl.core, one)[0], expected)


@pytest.mark.parametrize("kinds", [("lineart",), ("tile",), ("lineart", "tile")])
def test_a_t2i_adapter_of_sdxl(xl: Parts, kinds: tuple[str, ...]) -> None:
    """It reads a grey or a coloured image; or two adapters, one each."""
    images = [control_sketch(nth) for nth in range(len(kinds))]
    scales = [0.7, 1.1][: len(kinds)]
    end = 0.6 if len(kinds) == 1 else 1.0
    used = [
        control(xl.core, kind, image, scale=scale, end=end)
        for kind, image, scale in zip(kinds, images, scales, strict=True)
    ]
    one = recipe(xl.core, *used, steps=5, **PLAIN)
    read = [
        image.convert("L") if kind == "lineart" else image
        for kind, image in zip(kinds, images, strict=True)
    ]
    expected = theirs(
        xl.core,
        one,
        StableDiffusionXLAdapterPipeline,
        adapter=adapter(*(xl.folders[kind] for kind in kinds)),
        image=read[0] if len(kinds) == 1 else read,
        adapter_conditioning_scale=scales[0] if len(kinds) == 1 else scales,
        adapter_conditioning_factor=end,
    )
    assert_alike(painted(xl.core, one)[0], expected)


def test_a_t2i_adapter(tmp_path: Path) -> None:
    """Stable Diffusion 1, whose first block has attention, also beside a ControlNet."""
    model = tiny_model.save(tmp_path / "model", unet=MIRRORED)
    folder = tiny_controls.save_adapter(tmp_path / "sketch")
    net = tiny_controls.save_control(tmp_path / "net", model)
    core = controlled_core(model, ("sketch", folder), ("scribble", net))
    image = control_sketch()
    used = control(core, "sketch", image, scale=0.8)
    one = recipe(core, used, steps=4, **PLAIN)
    expected = theirs(
        core,
        one,
        StableDiffusionAdapterPipeline,
        adapter=adapter(folder),
        image=image,
        adapter_conditioning_scale=0.8,
    )
    both = recipe(core, used, control(core, "scribble", control_sketch(1)), steps=4, **PLAIN)
    ours = painted(core, one, both)
    assert_alike(ours[0], expected)
    assert ours[1].tobytes() not in {ours[0].tobytes(), painted(core, recipe(core))[0].tobytes()}
