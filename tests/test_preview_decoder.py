"""Previews by small decoders (AutoencoderTiny), and what happens without them."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny

from engine.contract import Event, Stepped
from engine.core.request import Request
from engine.device import select_device
from engine.models import preview_decoder
from engine.models.base import DiffusionModel
from engine.pipeline import preview
from engine.pipeline.preview import MAX_SIDE, DecoderPreviewer, Latent2RGB, Previewer, previewer_for
from tests.engine_parts import engine_core, job, new_engine_core, painted_images, recipe
from tests.test_stable_diffusion_xl import xl_core

VARIABLE = "IMAGINE_PREVIEW_DECODER"
OUT = "decoder.layers.18"
"""The last convolution."""


def save(folder: Path, *, channels: int = 4, bias: float | None = None) -> Path:
    """Write a decoder with random weights; with a bias, all its pixels have that level."""
    torch.manual_seed(3)
    blocks = (4, 4, 4, 4)
    network = AutoencoderTiny(
        encoder_block_out_channels=blocks,
        decoder_block_out_channels=blocks,
        latent_channels=channels,
    )
    if bias is not None:
        last = network.get_submodule(OUT)
        torch.nn.init.zeros_(last.weight)
        torch.nn.init.constant_(last.bias, bias)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def new_previewers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The previewers of the shared models are chosen again, before and after each test."""
    monkeypatch.delenv(VARIABLE, raising=False)
    preview._previewers.clear()
    preview_decoder._load_all.cache_clear()
    yield
    preview._previewers.clear()
    preview_decoder._load_all.cache_clear()


def previewer_with(monkeypatch: pytest.MonkeyPatch, names: object) -> Previewer:
    """The previewer of the tiny model with this setting."""
    monkeypatch.setenv(VARIABLE, str(names))
    return previewer_for(engine_core().model)


@pytest.mark.parametrize("model", [lambda: engine_core().model, lambda: xl_core().model])
def test_previews_are_those_of_the_decoder(
    model: Callable[[], DiffusionModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Stable Diffusion and of SDXL; the latents are those of the denoiser."""
    monkeypatch.setenv(VARIABLE, str(save(tmp_path / "tiny")))
    latents = torch.randn(4, 8, 16, generator=torch.Generator().manual_seed(1))
    image = previewer_for(model()).image(latents, 128, 64)
    network = AutoencoderTiny.from_pretrained(tmp_path / "tiny")
    with torch.inference_mode():
        expected = network.decode(latents[None]).sample[0] / 2 + 0.5
    levels = expected.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0)
    assert image.size == (128, 64)
    assert image.tobytes() == levels.contiguous().numpy().tobytes()


def test_large_previews_are_reduced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They have the aspect ratio of the image, and on a CPU fewer latents are decoded."""
    previewer = previewer_with(monkeypatch, save(tmp_path / "tiny"))
    assert isinstance(previewer, DecoderPreviewer)
    sizes: list[torch.Size] = []
    decode = previewer.decoder.decode

    def recorded(latents: torch.Tensor) -> torch.Tensor:
        sizes.append(latents.shape[2:])
        return decode(latents)

    monkeypatch.setattr(previewer.decoder, "decode", recorded)
    assert previewer.image(torch.zeros(4, 64, 96), 768, 512).size == (MAX_SIDE, 171)
    assert sizes == [(22, 32)]


def test_pictures_do_not_depend_on_the_previews(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job has the pixels that it has without the decoder, and its steps have previews."""
    plain = painted_images(job(recipe(steps=12)))
    monkeypatch.setenv(VARIABLE, str(save(tmp_path / "tiny")))
    preview._previewers.clear()
    events: list[Event] = []
    core = new_engine_core()
    core.add_request(Request(job(recipe(steps=12), previews=True), events.append))
    while core.requests:
        core.tick()
        core.postprocessor.flush()
    assert any(isinstance(event, Stepped) and event.preview for event in events)
    assert isinstance(previewer_for(core.model), DecoderPreviewer)
    assert painted_images(job(recipe(steps=12)), core)[0].sha256 == plain[0].sha256


def test_the_decoder_that_fits_best_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that restores a known image best: grey is nearer to it than white. Decoders of other
    latents are left out."""
    names = [
        save(tmp_path / "white", bias=1.0),
        save(tmp_path / "grey", bias=0.5),
        save(tmp_path / "wide", channels=16, bias=0.5),
    ]
    previewer = previewer_with(monkeypatch, ", ".join(map(str, names)))
    assert isinstance(previewer, DecoderPreviewer)
    assert previewer.decoder.name == str(tmp_path / "grey")


def truncate(folder: Path) -> None:
    """Cut its weights off."""
    file = folder / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def without_weights(folder: Path) -> None:
    """Remove its weights."""
    (folder / "diffusion_pytorch_model.safetensors").unlink()


def not_json(folder: Path) -> None:
    """Damage its configuration."""
    (folder / "config.json").write_text("{")


def with_field(field: str, value: object, folder: Path) -> None:
    """Change its configuration."""
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))


ODD_FIELDS = [
    partial(with_field, "scaling_factor", None),
    partial(with_field, "scaling_factor", "x"),
    partial(with_field, "shift_factor", None),
]


@pytest.mark.parametrize(
    "damage", [shutil.rmtree, truncate, without_weights, not_json, *ODD_FIELDS]
)
def test_a_decoder_that_cannot_be_loaded_is_left_out(
    damage: Callable[[Path], object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One sentence says so, and previews are made as without it."""
    damage(save(tmp_path / "tiny"))
    with caplog.at_level(logging.WARNING, "engine"):
        assert isinstance(previewer_with(monkeypatch, tmp_path / "tiny"), Latent2RGB)
        preview._previewers.clear()
        assert isinstance(previewer_for(engine_core().model), Latent2RGB)
    [message] = [each for each in caplog.messages if VARIABLE in each]
    assert "cannot be loaded, so previews are made without it" in message
    assert "\n" not in message


def test_models_share_the_decoders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their devices may have different numbers of threads."""
    monkeypatch.setenv(VARIABLE, str(save(tmp_path / "tiny")))
    device = select_device()
    other = replace(device, threads=device.threads + 1)
    [decoder] = preview_decoder.preview_decoders(device)
    assert preview_decoder.preview_decoders(other) == (decoder,)


@pytest.mark.parametrize("error", [TypeError, ValueError, RuntimeError, MemoryError])
def test_a_decoder_that_fails_is_left_out(
    error: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning says so, and the model is used without it."""

    def fails(*_: object) -> torch.Tensor:
        raise error("too large")

    monkeypatch.setattr(preview_decoder.PreviewDecoder, "decode", fails)
    with caplog.at_level(logging.WARNING, "engine"):
        previewer = previewer_with(monkeypatch, save(tmp_path / "tiny"))
    assert isinstance(previewer, Latent2RGB)
    assert "fails, so it is not used: too large" in caplog.text


def test_a_decoder_without_pictures_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as one whose weights are NaN."""
    with caplog.at_level(logging.WARNING, "engine"):
        previewer = previewer_with(monkeypatch, save(tmp_path / "nan", bias=float("nan")))
    assert isinstance(previewer, Latent2RGB)
    assert f"the preview decoder {tmp_path / 'nan'} gives no picture" in caplog.text


def test_latents_that_overflow_have_a_rough_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The linear map takes all values."""
    previewer = previewer_with(monkeypatch, save(tmp_path / "tiny"))
    assert isinstance(previewer, DecoderPreviewer)
    assert previewer.image(torch.full((4, 8, 8), torch.nan), 64, 64).size == (64, 64)


def test_without_the_setting_there_is_no_decoder() -> None:
    """Previews are made by the linear map."""
    assert preview_decoder.preview_decoders(select_device()) == ()
    assert isinstance(previewer_for(engine_core().model), Latent2RGB)
