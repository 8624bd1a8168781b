"""The further training of the starter's decoder, on latents as its models paint them."""

import random
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from engine.starter import decoder
from engine.starter.autoencoder import CHANNELS, new_autoencoder
from engine.starter.dataset import RenderedScenes
from engine.starter.denoiser import TextConditioner
from engine.starter.export import MODEL_FOLDER, load_ema_checkpoint, save_decoder
from engine.starter.few_steps import STEPS, new_few_step_scheduler
from engine.starter.scenes import Scene, Thing, draw_scene
from engine.starter.thing_weights import THING_WEIGHT
from engine.starter.trainer import TrainingConfig
from tests.tiny_painter import tiny_painter

SINGLE = Scene((Thing("robot", "green"),), "snow", "night")
SIZE = 32
CONFIG = TrainingConfig(steps=3, rate=1e-2, warmup=1, average=0.5, batch=1)


@pytest.fixture(scope="module")
def painter() -> TextConditioner:
    """A painter with random weights, which the tests do not change."""
    return tiny_painter()


@pytest.fixture(autouse=True)
def one_step_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One step of the discriminator alone."""
    monkeypatch.setattr(decoder, "DISCRIMINATOR_STEPS", 1)


def rendered() -> RenderedScenes:
    """Two small pictures."""
    rng = random.Random(1)
    pictures = [np.asarray(draw_scene(SINGLE, (SIZE, SIZE), rng)) for _ in range(2)]
    return RenderedScenes([SINGLE] * 2, torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))


def untrained() -> AutoencoderKL:
    """A VAE with the same random weights each time."""
    torch.manual_seed(5)
    return new_autoencoder()


class Interruption(Exception):
    """Stops a training."""


def trained(painter: TextConditioner, folder: Path, stop_at: int | None = None) -> AutoencoderKL:
    """A VAE after a training of its decoder that is resumed before step `stop_at`."""
    vae = untrained()
    calls = iter(range(100))

    def stop(_module: nn.Module, _inputs: object) -> None:
        if next(calls) == stop_at:
            raise Interruption

    vae.decoder.register_forward_pre_hook(stop)
    torch.manual_seed(6)  # for the discriminator
    parts, device = [rendered()], torch.device("cpu")
    try:
        decoder.train_decoder(vae, [painter], parts, CONFIG, folder, device, save_every=0.0)
    except Interruption:
        return trained(painter, folder)
    return vae


def test_only_the_decoder_is_trained(painter: TextConditioner, tmp_path: Path) -> None:
    """The encoder keeps its weights, and with them the latents their meaning."""
    before, after = untrained().state_dict(), trained(painter, tmp_path).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed >= {"decoder.conv_in.weight", "decoder.conv_out.weight"}
    assert {name.split(".")[0] for name in changed} == {"decoder", "post_quant_conv"}


def test_a_resumed_training_equals_an_uninterrupted_one(
    painter: TextConditioner, tmp_path: Path
) -> None:
    """The discriminator is resumed, too."""
    whole = trained(painter, tmp_path / "whole").state_dict()
    resumed = trained(painter, tmp_path / "resumed", stop_at=2).state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    states = [
        torch.load(tmp_path / name / "decoder.pt", weights_only=True)["module"]
        for name in ("whole", "resumed")
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_the_trained_decoder_is_saved(painter: TextConditioner, tmp_path: Path) -> None:
    """The averages of the checkpoint become the weights of the model folder, in half precision."""
    trained(painter, tmp_path)
    vae = untrained()
    load_ema_checkpoint(tmp_path / "decoder.pt", decoder.trained_parts(vae))
    weights = {name: value.half().float() for name, value in vae.state_dict().items()}
    save_decoder(vae, tmp_path)
    saved = AutoencoderKL.from_pretrained(tmp_path / MODEL_FOLDER / "vae").state_dict()
    assert saved.keys() == weights.keys()
    assert all(torch.equal(saved[name].float(), weights[name]) for name in saved)


def test_noise_follows_the_posterior() -> None:
    """It has at most NOISE_RANGE times its deviation, and another level for each picture."""
    vae, pictures = untrained(), torch.zeros(2, 3, 64, 64)
    latents = decoder.noisy_latents(vae, pictures, torch.Generator().manual_seed(1))
    with torch.no_grad():
        posterior = vae.encode(pictures).latent_dist
    levels = ((latents - posterior.mean) / posterior.std).std(dim=(1, 2, 3))
    assert (levels < decoder.NOISE_RANGE * 1.2).all()
    assert levels[0] != pytest.approx(levels[1].item(), rel=0.05)


class Oracle(nn.Module):
    """Predicts the noise that was added to these latents."""

    def __init__(self, latents: Tensor) -> None:
        super().__init__()
        scheduler = new_few_step_scheduler()
        scheduler.set_timesteps(STEPS)
        self._sigmas = dict(zip(scheduler.timesteps.tolist(), scheduler.sigmas, strict=False))
        self._latents = latents

    def forward(self, scaled: Tensor, timestep: Tensor, _embeds: Tensor) -> SimpleNamespace:
        sigma = self._sigmas[timestep.item()]
        noisy = scaled * (sigma.square() + 1).sqrt()
        return SimpleNamespace(sample=(noisy - self._latents) / sigma)


@pytest.mark.parametrize("seed", range(4))
def test_a_perfect_painter_repaints_the_same(painter: TextConditioner, seed: int) -> None:
    """Whether it does one of the student's steps or two."""
    latents = torch.randn(2, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(1))
    perfect = TextConditioner(painter.tokenizer, painter.text_encoder, Oracle(latents))
    generator = torch.Generator().manual_seed(seed)
    repainted = decoder.repainted(perfect, latents, [SINGLE] * 2, generator)
    torch.testing.assert_close(repainted, latents, atol=1e-4, rtol=1e-4)


def test_errors_weigh_more_where_the_things_are() -> None:
    """A wrong pixel there costs THING_WEIGHT times as much as elsewhere; no error costs nothing."""
    pictures, weights = torch.zeros(1, 3, 64, 64), torch.ones(1, 8, 8)
    weights[0, 2, 5] = THING_WEIGHT
    losses = []
    for row, column in ((20, 44), (44, 20)):
        decoded = pictures.clone()
        decoded[..., row, column] = 1.0
        losses.append(decoder.weighted_loss(decoded, pictures, weights).item())
    assert losses[0] == pytest.approx(THING_WEIGHT * losses[1], rel=0.02)
    assert decoder.weighted_loss(pictures, pictures, weights) == 0


def test_the_discriminator_has_a_logit_for_each_latent_pixel() -> None:
    """Also in pictures that are not square."""
    logits = decoder.PatchDiscriminator()(torch.zeros(2, 3, 96, 64))
    assert logits.shape == (2, 12, 8)
