"""Previews: colours out of latents, for any autoencoder."""

import torch
from PIL import Image

from engine.pipeline.preview import LONGEST_SIDE, Previews, calibration, fitted, samples
from tests.engine_parts import painter


def linear() -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of four channels that depend on colours in a straight way."""
    colours = torch.rand(500, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mixing = torch.tensor([[2.0, -1, 0.5, 0], [0, 3, 1, 1], [-1, 0.5, 2, -2]], dtype=torch.float64)
    return colours @ mixing + 0.7, colours


def test_colours_are_found_again() -> None:
    """Where latents depend on colours in a straight way, the preview has the colours."""
    latents, colours = linear()
    some = latents[:64].T.reshape(4, 8, 8)
    picture = Previews(latents, colours).picture(some, 8, 8)
    wanted = (colours[:64] * 255).round().byte()
    assert picture.tobytes() == wanted.numpy().tobytes()


def test_a_preview_has_the_shape_of_its_picture() -> None:
    """As large as the picture, but no side longer than LONGEST_SIDE."""
    made = Previews(*linear())
    assert made.picture(torch.zeros(4, 12, 8), 64, 96).size == (64, 96)
    assert made.picture(torch.zeros(4, 64, 128), 1024, 512).size == (LONGEST_SIDE, 128)


def test_wild_numbers_are_no_trouble() -> None:
    """A preview of what has gone wrong is a picture all the same."""
    wild = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30])
    picture = Previews(*linear()).picture(wild.reshape(4, 1, 1).expand(4, 2, 2), 16, 16)
    assert picture.size == (16, 16)


def test_the_calibration_covers_all_colours() -> None:
    """Dark and light of red, green and blue are all in it."""
    levels = calibration().tobytes()
    assert all(min(levels[band::3]) <= 10 and max(levels[band::3]) >= 245 for band in range(3))


def test_each_latent_pixel_is_paired_with_the_colour_under_it() -> None:
    """Rows and columns are not swapped."""
    picture = Image.new("RGB", (32, 16), (255, 0, 0))
    picture.paste((0, 0, 255), (24, 0, 32, 16))
    latents = torch.arange(8.0).reshape(1, 1, 2, 4)
    numbers, colours = samples(picture, latents)
    assert numbers.flatten().tolist() == list(range(8))
    assert colours[3].tolist() == colours[7].tolist() == [0, 0, 1]
    assert colours[2].tolist() == colours[4].tolist() == [1, 0, 0]


def test_a_model_gets_previews_of_its_own() -> None:
    """They are fitted when it is loaded, with no constants of any model."""
    shape = painter().model.latent_shape(64, 64)
    picture = fitted(painter().model).picture(torch.zeros(shape)[0], 64, 64)
    assert picture.size == (64, 64)
