"""Job specs, from the command line or a file of JSON lines, and their conversion to commands."""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from PIL import Image

from engine.contract import (
    SEED_LIMIT,
    Capture,
    ModelCard,
    Paint,
    PictureOptions,
    make_recipes,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.contract.images.refusals import MAX_FILE_BYTES, InvalidImage
from engine.contract.sizes import check_size
from engine.core.job_files import JobWithFiles
from engine.errors import UsageError
from engine.imaging.init_image import decode, resize_and_crop

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WINDOWS_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class JobSpec(PictureOptions, frozen=True, kw_only=True):
    """The options of `paint`.

    Raises ValueError, with a sentence for the user, if options are invalid or contradict each
    other.
    """

    id: str
    width: int | None = None
    height: int | None = None
    sketch: str | None = None
    film: str | None = None
    """The file of the film of the first picture; see `film_file`."""
    upscale: Literal[2, 4] | None = None
    """The factor by which the pictures are enlarged; None for none."""
    model: str | None = None
    """One of the loaded models; None for the default."""

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.id) or _WINDOWS_DEVICES.fullmatch(self.id):
            raise ValueError(
                f"The id {self.id!r} is not a safe folder name: it must start with a letter or "
                "digit, may also have dots, underscores and hyphens, at most 100 characters, and "
                "must not be a device name of Windows."
            )
        if self.upscale is not None and self.film is not None:
            raise ValueError("A film shows pictures that are not enlarged; give one of the two.")
        self.check(has_init_image=self.sketch is not None)


def film_file(film: str, index: int) -> Path:
    """The file of the film of a picture: `a.mp4`, `a-1.mp4`, `a-2.mp4`, …"""
    path = Path(film)
    return path.with_stem(f"{path.stem}-{index}") if index else path


def parse_job_file(text: str) -> list[JobSpec]:
    """A job spec for each line that is not blank. Raises UsageError with the line's number."""
    specs: dict[str, JobSpec] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            spec = msgspec.json.decode(line, type=JobSpec)
        except (msgspec.MsgspecError, ValueError) as error:
            raise UsageError(f"Line {number} of the job file is invalid: {error}") from error
        if spec.id in specs:
            raise UsageError(f"Line {number} of the job file repeats the id {spec.id}.")
        specs[spec.id] = spec
    if not specs:
        raise UsageError("The job file is empty; it must have one JSON object per line.")
    return list(specs.values())


def to_command(spec: JobSpec, cards: Sequence[ModelCard]) -> JobWithFiles:
    """The spec as a command for the models of these cards, of which the first is the default.

    Raises UsageError, with a sentence for the user.
    """
    card = _card(spec.model, cards)
    try:
        sketch = _open_sketch(spec.sketch)
        size = _size(spec, sketch, card)
        data = encode_png(resize_and_crop(sketch, *size)) if sketch else None
        files = {sha256(data): data} if data else {}
        recipes = make_recipes(
            spec,
            card,
            size=size,
            seed=secrets.randbelow(SEED_LIMIT),
            source=next(iter(files), None),
        )
        paint = Paint(
            job=spec.id,
            attempt=1,
            recipes=recipes,
            inputs=tuple(files),
            capture=Capture(previews=False, film=spec.film is not None),
        )
        return JobWithFiles(paint, files)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _card(name: str | None, cards: Sequence[ModelCard]) -> ModelCard:
    if name is None:
        return cards[0]
    for card in cards:
        if card.name == name:
            return card
    loaded = ", ".join(card.name for card in cards)
    raise UsageError(f"The model {name} is not loaded; --model names {loaded}.")


def _open_sketch(name: str | None) -> Image.Image | None:
    if name is None:
        return None
    try:
        with Path(name).open("rb") as file:
            return decode(file.read(MAX_FILE_BYTES + 1))
    except OSError as error:
        raise InvalidImage(f"The sketch {name} cannot be read: {error.strerror}.") from error


def _size(spec: JobSpec, sketch: Image.Image | None, card: ModelCard) -> tuple[int, int]:
    default_size = (
        card.size_for_init_image(*sketch.size) if sketch else (card.native_size, card.native_size)
    )
    width = default_size[0] if spec.width is None else spec.width
    height = default_size[1] if spec.height is None else spec.height
    check_size("width", width)
    check_size("height", height)
    card.check_area(width, height)
    return width, height
