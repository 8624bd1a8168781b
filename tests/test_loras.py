"""LoRAs: the pictures of diffusers' own pipelines, and mixed company."""

import copy
import gc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from engine.bench.backends import pipeline_of
from engine.contract import Adapter, PromptFormat, Recipe
from engine.core.engine_core import EngineCore
from engine.steering.adapter_store import AdapterStore
from engine.steering.lora_weights import LoraWeights
from engine.weights.loras import find_loras
from tests import tiny_model
from tests.diffusers_pipeline import assert_alike, text_image
from tests.engine_parts import (
    failure_reason,
    job,
    load_engine_core,
    painted_images,
    recipe,
    rendered_images,
)
from tests.lora_files import save_diffusers, save_kohya, save_peft

_HOME: Final = TemporaryDirectory()
MODELS: Final = {"sd": tiny_model.save, "xl": tiny_model.save_xl}
WRITERS: Final[dict[str, Callable[[Path, Path], Path]]] = {
    "kohya": save_kohya,
    "locon": lambda path, model: save_kohya(path, model, seed=3, text=False, mid=True, alpha=4.0),
    "unet-only": lambda path, model: save_kohya(path, model, seed=4, text=False, alpha=1.0),
    "peft": save_peft,
    "diffusers": save_diffusers,
}


@cache
def model_folder(model: str) -> Path:
    """The folder of a tiny model."""
    return MODELS[model](Path(_HOME.name) / model)


@cache
def lora_folder(model: str) -> Path:
    """A folder with a LoRA of each writer for a model."""
    folder = Path(_HOME.name) / f"{model}-loras"
    folder.mkdir()
    for name, write in WRITERS.items():
        write(folder / f"{name}.safetensors", model_folder(model))
    return folder


@cache
def core(model: str) -> EngineCore:
    """An engine core with a tiny model and its LoRAs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGINE_LORAS", str(lora_folder(model)))
        return load_engine_core(str(model_folder(model)))


def adapted(model: str, **scales: float) -> dict[str, Any]:
    """The adapters of a recipe."""
    card = core(model).model.card
    adapters = tuple(card.adapter(name.replace("_", "-"), scale) for name, scale in scales.items())
    return {"adapters": adapters}


@cache
def pipeline(model: str) -> Any:  # noqa: ANN401 - has no type
    """diffusers' pipeline with all of the LoRAs that it can load."""
    loaded = DiffusionPipeline.from_pretrained(model_folder(model), safety_checker=None)
    loaded.set_progress_bar_config(disable=True)
    for name in WRITERS.keys() - {"locon"}:
        with warnings.catch_warnings(action="ignore"):  # of peft, about several adapters
            loaded.load_lora_weights(
                lora_folder(model), weight_name=f"{name}.safetensors", adapter_name=name
            )
    return loaded


def diffusers_picture(model: str, recipe: Recipe) -> Image.Image:
    """That of diffusers' pipeline with `set_adapters`."""
    painter = pipeline(model)
    scales = {adapter.name: adapter.scale for adapter in recipe.adapters}
    painter.set_adapters(list(scales), list(scales.values()))
    return text_image(painter, recipe)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "scales",
    [
        {"kohya": 0.8},
        {"peft": 1.0},
        {"diffusers": 0.9},
        {"unet_only": -0.7},
        {"kohya": 0.5, "peft": 0.4, "unet_only": 0.3},
    ],
    ids=str,
)
def test_pictures_are_those_of_diffusers(model: str, scales: dict[str, float]) -> None:
    """Linear layers and convolutions of the UNet, and text encoders; several at once add up."""
    painted = recipe(core(model), **adapted(model, **scales))
    [ours] = rendered_images(job(painted), core(model))
    assert_alike(ours, diffusers_picture(model, painted))
    [plain] = rendered_images(job(recipe(core(model))), core(model))
    with pytest.raises(AssertionError):
        assert_alike(ours, plain)


MIXED: Final[list[dict[str, float]]] = [
    {},
    {"kohya": 0.8},
    {"peft": 1.0, "kohya": -0.4},
    {"unet_only": 1.5},
]
"""The scales of the LoRAs of the pictures of a batch."""


@pytest.mark.parametrize("model", MODELS)
def test_company_changes_no_bit(model: str) -> None:
    """Pictures without LoRAs, with different ones and with several share batches, and each has the
    bits that it has alone; so has a plain picture that never had such company."""
    engine = core(model)
    recipes = [
        recipe(engine, seed=nth, row_class=8, **adapted(model, **scales))
        for nth, scales in enumerate(MIXED)
    ]
    mixed = [image.sha256 for image in painted_images(job(*recipes), engine)]
    alone = [painted_images(job(each), engine)[0].sha256 for each in reversed(recipes)]
    assert mixed == alone[::-1]
    assert len(set(mixed)) == len(mixed)
    without = load_engine_core(str(model_folder(model)))
    [plain] = painted_images(job(recipes[0]), without)
    assert plain.sha256 == mixed[0]


def test_long_prompts_and_clip_skip_have_adapted_encodings() -> None:
    """A prompt of several chunks, and the layers before the last one, see the text encoder's LoRA;
    the encoding of the same prompt without it stays."""
    engine = core("sd")
    options = {"prompt": "a red house, " * 12, "prompt_format": PromptFormat.A1111, "clip_skip": 2}
    plain, with_text, with_unet_only = (
        recipe(engine, **options, **adapted("sd", **scales))
        for scales in ({}, {"kohya": 1.0}, {"unet_only": 1.0})
    )

    def encoded(painted: Recipe) -> torch.Tensor:
        chunks = engine.model.text_chunks(painted)
        return engine.model.encode_prompt(painted, chunks)["encoder_hidden_states"]

    embeds = [encoded(each) for each in (plain, with_text, with_unet_only)]
    assert not torch.allclose(embeds[1], embeds[0], atol=1e-3)
    assert torch.equal(embeds[2], embeds[0])
    assert torch.equal(encoded(plain), embeds[0])


def merged_picture(recipe: Recipe, file: Path) -> Image.Image:
    """That of diffusers' pipeline after the products of a LoRA of kohya's format, with an alpha of
    its rank, were added to the weights of its UNet."""
    painter = DiffusionPipeline.from_pretrained(model_folder("sd"), safety_checker=None)
    tensors = load_file(file)
    for path, layer in painter.unet.named_modules():
        name = f"lora_unet_{path.replace('.', '_')}"
        if f"{name}.lora_up.weight" not in tensors:
            continue
        up, down = (tensors[f"{name}.lora_{role}.weight"].float() for role in ("up", "down"))
        mid = tensors.get(f"{name}.lora_mid.weight")
        if mid is None:
            layer.weight.data += (up.flatten(1) @ down.flatten(1)).view_as(layer.weight)
        else:
            layer.weight.data += torch.einsum(
                "or,rsxy,si->oixy", up[:, :, 0, 0], mid.float(), down[:, :, 0, 0]
            )
    return text_image(painter, recipe)


def test_convolutions_of_three_tensors() -> None:
    """LoCon's `lora_mid`, which diffusers does not load, is as if merged into the weights."""
    painted = recipe(core("sd"), **adapted("sd", locon=1.0))
    [ours] = rendered_images(job(painted), core("sd"))
    assert_alike(ours, merged_picture(painted, lora_folder("sd") / "locon.safetensors"))


def test_layers_are_plain_until_a_lora_is_used() -> None:
    """A model whose LoRAs are only listed is as one without; afterwards, the network of plain
    pictures can still be recorded, and computes the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGINE_LORAS", str(lora_folder("sd")))
        engine = load_engine_core(str(model_folder("sd")))
    unet = pipeline_of(engine.model).unet
    assert not any("forward" in vars(module) for module in unet.modules())
    inputs = torch.randn(2, 4, 8, 8), torch.tensor([5, 5]), torch.randn(2, 24, 32)
    with torch.inference_mode():
        before = unet(*inputs)[0]
        adapters = adapted("sd", kohya=1.0)
        painted_images(job(recipe(engine, **adapters)), engine)
        assert any("forward" in vars(module) for module in unet.modules())
        assert torch.equal(unet(*inputs)[0], before)
        traced = torch.jit.trace(unet, inputs, check_trace=False, strict=False)
        assert torch.equal(traced(*inputs)["sample"], before)


def test_weights_move_with_the_model() -> None:
    """Their memory counts as the model's, and the pictures are the same afterwards."""
    engine = core("sd")
    painted = job(recipe(engine, **adapted("sd", kohya=0.8)))
    [before] = painted_images(painted, engine)
    size = engine.model.memory_bytes
    engine.model.to_host()
    engine.model.to_device()
    [after] = painted_images(painted, engine)
    assert after.sha256 == before.sha256
    assert engine.model.memory_bytes == size > 0


def store(cache_bytes: int) -> AdapterStore:
    """The LoRAs of a model whose weights are kept up to this size."""
    painter = pipeline_of(core("sd").model)
    components = {name: copy.deepcopy(getattr(painter, name)) for name in ("unet", "text_encoder")}
    own = AdapterStore(components, core("sd").model.device, cache_bytes)
    own.offer(find_loras([lora_folder("sd")]), "tiny")
    return own


def test_weights_are_loaded_once_and_not_leaked() -> None:
    """While an image has them they are shared, and after a hundred loads none are left."""
    own = store(cache_bytes=0)
    [kohya] = adapted("sd", kohya=1.0)["adapters"]
    first, second = own.images([kohya]), own.images([kohya])
    assert first is not None
    assert second is not None
    assert first.loras[0][0] is second.loras[0][0]
    assert own.bytes == first.loras[0][0].bytes > 0
    del first, second
    for _ in range(100):
        own.images([kohya])
    gc.collect()
    assert own.bytes == 0


def test_models_of_one_family_share_weights() -> None:
    """Each tensor of a file is in memory once, as long as they have it on the same device; one that
    moves leaves the others what they have."""
    [kohya] = adapted("sd", kohya=1.0)["adapters"]
    stores = [store(cache_bytes=0) for _ in range(2)]
    images = [own.images([kohya]) for own in stores]
    first, second = (each.loras[0][0] for each in images if each is not None)
    assert first is not second, "each model has layers of its own"
    pointers = [pointers_of(weights) for weights in (first, second)]
    assert pointers[0] == pointers[1]
    first.move(torch.device("meta"))
    assert pointers_of(second) == pointers[1]
    first_tensors = [tensor for layer in first.layers.values() for tensor in layer.tensors]
    assert {tensor.device.type for tensor in first_tensors} == {"meta"}
    second.move(torch.device("meta"))
    second_tensors = [tensor for layer in second.layers.values() for tensor in layer.tensors]
    assert all(a is b for a, b in zip(first_tensors, second_tensors, strict=True))


def pointers_of(weights: LoraWeights) -> list[int]:
    """Where the tensors of a LoRA lie in memory."""
    return [tensor.data_ptr() for layer in weights.layers.values() for tensor in layer.tensors]


def test_threads_load_weights_once() -> None:
    """Even if all of them need them at the same time."""
    own = store(cache_bytes=2**30)
    [kohya] = adapted("sd", kohya=1.0)["adapters"]
    with ThreadPoolExecutor(4) as threads:
        images = list(threads.map(own.images, [[kohya]] * 8))
    loaded = {each.loras[0][0] for each in images if each is not None}
    assert [weights.bytes for weights in loaded] == [own.bytes]


def test_the_least_recently_used_weights_are_dropped() -> None:
    """Beyond the size of the cache; the others stay."""
    names = ("kohya", "peft", "unet-only")
    cards = core("sd").model.card
    sizes = []
    for name in names:
        alone = store(cache_bytes=2**30)
        alone.images([cards.adapter(name, 1.0)])
        sizes.append(alone.bytes)
    own = store(cache_bytes=sum(sizes[1:]))
    for name in names:
        own.images([cards.adapter(name, 1.0)])
    gc.collect()
    assert own.bytes == sum(sizes[1:])


def test_an_unknown_lora_fails_its_job() -> None:
    """The sentence names it, and the model; so does that about another revision."""
    engine = core("sd")
    other = Adapter(name="ink", revision="0" * 64)
    reason = failure_reason(job(recipe(engine, adapters=(other,))), engine)
    assert reason.startswith("This picture needs the LoRA ink, which is not here for the model")
    changed = Adapter(name="kohya", revision="0" * 64)
    reason = failure_reason(job(recipe(engine, adapters=(changed,))), engine)
    assert "This picture needs the LoRA kohya (000000000000); here is another one" in reason
