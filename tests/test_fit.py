"""Images of another aspect ratio, which are contained, cropped or stretched."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from bot.attachments.fit import fit_pixels
from engine.contract.images.decode_result import MAX_SIDE, DecodeResult, DecodeStatus
from engine.contract.images.fit import Fit, fitted, resize_and_crop

WHITE, BLACK, RED, BLUE = (255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)
Size = tuple[int, int]


def photo(size: Size) -> Image.Image:
    """A white image with a black square in its centre."""
    image = Image.new("RGB", size, WHITE)
    half = min(size) // 6
    middle = size[0] // 2, size[1] // 2
    corners = [(middle[0] - half, middle[1] - half), (middle[0] + half - 1, middle[1] + half - 1)]
    ImageDraw.Draw(image).rectangle(corners, fill=BLACK)
    return image


def square_in(image: Image.Image) -> Size:
    """The width and height of what is dark."""
    box = image.convert("L").point(lambda level: 255 if level < 128 else 0).getbbox()
    assert box is not None
    return box[2] - box[0], box[3] - box[1]


def decoded(image: Image.Image) -> DecodeResult:
    """As the sandbox returns it."""
    return DecodeResult(DecodeStatus.OK, *image.size, image.tobytes())


SIDE = st.integers(128, 300)
TARGET = st.integers(16, 32).map(lambda number: 8 * number)


@given(SIDE, SIDE, TARGET, TARGET, st.sampled_from([Fit.CONTAIN, Fit.COVER]))
def test_a_square_stays_a_square(w: int, h: int, width: int, height: int, fit: Fit) -> None:
    """Whatever the sizes are: no axis is clamped or rounded by itself."""
    result = fitted(photo((w, h)), width, height, fit)
    assert result.size == (width, height)
    across, down = square_in(result)
    assert abs(across - down) <= 2


def test_stretching_distorts() -> None:
    """Because the user asked for it."""
    across, down = square_in(fitted(photo((240, 120)), 120, 120, Fit.STRETCH))
    assert (across, down) == (20, 40)


@pytest.mark.parametrize("fit", Fit)
def test_an_image_of_the_size_is_not_touched(fit: Fit) -> None:
    """It is not resampled."""
    image = photo((64, 72))
    assert fitted(image, 64, 72, fit) is image


def test_a_contained_image_is_continued_by_its_edges() -> None:
    """All of it is visible in the middle; its left and right columns are repeated beside it."""
    image = Image.new("RGB", (32, 64), WHITE)
    image.paste(RED, (0, 0, 2, 64))
    image.paste(BLUE, (30, 0, 32, 64))
    result = fitted(image, 128, 64, Fit.CONTAIN)
    assert [result.getpixel((x, 20)) for x in (0, 47, 64, 80, 127)] == [RED, RED, WHITE, BLUE, BLUE]
    assert result.crop((48, 0, 80, 64)).tobytes() == image.tobytes()
    turned = fitted(image.rotate(-90, expand=True), 64, 128, Fit.CONTAIN)
    assert turned.tobytes() == result.rotate(-90, expand=True).tobytes()


@pytest.mark.parametrize("size", [(1, 1), (2048, 1), (1, 2048), (9, 700), (2048, 2048)])
@pytest.mark.parametrize("fit", Fit)
def test_any_image_gets_any_size(size: Size, fit: Fit) -> None:
    """Also strips."""
    for target in ((64, 64), (128, 72), (72, 128)):
        assert fitted(Image.new("RGB", size, RED), *target, fit).getcolors() == [
            (target[0] * target[1], RED)
        ]


def test_covering_is_what_the_engine_does() -> None:
    """So that a preview shows what the model will see."""
    image = photo((300, 130))
    assert fitted(image, 64, 96, Fit.COVER).tobytes() == resize_and_crop(image, 64, 96).tobytes()


@pytest.mark.parametrize(
    ("size", "target", "expected"),
    [
        ((640, 320), (64, 64), (640, 640)),
        ((100, 90), (64, 64), (64, 64)),
        ((40, 40), (64, 64), (64, 64)),
        ((MAX_SIDE, MAX_SIDE), (72, 64), (28 * 72, 28 * 64)),
    ],
)
def test_fine_lines_are_kept(size: Size, target: Size, expected: Size) -> None:
    """Of an image whose lines are looked for, as many pixels as a whole factor of the size."""
    result = fit_pixels(decoded(photo(size)), target, Fit.CONTAIN, is_detailed=True)
    assert (result.width, result.height) == expected
    assert len(result.pixels) == 3 * result.width * result.height
    plain = fit_pixels(decoded(photo(size)), target, Fit.CONTAIN)
    assert (plain.width, plain.height) == target
