"""The training of the starter's image adapter, its steps and its files."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch.nn import functional as F

from engine.starter.caption_tokens import tokens_of
from engine.starter.denoiser import TextConditioner
from engine.starter.steering import adapter_training
from engine.starter.steering.adapter_training import (
    Teachers,
    train_attention,
    train_predictions,
)
from engine.starter.steering.data import Part
from engine.starter.steering.examples import labels, plain_caption, scene_of
from engine.starter.steering.image_adapter import (
    ADAPTER_FILE,
    ADAPTER_FOLDER,
    EMBEDDING,
    ImageAdapter,
    codes,
    save_image_adapter,
    train_image_encoder,
)
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


def test_labels_determine_the_scene() -> None:
    """A scene has the same classes as the one made from its classes, with one thing or two; a code
    shows all six."""
    for scene in (PAIR, replace(PAIR, things=PAIR.things[:1], time="sunset")):
        classes = labels(scene)
        assert scene_of(classes.tolist()) == scene
        [code] = codes(torch.from_numpy(classes)[None])
        assert code.shape == (EMBEDDING,)
        assert code.count_nonzero() == len(classes)
    assert plain_caption(PAIR) == "a red cat to the left of a blue house on the grass by day"


@pytest.fixture(autouse=True)
def _few_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter_training, "RECORDS", 32)


def adapter_of(model: TextConditioner, folder: Path | None = None) -> tuple[ImageAdapter, Teachers]:
    """An adapter in the model's UNet and in a copy of it, and its teachers."""
    unets = [model.unet, copy.deepcopy(model.unet)]
    adapter = ImageAdapter(unets, folder)
    return adapter, Teachers(model.tokenizer, model.text_encoder, unets)


def test_the_image_adapter_loads_in_diffusers(
    tmp_path: Path, model: TextConditioner, vae: AutoencoderKL, part: Part
) -> None:
    """The loaded adapter gives the noise prediction of the trained one."""
    trained = copy.deepcopy(model)
    adapter, teachers = adapter_of(trained)
    train_image_encoder(adapter, [part], CONFIG, tmp_path, CPU)
    train_attention(teachers, adapter, [part], CONFIG, tmp_path, CPU)
    train_predictions(teachers, adapter, [part], CONFIG, tmp_path, CPU)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    save_image_adapter(adapter, tmp_path)
    folder = tmp_path / ADAPTER_FOLDER
    assert sum(file.stat().st_size for file in folder.rglob("*.safetensors")) < 3.2e6
    painter = pipeline_of(model, vae)
    painter.load_ip_adapter(folder, subfolder="", weight_name=ADAPTER_FILE, local_files_only=True)
    adapter.float()
    with torch.no_grad():
        embeds = adapter.embeds(pixels)
        loaded = painter.image_encoder(pixels).image_embeds
        assert torch.allclose(embeds, loaded, atol=1e-3)
        predictions = [
            unet(
                torch.ones(1, 8, 8, 8),
                torch.tensor([500]),
                torch.ones(1, 48, 128),
                added_cond_kwargs={"image_embeds": [embeds[:, None]]},
            ).sample
            for unet in (trained.unet, painter.unet)
        ]
    assert torch.allclose(predictions[0], predictions[1], atol=2e-2)
    example = Image.new("RGB", (80, 60), "red")
    images = painter("", ip_adapter_image=example, num_inference_steps=1, height=64, width=64)
    assert images.images[0].size == SIZE


def test_an_image_adapter_is_trained_further(tmp_path: Path, model: TextConditioner) -> None:
    """One that begins with stored weights paints as they do, in each of its UNets."""
    adapter, before = adapter_of(copy.deepcopy(model))
    save_image_adapter(adapter, tmp_path)
    _, teachers = adapter_of(copy.deepcopy(model), tmp_path)
    embeds = torch.randn(1, EMBEDDING, generator=torch.Generator().manual_seed(3))
    wanted = predicted(before.unets[0], embeds)
    assert not torch.allclose(wanted, predicted(model.unet), atol=1e-3)
    assert all(torch.allclose(predicted(u, embeds), wanted, atol=1e-3) for u in teachers.unets)


def test_an_empty_embedding_has_no_effect(model: TextConditioner) -> None:
    """With the embedding 0, which pipelines use for the negative prompt, the UNet predicts what it
    does without the adapter; other embeddings change that."""
    _, teachers = adapter_of(copy.deepcopy(model))
    plain = predicted(model.unet)
    assert torch.allclose(predicted(teachers.unets[0], torch.zeros(1, EMBEDDING)), plain, atol=1e-5)
    assert not torch.allclose(predicted(teachers.unets[0], torch.ones(1, EMBEDDING)), plain)


def test_an_adapter_learns_what_captions_do(
    tmp_path: Path, model: TextConditioner, part: Part
) -> None:
    """Either training brings the noise predictions with an example nearer to those with the
    caption, of both UNets."""
    adapter, teachers = adapter_of(copy.deepcopy(model))
    config = replace(CONFIG, steps=14, batch=6)
    pixels = (part["examples"][:1, 0].float() / 255 - 0.5) / 0.25
    [classes] = part["labels"][:1, 0].tolist()
    texts = tokens_of(teachers.tokenizer, [plain_caption(scene_of(classes)), ""])
    caption, empty = teachers.text_encoder(texts).last_hidden_state.detach().split(1)

    def errors(embeds: torch.Tensor) -> list[float]:
        nothing = torch.zeros_like(embeds)
        return [
            F.mse_loss(predicted(u, embeds, empty), predicted(u, nothing, caption)).item()
            for u in teachers.unets
        ]

    trainings = (
        (train_attention, 3e-3, codes(part["labels"][:1, 0])),
        (train_predictions, 3e-4, adapter.embeds(pixels).detach()),
    )
    for train, rate, embeds in trainings:
        before = errors(embeds)
        train(teachers, adapter, [part], replace(config, rate=rate), tmp_path, CPU)
        assert all(new < old for new, old in zip(errors(embeds), before, strict=True))
