"""Job specs, from the command line or a file of JSON lines, and their conversion to commands."""

import re
import secrets
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image

from engine.contract import (
    MAX_PICTURES,
    RANDOM_SEED,
    ROW_CLASSES,
    SEED_LIMIT,
    ModelCard,
    Paint,
    Recipe,
    Sampler,
    sha256,
    size_for_init_image,
)
from engine.errors import UsageError
from engine.imaging.encode import encode_png
from engine.imaging.init_image import MAX_BYTES, InvalidImage, decode, resize_and_crop

DEFAULT_STRENGTH: Final = 0.75
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WINDOWS_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `paint`. An option that is None has a default that may depend on the model.

    Raises ValueError, with a sentence for the user, if options are invalid or contradict each
    other.
    """

    id: str
    prompt: str
    negative: str = ""
    seed: int | None = None
    count: int = MAX_PICTURES
    steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    width: int | None = None
    height: int | None = None
    sketch: str | None = None
    strength: float | None = None
    subseed: int | None = None
    subseed_strength: float | None = None

    def __post_init__(self) -> None:
        if not _SAFE_ID.fullmatch(self.id) or _WINDOWS_DEVICES.fullmatch(self.id):
            raise ValueError(
                f"The id {self.id!r} is not a safe folder name: it must start with a letter or "
                "digit, may also have dots, underscores and hyphens, at most 100 characters, and "
                "must not be a device name of Windows."
            )
        if self.sampler is not None and self.sampler not in list(Sampler):
            raise ValueError(f"The sampler is {self.sampler!r}; it must be {', '.join(Sampler)}.")
        if not 1 <= self.count <= MAX_PICTURES:
            raise ValueError(f"The count is {self.count}; it must be 1 to {MAX_PICTURES}.")
        if self.sketch is None and self.strength is not None:
            raise ValueError("A strength is only allowed with a sketch.")
        if (self.subseed is None) != (self.subseed_strength is None):
            raise ValueError("A subseed and its strength must be given together.")


def parse_job_file(text: str) -> list[JobSpec]:
    """A job spec for each line that is not blank. Raises UsageError with the line's number."""
    specs: dict[str, JobSpec] = {}
    for number, line in enumerate(text.splitlines(), start=1):
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


def to_command(spec: JobSpec, card: ModelCard) -> Paint:
    """The spec as a command. Raises UsageError, with a sentence for the user."""
    try:
        sketch = _open_sketch(spec.sketch)
        width, height = _size(spec, sketch, card)
        source = encode_png(resize_and_crop(sketch, width, height)) if sketch else None
        return Paint(
            job=spec.id,
            attempt=1,
            recipes=_recipes(spec, card, (width, height), source),
            source=source,
            previews=False,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _open_sketch(name: str | None) -> Image.Image | None:
    if name is None:
        return None
    try:
        with Path(name).open("rb") as file:
            return decode(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise InvalidImage(f"The sketch {name} cannot be read: {error.strerror}.") from error


def _size(spec: JobSpec, sketch: Image.Image | None, card: ModelCard) -> tuple[int, int]:
    default_size = (
        size_for_init_image(*sketch.size, card.native_size)
        if sketch
        else (card.native_size, card.native_size)
    )
    width = default_size[0] if spec.width is None else spec.width
    height = default_size[1] if spec.height is None else spec.height
    if width * height > card.max_pixels:
        raise ValueError(
            f"{width} x {height} is too large for this model: at most {card.max_pixels} pixels are "
            "allowed."
        )
    return width, height


def _recipes(
    spec: JobSpec, card: ModelCard, size: tuple[int, int], source: bytes | None
) -> tuple[Recipe, ...]:
    """The recipes of a spec, with consecutive seeds or, if it has a subseed, subseeds."""
    guidance = card.guidance if spec.guidance is None else spec.guidance
    strength = DEFAULT_STRENGTH if spec.strength is None else spec.strength
    first = Recipe(
        model=card.name,
        revision=card.revision,
        prompt=spec.prompt,
        negative=spec.negative,
        seed=secrets.randbelow(SEED_LIMIT) if spec.seed in (None, RANDOM_SEED) else spec.seed,
        subseed=spec.subseed or 0,
        subseed_strength=spec.subseed_strength or 0.0,
        steps=card.steps if spec.steps is None else spec.steps,
        guidance=guidance,
        sampler=Sampler(spec.sampler or card.sampler),
        width=size[0],
        height=size[1],
        source=sha256(source) if source else None,
        strength=strength if source else None,
        row_class=ROW_CLASSES[0],
    )
    varying = "subseed" if first.subseed_strength > 0 else "seed"
    start = getattr(first, varying)
    return card.with_row_class(
        [
            msgspec.structs.replace(first, **{varying: (start + nth) % SEED_LIMIT})
            for nth in range(spec.count)
        ]
    )
