"""Pictures as files for Discord."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from bot.domain.nsfw import NsfwPolicy
from bot.domain.picture import Picture
from bot.domain.plan import Axis, Matrix
from bot.domain.visibility import visible_in
from bot.errors import Refused
from bot.messages import picture_files
from bot.messages.message_content import OutgoingFile
from bot.storage import FileMissing, FileStorage
from engine.contract import Sampler
from engine.contract.images.png_text import read_texts
from engine.contract.metadata import read_metadata, with_metadata
from tests.samples import encoded, picture, recipe


def noise(side: int) -> Image.Image:
    """An image that compresses poorly."""
    return Image.effect_noise((side, side), 90).convert("RGB")


def test_a_small_picture_is_a_lossless_png() -> None:
    """No lossy format is needed."""
    picture = noise(64)
    ending, data, note = picture_files.encode_within(picture)
    assert (ending, note) == ("png", "")
    assert Image.open(BytesIO(data)).tobytes() == picture.tobytes()


def colours(side: int) -> Image.Image:
    """An image that WebP stores in less than a PNG, and JPEG in even less."""
    channels = [Image.effect_noise((side, side), 90)] * 3
    return Image.merge("RGB", channels)


def test_a_picture_that_fits_no_png_is_a_lossless_webp() -> None:
    """No pixel is changed, and the message says so."""
    picture = colours(256)
    ending, data, note = picture_files.encode_within(picture, limit=66_000)
    assert ending == "webp" and len(data) <= 66_000
    assert Image.open(BytesIO(data)).convert("RGB").tobytes() == picture.tobytes()
    assert note == "Sent as lossless WebP: a PNG would exceed the 64.5 KiB of a file here."


def test_a_large_picture_is_made_to_fit() -> None:
    """It is converted to JPEG, and scaled down if it is still too large; the message says so."""
    picture = noise(256)
    ending, data, note = picture_files.encode_within(picture, limit=60_000)
    assert ending == "jpg" and len(data) <= 60_000
    assert Image.open(BytesIO(data)).size == (256, 256)
    assert note.startswith("Sent as JPEG, with some loss: ") and "58.6 KiB" in note
    _, tiny, note = picture_files.encode_within(picture, limit=10_000)
    assert len(tiny) <= 10_000
    width, height = Image.open(BytesIO(tiny)).size
    assert f"JPEG of {width}x{height}: " in note


def test_a_picture_that_fits_no_file_is_refused() -> None:
    """The sentence has the limit."""
    with pytest.raises(Refused, match=r"at most 0\.977 KiB are allowed"):
        picture_files.encode_within(noise(256), limit=1000)


def test_a_picture_that_is_too_wide_for_webp_is_a_jpeg() -> None:
    """WebP has at most 16,383 pixels in a row."""
    wide = Image.effect_noise((16_400, 8), 90).convert("RGB")
    ending, _, _ = picture_files.encode_within(wide, limit=120_000)
    assert ending == "jpg"


@pytest.mark.parametrize(("limit", "suffix"), [(66_000, "webp"), (30_000, "jpg")])
def test_other_files_have_the_recipe_too(tmp_path: Path, limit: int, suffix: str) -> None:
    """Of one picture and of all of a grid; the text counts towards the limit."""
    archive = FileStorage(tmp_path)
    stored = encoded(colours(256))
    pictures = [picture(nth=nth, path=archive.save_picture("j1", nth, stored)) for nth in (1, 2)]
    recipes = tuple(item.recipe for item in pictures)
    fitted = picture_files.picture_file(
        archive, visible_in(pictures, NsfwPolicy.BLOCK), index=1, limit=limit
    )
    assert fitted.suffix == suffix and len(fitted.data) <= limit
    assert read_metadata(fitted.data).recipes == recipes[1:]
    grid = picture_files.grid_file(archive, visible_in(pictures, NsfwPolicy.BLOCK), limit=2 * limit)
    assert grid.suffix == suffix and read_metadata(grid.data).recipes == recipes


def test_a_job_is_one_grid(tmp_path: Path) -> None:
    """It consists of the stored files, with a blank cell for each withheld picture."""
    archive = FileStorage(tmp_path)
    path = archive.save_picture("j1", 1, encoded(Image.new("RGB", (64, 64), "red")))
    pictures = [picture(path=path), picture(nth=2, path=None, is_withheld=True)]
    ending, data, _ = picture_files.grid_file(archive, visible_in(pictures, NsfwPolicy.BLOCK))
    grid = Image.open(BytesIO(data))
    assert (ending, grid.size, grid.getpixel((5, 5))) == ("png", (128, 64), (255, 0, 0))


def test_a_matrix_has_labels(tmp_path: Path) -> None:
    """It is larger than its pictures, which are beside each other."""
    archive = FileStorage(tmp_path)
    path = archive.save_picture("j1", 1, encoded(Image.new("RGB", (64, 64), "red")))
    pictures = [picture(path=path), picture(nth=2, path=path)]
    layout = Matrix(Axis("", ("",)), Axis("steps", ("4", "8")))
    visible = visible_in(pictures, NsfwPolicy.BLOCK)
    _, data, _ = picture_files.grid_file(archive, visible, layout=layout)
    image = Image.open(BytesIO(data))
    assert image.width > 128 and image.height > 64
    counts = dict((colour, count) for count, colour in image.getcolors() or [])
    assert counts[(255, 0, 0)] == 2 * 64 * 64


def test_one_picture_is_the_stored_file_with_its_recipe(tmp_path: Path) -> None:
    """Only its texts are changed, once."""
    archive = FileStorage(tmp_path)
    noise_picture = picture(path=archive.save_picture("j1", 1, encoded(noise(64))))
    suffix, data, _ = picture_files.picture_file(
        archive, visible_in([noise_picture], NsfwPolicy.BLOCK)
    )
    assert suffix == "png"
    assert Image.open(BytesIO(data)).tobytes() == noise_pixels(archive, noise_picture)
    assert read_metadata(data).recipes == (noise_picture.recipe,)
    again = picture(path=archive.save_picture("j1", 1, data))
    sent = picture_files.picture_file(archive, visible_in([again], NsfwPolicy.BLOCK))
    assert sent == ("png", data, "")


def noise_pixels(archive: FileStorage, shown: Picture) -> bytes:
    """The pixels of a stored picture."""
    return Image.open(BytesIO(archive.picture(shown.path or ""))).tobytes()


def test_a_grid_has_the_recipes_of_its_pictures(tmp_path: Path) -> None:
    """Those that are shown, in their order."""
    archive = FileStorage(tmp_path)
    path = archive.save_picture("j1", 1, encoded(noise(64)))
    pictures = [picture(nth=1, path=None, is_withheld=True), picture(nth=2, path=path)]
    _, data, _ = picture_files.grid_file(archive, visible_in(pictures, NsfwPolicy.BLOCK))
    assert read_metadata(data).recipes == (pictures[1].recipe,)


def test_the_schedule_of_a_model_with_flow_matching_stays(tmp_path: Path) -> None:
    """The engine writes it, and the recipe alone does not tell."""
    archive = FileStorage(tmp_path)
    work = recipe(sampler=Sampler.DPMPP_2M)
    png = encoded(noise(64))
    for is_flow, schedule in ((False, "Uniform"), (True, "Simple")):
        path = archive.save_picture("j1", 1, with_metadata(png, [work], is_flow=is_flow))
        visible = visible_in([picture(path=path, recipe=work)], NsfwPolicy.BLOCK)
        for _, data, _ in (
            picture_files.picture_file(archive, visible),
            picture_files.grid_file(archive, visible),
        ):
            assert f"Schedule type: {schedule}" in read_texts(data, ["parameters"])["parameters"]


def test_a_missing_file_raises_an_error(tmp_path: Path) -> None:
    """The row in the database is not enough."""
    with pytest.raises(FileMissing):
        picture_files.picture_file(FileStorage(tmp_path), visible_in([picture()], NsfwPolicy.BLOCK))


@pytest.mark.parametrize("length", [0, 20, 60])
def test_a_damaged_file_raises_an_error(tmp_path: Path, length: int) -> None:
    """Only the first bytes of the file are present, followed by zeros."""
    archive = FileStorage(tmp_path)
    whole = encoded(noise(64))
    broken = whole[:length] + bytes(len(whole) - length)
    stored_picture = picture(path=archive.save_picture("j1", 1, broken))
    with pytest.raises(FileMissing, match="is damaged"):
        picture_files.grid_file(archive, visible_in([stored_picture], NsfwPolicy.BLOCK))


def test_groups_stay_below_the_limit() -> None:
    """There are as few groups as possible, and the order is kept."""
    uploads = [OutgoingFile(f"{n}.png", bytes(size)) for n, size in enumerate((60, 40, 50, 60))]
    groups = picture_files.batch_by_size(uploads, limit=100)
    assert [[upload.name for upload in group] for group in groups] == [
        ["0.png", "1.png"],
        ["2.png"],
        ["3.png"],
    ]
    assert picture_files.batch_by_size([]) == [[]]
    many = [OutgoingFile(f"{n}.png", b"x") for n in range(16)]
    assert [len(group) for group in picture_files.batch_by_size(many)] == [10, 6]
