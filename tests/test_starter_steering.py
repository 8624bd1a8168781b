"""The training of what steers the starter: its data, its steps and its files."""

import copy
import importlib.util
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    StableDiffusionControlNetPipeline,
)
from safetensors import safe_open
from torch import nn

from engine.starter.dataset import to_range
from engine.starter.denoiser import TextConditioner
from engine.starter.scene_classifier import SceneClassifier
from engine.starter.scenes import Generators, draw_scene, draw_scene_with
from engine.starter.steering import data
from engine.starter.steering.batches import SteeringSampler
from engine.starter.steering.control import control_image, new_scribble_control, train_scribble
from engine.starter.steering.data import Part, render_chunk
from engine.starter.steering.decoded_latents import search_latents
from engine.starter.steering.low_rank import Lora, save_diffusers, save_kohya
from engine.starter.steering.measures import has_style, lines_followed
from engine.starter.steering.scribbles import scribble
from engine.starter.steering.style_classifier import style_classifier
from engine.starter.steering.style_loras import LORA_FOLDER, save_style, styled_parts, train_style
from engine.starter.steering.styles import STYLES, TRIGGERS
from tests import untrained_starter
from tests.untrained_starter import CONFIG, CPU, PAIR, SIZE, pipeline_of, predicted


@pytest.fixture(scope="module")
def model() -> TextConditioner:
    """The starter's architecture with random weights, which tests copy before they train."""
    return untrained_starter.new_model()


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    """A VAE with random weights."""
    return untrained_starter.new_vae()


@pytest.fixture(scope="module")
def part(vae: AutoencoderKL) -> Part:
    """Six small scenes, encoded."""
    return untrained_starter.six_scenes(vae)


def test_separate_generators_change_one_part_only() -> None:
    """Another time of day leaves the ground's details and the things where they are."""
    night = replace(PAIR, time="night")
    day, dark = (
        np.asarray(draw_scene_with(scene, (128, 128), Generators.separate("7")), dtype=int)
        for scene in (PAIR, night)
    )
    same = (np.abs(day - dark).sum(axis=-1) == 0)[60:110]
    assert same.any(axis=1).sum() > 20
    assert (np.abs(day - dark).sum(axis=-1) > 60)[:30].mean() > 0.95


def test_a_shared_generator_draws_as_before() -> None:
    """`draw_scene` takes all details from one generator, in the order of the parts."""
    drawn = draw_scene(PAIR, SIZE, random.Random(1))
    again = draw_scene_with(PAIR, SIZE, Generators.shared(random.Random(1)))
    assert drawn.tobytes() == again.tobytes()


def test_scribbles_are_deterministic_and_on_the_edges_of_their_scene() -> None:
    """Most lines are near an edge of the picture, and more so than of another picture."""
    own, others = [], []
    picture = draw_scene_with(PAIR, (128, 128), Generators.separate("s"))
    other = np.asarray(draw_scene_with(PAIR, (128, 128), Generators.separate("t")))
    for seed in range(12):
        first, again = (
            scribble(PAIR, picture, Generators.separate("s"), random.Random(seed)) for _ in range(2)
        )
        assert first.shape == (128, 128)
        assert (first == again).all()
        if first.any():
            own.append(lines_followed(np.asarray(picture), first))
            others.append(lines_followed(other, first))
    assert np.mean(own) > 0.75
    assert np.mean(own) > np.mean(others) + 0.15


@pytest.mark.parametrize("style", STYLES)
def test_styles_are_recognised(style: str) -> None:
    """Each style is told from plain renderings and from the other style."""
    picture = draw_scene_with(PAIR, (128, 128), Generators.separate("u"))
    styled = {name: np.asarray(restyle(picture)) for name, restyle in STYLES.items()}
    assert [name for name in STYLES if has_style(style, styled[name])] == [style]
    assert not has_style(style, np.asarray(picture))


def test_rendered_chunks_are_deterministic() -> None:
    """The seed determines pictures, scribbles, tokens and labels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "CHUNK", 2)
        first, again, other = (render_chunk(0, size=SIZE, seed=seed) for seed in (1, 1, 2))
    assert all((first[name] == again[name]).all() for name in first)
    assert (first["latents"] != other["latents"]).any()


def test_a_batch_is_determined_by_its_generator(part: Part) -> None:
    """Noise and rows are equal for equal generators."""
    sampler = SteeringSampler([part], "latents", ("scribbles",), 3, CPU)
    first, again = (sampler.sample(torch.Generator().manual_seed(9)) for _ in range(2))
    assert torch.equal(first.noisy, again.noisy)
    assert torch.equal(first.rows["scribbles"], again.rows["scribbles"])


def test_the_control_net_loads_in_diffusers(
    tmp_path: Path, model: TextConditioner, vae: AutoencoderKL, part: Part
) -> None:
    """An untrained one has no effect; a trained one paints in diffusers' pipeline."""
    control = new_scribble_control(model.unet)
    pipeline = pipeline_of(model, vae)
    before = control.state_dict()["controlnet_mid_block.weight"].clone()
    assert not before.any()
    train_scribble(copy.deepcopy(model), control, [part], CONFIG, tmp_path, CPU)
    control.half().save_pretrained(tmp_path / "scribble")
    assert sum(file.stat().st_size for file in (tmp_path / "scribble").iterdir()) < 6e6
    loaded = ControlNetModel.from_pretrained(tmp_path / "scribble", use_safetensors=True)
    assert loaded.state_dict()["controlnet_mid_block.weight"].any()
    painter = StableDiffusionControlNetPipeline(**pipeline.components, controlnet=loaded)
    lines = control_image(part["scribbles"][:1])
    painted = painter("a cat", lines, num_inference_steps=1, output_type="np").images
    assert painted.shape == (1, 64, 64, 3)


def test_searched_latents_decode_more_closely(vae: AutoencoderKL, part: Part) -> None:
    """Steps of the search lower the error of the decoded picture."""
    pictures = part["pencil_pictures"]
    errors = []
    for steps in (0, 4):
        latents = search_latents(vae, pictures, CPU, steps).float()
        with torch.no_grad():
            errors.append((vae.decode(latents).sample - to_range(pictures)).abs().mean().item())
    assert errors[1] < errors[0]


def random_lora(model: TextConditioner) -> tuple[Lora, TextConditioner]:
    """A LoRA with random values, and a copy of the model with it."""
    torch.manual_seed(8)
    lora = Lora(model.unet)
    for parameter in lora.parameters():
        nn.init.normal_(parameter, std=0.05)
    changed = copy.deepcopy(model)
    lora.attach(changed.unet)
    return lora, changed


@pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="diffusers needs peft")
@pytest.mark.parametrize("save", [save_diffusers, save_kohya])
def test_a_lora_loads_in_diffusers(
    tmp_path: Path, model: TextConditioner, vae: AutoencoderKL, save: type
) -> None:
    """Loaded by diffusers, it changes the UNet as in training, in either format."""
    lora, changed = random_lora(model)
    save(lora, tmp_path / "style.safetensors", {})
    painter = pipeline_of(model, vae)
    painter.load_lora_weights(tmp_path, weight_name="style.safetensors")
    wanted, found = predicted(changed.unet), predicted(painter.unet)
    assert torch.allclose(wanted, found, atol=2e-2)
    assert not torch.allclose(wanted, predicted(model.unet), atol=5e-2)


@pytest.mark.parametrize("style", STYLES)
def test_a_trained_style_is_stored_with_its_trigger(
    tmp_path: Path, model: TextConditioner, vae: AutoencoderKL, part: Part, style: str
) -> None:
    """The file is small, and its metadata names trigger and architecture; a resumed training
    returns the same LoRA."""
    styled = styled_parts(style, [part], vae, CPU)
    lora, again = (train_style(style, model, styled, CONFIG, tmp_path, CPU) for _ in range(2))
    assert all(
        torch.equal(a, b) for a, b in zip(lora.parameters(), again.parameters(), strict=True)
    )
    save_style(style, lora, tmp_path, 6)
    file = tmp_path / LORA_FOLDER / f"{style}.safetensors"
    assert file.stat().st_size < 1e6
    with safe_open(file, "pt") as stored:
        metadata, keys = stored.metadata(), list(stored.keys())
    assert metadata["modelspec.trigger_phrase"] == TRIGGERS[style]
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    start = "lora_unet_" if style == "neon" else "unet."
    assert all(key.startswith(start) for key in keys)
    assert not any(name.endswith("parametrizations") for name, _ in model.unet.named_modules())


def test_a_classifier_of_styled_renderings_is_trained_once(tmp_path: Path) -> None:
    """It begins with the weights that it is given, changes them, and is read the second time."""
    torch.manual_seed(0)
    classifier, unread = SceneClassifier(), SceneClassifier()
    before = copy.deepcopy(classifier.state_dict())
    trained = style_classifier("neon", classifier, tmp_path, CPU, count=3, config=CONFIG)
    assert any(not before[name].equal(tensor) for name, tensor in trained.state_dict().items())
    read = style_classifier("neon", unread, tmp_path, CPU)
    assert all(read.state_dict()[name].equal(t) for name, t in trained.state_dict().items())
