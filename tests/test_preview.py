"""Previews: a linear map from latents to colours, for any VAE."""

import torch
from PIL import Image

from engine.pipeline.preview import (
    MAX_SIDE,
    Latent2RGB,
    calibration_image,
    calibration_samples,
    previewer_for,
)
from tests.engine_parts import engine_core


def linear_samples() -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of four channels that are an affine function of the colours."""
    colours = torch.rand(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    factors = torch.tensor([[2.0, -1, 0.5, 0], [0, 3, 1, 1], [-1, 0.5, 2, -2]], dtype=torch.float64)
    return colours @ factors + 0.7, colours


def test_a_linear_relation_is_fitted_exactly() -> None:
    """If latents are an affine function of colours, the preview has exactly these colours."""
    latents, colours = linear_samples()
    image = Latent2RGB(latents, colours).image(latents[:64].T.reshape(4, 8, 8), 8, 8)
    expected = (colours[:64] * 255).round().byte()
    assert image.tobytes() == expected.numpy().tobytes()


def test_a_preview_has_the_aspect_ratio_of_its_image() -> None:
    """The preview has the size of the image, but no side is longer than MAX_SIDE."""
    previewer = Latent2RGB(*linear_samples())
    assert previewer.image(torch.zeros(4, 12, 8), 64, 96).size == (64, 96)
    assert previewer.image(torch.zeros(4, 64, 128), 1024, 512).size == (MAX_SIDE, 128)


def test_latents_that_are_not_finite_give_a_preview() -> None:
    """A preview of a failing image raises no error."""
    latents = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30])
    previewer = Latent2RGB(*linear_samples())
    assert previewer.image(latents.reshape(4, 1, 1).expand(4, 2, 2), 16, 16).size == (16, 16)


def test_the_calibration_image_covers_the_colours() -> None:
    """Red, green and blue each have values near 0 and near 255."""
    levels = calibration_image().tobytes()
    assert all(min(levels[band::3]) <= 10 and max(levels[band::3]) >= 245 for band in range(3))


def test_each_latent_pixel_is_paired_with_its_colour() -> None:
    """Rows and columns are not transposed."""
    image = Image.new("RGB", (32, 16), (255, 0, 0))
    image.paste((0, 0, 255), (24, 0, 32, 16))
    latents = torch.arange(8.0).reshape(1, 1, 2, 4)
    samples, colours = calibration_samples(image, latents)
    assert samples.flatten().tolist() == list(range(8))
    assert colours[3].tolist() == colours[7].tolist() == [0, 0, 1]
    assert colours[2].tolist() == colours[4].tolist() == [1, 0, 0]


def test_a_previewer_is_fitted_to_a_loaded_model() -> None:
    """Fitting needs no constants of the model family."""
    model = engine_core().model
    latents = torch.zeros(model.latent_shape(64, 64))[0]
    assert previewer_for(model).image(latents, 64, 64).size == (64, 64)
