"""Control images: the lines of drawings and the edges in pictures, as white lines on black."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from scipy import ndimage

from engine.contract import Preprocessor
from engine.imaging.control_images import control_image, scribble
from engine.imaging.edges import canny
from engine.imaging.grey_morphology import closed, opened
from engine.imaging.init_image import decode
from tests.samples import encoded

SHAPES = (("rectangle", (0.2, 0.5, 0.6, 0.9)), ("ellipse", (0.7, 0.1, 0.9, 0.3)))
Colour = tuple[int, int, int]


def drawing(side: int, ground: Colour, ink: Colour, width: int) -> Image.Image:
    """A box and a circle as lines of this width in pixels, or filled if it is 0."""
    image = Image.new("RGB", (side, side), ground)
    draw = ImageDraw.Draw(image)
    for shape, box in SHAPES:
        options = {"outline": ink, "width": width} if width else {"fill": ink}
        getattr(draw, shape)([side * edge for edge in box], **options)
    return image


def photographed(image: Image.Image) -> Image.Image:
    """The image in uneven light, with noise."""
    pixels = np.asarray(image).astype(float)
    y, x = np.mgrid[0 : image.height, 0 : image.width]
    light = 0.45 + 0.5 * x / image.width * (0.6 + 0.4 * y / image.height)
    noise = np.random.default_rng(0).normal(0, 6, pixels.shape)
    lit = (pixels * light[..., None] + noise).clip(0, 255).astype(np.uint8)
    return Image.fromarray(lit).filter(ImageFilter.GaussianBlur(1))


def expected_lines(side: int) -> NDArray[np.bool_]:
    """The lines of `drawing` where a control image of this side should have them."""
    large = drawing(side * 8, (0, 0, 0), (255, 255, 255), 8)
    lines = np.asarray(large.convert("L")).reshape(side, 8, side, 8)
    result: NDArray[np.bool_] = lines.max(axis=(1, 3)) > 0
    return result


def near(lines: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """The lines, and what is so near to them."""
    mask = Image.fromarray(lines).convert("L").filter(ImageFilter.MaxFilter(2 * pixels + 1))
    return np.asarray(mask) > 0


DRAWINGS = {
    "ink": drawing(800, (255, 255, 255), (0, 0, 0), 5),
    "chalk": drawing(800, (20, 30, 30), (230, 230, 230), 5),
    "yellow on white": drawing(800, (255, 255, 255), (255, 230, 0), 6),
    "white on green": drawing(800, (110, 160, 110), (255, 255, 255), 6),
    "blue on yellow": drawing(800, (250, 220, 90), (60, 90, 200), 6),
    "a hairline": drawing(2000, (255, 255, 255), (0, 0, 0), 2),
    "a broad brush": drawing(800, (255, 255, 255), (0, 0, 0), 30),
    "a small one": drawing(96, (255, 255, 255), (0, 0, 0), 1),
    "photographed ink": photographed(drawing(1200, (235, 230, 220), (50, 50, 60), 7)),
    "photographed pencil": photographed(drawing(1200, (235, 230, 220), (150, 150, 150), 7)),
    "areas": drawing(800, (255, 240, 200), (200, 30, 30), 0),
}


@pytest.mark.parametrize(
    ("name", "side"), [*((name, 96) for name in DRAWINGS), ("ink", 384), ("areas", 384)]
)
def test_lines_of_drawings_are_found(name: str, side: int) -> None:
    """All are there, and nothing else."""
    lines, expected = scribble(DRAWINGS[name], side, side), expected_lines(side)
    tolerance = side // 24 if name == "a broad brush" else side // 48
    assert (near(lines, tolerance) & expected).sum() > 0.97 * expected.sum()
    assert (lines & ~near(expected, tolerance)).sum() < 0.01 * lines.sum()


def test_hatching_stays_lines() -> None:
    """The gaps between dense lines are not taken for lines."""
    image = Image.new("RGB", (512, 512), "white")
    for x in range(100, 412, 12):
        ImageDraw.Draw(image).line((x, 100, x, 412), fill="black", width=2)
    lines = scribble(image, 512, 512)
    assert 0.2 < lines[110:400, 110:400].mean() < 0.5


def test_the_drawing_is_cropped_as_an_init_image() -> None:
    """Of a wide drawing, the middle is shown."""
    wide = Image.new("RGB", (900, 300), "white")
    ImageDraw.Draw(wide).line((450, 0, 450, 300), fill="black", width=8)
    ImageDraw.Draw(wide).line((100, 0, 100, 300), fill="black", width=8)
    lines = scribble(wide, 64, 64)
    assert np.flatnonzero(lines.any(axis=0)).tolist() == [31, 32, 33]


def test_transparent_ground_is_white() -> None:
    """Of a drawing whose ground is transparent, the lines are found."""
    opaque = drawing(400, (255, 255, 255), (0, 0, 0), 4)
    transparent = Image.new("RGBA", opaque.size)
    transparent.putalpha(ImageChops.invert(opaque.convert("L")))
    lines = scribble(decode(encoded(transparent)), 96, 96)
    assert np.array_equal(lines, scribble(opaque, 96, 96))


def noise() -> Image.Image:
    """Paper without a drawing."""
    return photographed(Image.new("RGB", (400, 400), (235, 230, 220)))


@pytest.mark.parametrize(
    ("image", "preprocessor"),
    [
        (Image.new("RGB", (300, 200), "white"), Preprocessor.SCRIBBLE),
        (Image.new("RGB", (300, 200), "black"), Preprocessor.SCRIBBLE),
        (noise(), Preprocessor.SCRIBBLE),
        (Image.new("RGB", (300, 200), "grey"), Preprocessor.EDGES),
        (Image.new("RGB", (300, 200), "black"), Preprocessor.NONE),
    ],
)
def test_an_empty_image_is_refused(image: Image.Image, preprocessor: Preprocessor) -> None:
    """Nothing is drawn on it, or only noise."""
    with pytest.raises(ValueError, match=r"There are no lines to follow in this picture"):
        control_image(image, 64, 64, preprocessor, has_lines=True)


def test_an_image_without_lines_may_be_a_control_image() -> None:
    """A depth map may be the same everywhere."""
    grey = Image.new("RGB", (300, 200), "grey")
    result = control_image(grey, 64, 72, Preprocessor.NONE, has_lines=False)
    assert (result.size, result.getextrema()) == ((64, 72), ((128, 128),) * 3)


@pytest.mark.parametrize("preprocessor", [Preprocessor.SCRIBBLE, Preprocessor.EDGES])
def test_control_images_are_white_on_black(preprocessor: Preprocessor) -> None:
    """They have the recipe's size, and two colours."""
    result = control_image(DRAWINGS["ink"], 128, 96, preprocessor, has_lines=True)
    assert (result.mode, result.size) == ("RGB", (128, 96))
    assert {colour for _, colour in result.getcolors() or ()} == {(0, 0, 0), (255, 255, 255)}


def test_faint_edges_count_where_there_are_no_clear_ones() -> None:
    """A picture with little contrast has edges too."""
    faint = Image.new("RGB", (64, 64), (100, 100, 100))
    ImageDraw.Draw(faint).rectangle((16, 16, 48, 48), fill=(115, 115, 115))
    edges = np.asarray(control_image(faint, 64, 64, Preprocessor.EDGES, has_lines=True))[..., 0]
    assert 100 < (edges > 0).sum() < 140


def test_edges_are_thin_and_connected_to_clear_ones() -> None:
    """A faint edge counts only where it goes on from a clear one."""
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[8:24, 4:28] = np.linspace(200, 40, 24)[None, :, None]  # fades to the right
    pixels[8:24, 36:60] = 40
    edges = canny(pixels, 100, 500)
    assert edges[8, 6:27].all() or edges[7, 6:27].all()
    assert not edges[:, 32:].any()
    assert edges[:, 14].sum() == 2, "one pixel above and one below"


@pytest.mark.parametrize(
    "function", [canny, lambda pixels: scribble(Image.fromarray(pixels), 8, 8)]
)
def test_any_image_has_a_control_image(function: Callable[[Any], NDArray[np.bool_]]) -> None:
    """Noise of any size is no error."""
    for side in (1, 2, 9):
        pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
        assert function(pixels).dtype == np.bool_


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 40])
def test_morphology_is_that_of_scipy(radius: int) -> None:
    """Also near the edges, and with windows larger than the image."""
    levels = np.random.default_rng(1).integers(0, 256, (23, 31, 3), dtype=np.uint8)
    size = 2 * radius + 1, 2 * radius + 1, 1
    for function, outside, expected in (
        (closed, (0, 255), (ndimage.grey_dilation, ndimage.grey_erosion)),
        (opened, (255, 0), (ndimage.grey_erosion, ndimage.grey_dilation)),
    ):
        result = levels
        for step, value in zip(expected, outside, strict=True):
            result = step(result, size, mode="constant", cval=value)
        assert np.array_equal(function(levels, radius), result)
