"""Painting recipes again with `python -m engine paint --recipes`."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from engine.__main__ import main
from engine.contract import Change, Img2Img, Recipe, Sampler, Subseed, Upscale, sha256
from engine.contract.images.encode import encode_png
from engine.errors import ExitCode, UsageError
from engine.imaging import video
from engine.offline.recipe_file import parse_recipe_file, to_job
from tests import tiny_model
from tests.engine_parts import sketch
from tests.samples import pixels_digest, recipe


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a tiny model."""
    return str(tiny_model.save(tmp_path_factory.mktemp("models") / "tiny"))


def pictures(folder: Path) -> list[str]:
    """The digests of the pixels of all pictures in the folder."""
    return [pixels_digest(file.read_bytes()) for file in sorted(folder.glob("[0-9].png"))]


def write_recipes(file: Path, *recipes: Recipe) -> None:
    """Write a recipe file."""
    file.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in recipes))


def test_another_process_paints_equal_pixels(tiny: str, tmp_path: Path) -> None:
    """Prompts change, sketches are found by their digests, and the model is that of the recipes."""
    sketch(200, 100).save(tmp_path / "my sketch.png")
    options = [
        "--seed",
        "3",
        "--steps",
        "4",
        "--count",
        "2",
        "--strength",
        "1",
        "--sampler",
        "unipc",
    ]
    options += ["--sketch", str(tmp_path / "my sketch.png"), "--subseed", "5"]
    options += ["--subseed-strength", "0.3", "--model", tiny, "--out", str(tmp_path / "a")]
    assert main(["paint", "a [boat:cat:0.5] by [day|night]", *options]) == 0
    file = tmp_path / "a" / "recipes.jsonl"
    first = msgspec.json.decode(file.read_bytes().splitlines()[0], type=Recipe)
    forked = msgspec.structs.replace(
        first,
        subseeds=(*first.subseeds, Subseed(9, 0.2)),
        changes=(*first.changes[:2], Change(step=3, guidance=1.0, sampler=Sampler.HEUN)),
    )
    with file.open("ab") as more:
        more.write(msgspec.json.encode(forked) + b"\n")
    arguments = ["paint", "--inputs", str(tmp_path), "--recipes"]
    again = [*arguments, str(file), "--out", str(tmp_path / "b")]
    subprocess.run([sys.executable, "-m", "engine", *again], check=True, stdout=subprocess.DEVNULL)
    repeated = str(tmp_path / "b" / "recipes.jsonl")
    filmed = [repeated, "--out", str(tmp_path / "c"), "--film", str(tmp_path / "film.mp4")]
    assert main([*arguments, *filmed]) == 0
    assert len(pictures(tmp_path / "b")) == 3
    assert pictures(tmp_path / "b")[:2] == pictures(tmp_path / "a")
    assert pictures(tmp_path / "c") == pictures(tmp_path / "b")
    films = [tmp_path / name for name in ("film.mp4", "film-1.mp4", "film-2.mp4")]
    assert all(len(list(video.decode(film.read_bytes()))) == 25 for film in films)
    assert (tmp_path / "b" / "recipes.jsonl").read_bytes() == file.read_bytes()


def test_an_input_image_is_found_by_its_content(tmp_path: Path) -> None:
    """As the file itself, as the sketch that it was made from, or by its pixels."""
    png = encode_png(sketch())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "b.png").write_bytes(png)
    by_file = recipe(source=Img2Img(sha256(png), 0.5))
    assert to_job([by_file], tmp_path).files == {sha256(png): png}
    small = encode_png(sketch().resize((64, 64), Image.Resampling.LANCZOS))
    (tmp_path / "b.png").unlink()
    sketch().save(tmp_path / "c.bmp")
    by_sketch = recipe(source=Img2Img(sha256(small), 0.5))
    assert to_job([by_sketch], tmp_path).files == {sha256(small): small}
    enlarged = Upscale(
        picture=recipe(),
        image=pixels_digest((tmp_path / "c.bmp").read_bytes()),
        upscaler="a",
        upscaler_revision="1",
        scale=2,
    )
    [data] = to_job([enlarged], tmp_path).files.values()
    assert data == (tmp_path / "c.bmp").read_bytes()


def test_a_missing_input_image_is_named(tmp_path: Path) -> None:
    """The sentence has its digest and the folder."""
    img2img = recipe(source=Img2Img("a" * 64, 0.5))
    with pytest.raises(UsageError, match=r"image aaaaaaaaaaaa; name the folder .* with --inputs"):
        to_job([img2img], None)
    with pytest.raises(UsageError, match="image aaaaaaaaaaaa of a recipe is not in"):
        to_job([img2img], tmp_path)
    with pytest.raises(UsageError, match="cannot be read"):
        to_job([img2img], tmp_path / "nowhere")


def test_only_line_feeds_end_a_line() -> None:
    """JSON may have other line separators within its texts; lines may end as those of Windows."""
    poem = recipe(prompt="a house\u2028by the sea\x85at night")
    text = msgspec.json.encode(poem).decode()
    assert parse_recipe_file(f"{text}\r\n{text}\n") == [poem, poem]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n", "is empty"),
        ('{"type": "Recipe"}', "Line 1 of the recipe file is invalid"),
        ("nonsense", "Line 1 of the recipe file is invalid"),
        ('{"type": "Poem"}', "Line 1 of the recipe file is invalid"),
        ('{"type": "Upscale", "picture": ' * 10_000, "Line 1 of the recipe file is invalid"),
    ],
)
def test_a_file_without_recipes_is_refused(text: str, sentence: str) -> None:
    """The sentence has the number of the line."""
    with pytest.raises(UsageError, match=sentence):
        parse_recipe_file(text)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["a boat", "--recipes", "FILE"], "With --recipes, only --inputs"),
        (["--recipes", "FILE", "--steps", "3"], "With --recipes, only --inputs"),
        (["a boat", "--inputs", "DIR"], "--inputs is for"),
        (["--recipes", "no such file"], "cannot be read"),
        (["--recipes", "FILE", "--model", "TINY"], "needs the model flat"),
    ],
)
def test_wrong_options_are_refused(
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    sentence: str,
) -> None:
    """Each with a sentence."""
    file = tmp_path / "recipes.jsonl"
    write_recipes(file, recipe())
    names = {"FILE": str(file), "TINY": tiny}
    arguments = [names.get(option, option) for option in options]
    assert main(["paint", *arguments, "--out", str(tmp_path)]) == ExitCode.USAGE
    assert sentence in capsys.readouterr().err


def test_enlargements_are_painted_again_without_their_pictures(tiny: str, tmp_path: Path) -> None:
    """What they start from is painted first, and again those of an upscale of an upscale."""
    options = ["--seed", "3", "--steps", "2", "--count", "2", "--upscale", "2", "--model", tiny]
    assert main(["paint", "a boat", *options, "--out", str(tmp_path / "a")]) == 0
    lines = (tmp_path / "a" / "recipes.jsonl").read_bytes().splitlines()
    first = msgspec.json.decode(lines[0], type=Upscale)
    assert first.size == (128, 128)
    with Image.open(tmp_path / "a" / "1.png") as image:
        assert image.size == (128, 128)
    digest = pictures(tmp_path / "a")[0]
    second = msgspec.structs.replace(first, picture=first, image=digest)
    file = tmp_path / "again.jsonl"
    file.write_bytes(b"\n".join([*lines, msgspec.json.encode(second)]))
    assert main(["paint", "--recipes", str(file), "--out", str(tmp_path / "b")]) == 0
    again = pictures(tmp_path / "b")
    assert again[:2] == pictures(tmp_path / "a")
    with Image.open(tmp_path / "b" / "2.png") as image:
        assert image.size == (256, 256)


def test_a_film_is_not_enlarged(
    tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of the two must be chosen."""
    options = ["--upscale", "2", "--film", "a.mp4", "--model", tiny, "--out", str(tmp_path)]
    assert main(["paint", "a boat", *options]) == ExitCode.USAGE
    assert "A film shows pictures that are not enlarged" in capsys.readouterr().err
