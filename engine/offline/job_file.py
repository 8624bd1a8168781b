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
    Adapter,
    Capture,
    Control,
    Edit,
    Img2Img,
    Inpaint,
    ModelCard,
    Paint,
    PictureOptions,
    Preprocessor,
    Reference,
    Source,
    make_recipes,
)
from engine.contract.images.fit import resize_and_crop
from engine.contract.sizes import check_size
from engine.core.job_files import JobWithFiles
from engine.errors import UsageError
from engine.imaging.control_images import is_control_image
from engine.imaging.masks import EMPTY_MASK, fit_mask, is_empty
from engine.offline.job_inputs import (
    InputFiles,
    ScaledFile,
    lora_name,
    parse_control,
    parse_reference,
    read_image,
    read_mask,
)

_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WINDOWS_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class JobSpec(PictureOptions, frozen=True, kw_only=True):
    """The options of `paint`.

    Raises ValueError, with a sentence for the user, if options are invalid or contradict each
    other.
    """

    id: str
    prompt: str = ""
    """May be empty with a control or a reference."""
    width: int | None = None
    height: int | None = None
    sketch: str | None = None
    mask: str | None = None
    """The file of a mask for the sketch: white is repainted, or what is transparent, if the file
    has transparent parts."""
    edit: bool = False
    """The sketch is edited, and the prompt is the instruction."""
    image_guidance: float | None = None
    """Of an edit."""
    control: tuple[str, ...] = ()
    """`KIND=FILE` or `KIND=FILE:SCALE`: control images, or drawings and pictures from which they
    are made: lines of a drawing for a scribble, edges of a picture for canny."""
    reference: tuple[str, ...] = ()
    """`FILE` or `ROLE=FILE`, with `:SCALE` or without: images that are part of the prompt. The role
    is `like` (the default), `style` or `blend`."""
    lora: tuple[str, ...] = ()
    """`FILE` or `FILE:SCALE`; a configured one may be given by its name."""
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
        if self.sketch is None and (self.mask is not None or self.edit):
            raise ValueError("A mask and an edit need a sketch, the picture to change.")
        if self.mask is not None and self.edit:
            raise ValueError("An edit changes the whole picture; give it no mask.")
        if self.image_guidance is not None and not self.edit:
            raise ValueError("The image guidance is that of an edit.")
        if self.edit and self.strength is not None:
            raise ValueError("An edit has an image guidance, and no strength.")
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
        sketch = None if spec.sketch is None else read_image("sketch", spec.sketch)
        size = _size(spec, sketch, card)
        inputs = InputFiles()
        recipes = make_recipes(
            spec,
            card,
            size=size,
            seed=secrets.randbelow(SEED_LIMIT),
            source=_source(spec, card, sketch, size, inputs),
            adapters=_adapters(spec, card),
            controls=_controls(spec, card, size, inputs),
            references=_references(spec, card, inputs),
        )
        paint = Paint(
            job=spec.id,
            attempt=1,
            recipes=recipes,
            inputs=tuple(inputs.files),
            capture=Capture(previews=False, film=spec.film is not None),
        )
        return JobWithFiles(paint, inputs.files)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _source(
    spec: JobSpec,
    card: ModelCard,
    sketch: Image.Image | None,
    size: tuple[int, int],
    inputs: InputFiles,
) -> Source | None:
    if sketch is None:
        return None
    image = inputs.add(resize_and_crop(sketch, *size))
    if spec.edit:
        guidance = spec.image_guidance
        return Edit(image, card.image_guidance if guidance is None else guidance)
    if spec.mask is None:
        return Img2Img(image, spec.init_image_strength, card.rounding)
    mask = fit_mask(read_mask(spec.mask), *size)
    if is_empty(mask):
        raise UsageError(EMPTY_MASK)
    return Inpaint(image, inputs.add(mask), spec.init_image_strength, card.rounding)


def _adapters(spec: JobSpec, card: ModelCard) -> list[Adapter]:
    files = [ScaledFile.parse(text) for text in spec.lora]
    return [card.adapter(lora_name(file), file.scale) for file in files]


def _controls(
    spec: JobSpec, card: ModelCard, size: tuple[int, int], inputs: InputFiles
) -> list[Control]:
    controls = []
    for text in spec.control:
        kind, file = parse_control(text)
        image = read_image("control", file.name)
        preprocessor = _preprocessor(kind, image, card)
        if preprocessor is Preprocessor.NONE:
            image = resize_and_crop(image, *size)
        controls.append(
            card.control(kind, inputs.add(image), preprocessor=preprocessor, scale=file.scale)
        )
    return controls


def _preprocessor(kind: str, image: Image.Image, card: ModelCard) -> Preprocessor:
    """The one that makes the control image; NONE for an image that already is one."""
    if is_control_image(image):
        return Preprocessor.NONE
    for control in card.controls:
        if control.kind == kind:
            return control.preprocessors[0]
    return Preprocessor.NONE


def _references(spec: JobSpec, card: ModelCard, inputs: InputFiles) -> list[Reference]:
    references = []
    for text in spec.reference:
        role, file = parse_reference(text)
        image = inputs.add(read_image("reference", file.name))
        references.append(card.reference(image, role=role, scale=file.scale))
    return references


def _card(name: str | None, cards: Sequence[ModelCard]) -> ModelCard:
    if name is None:
        return cards[0]
    for card in cards:
        if card.name == name:
            return card
    loaded = ", ".join(card.name for card in cards)
    raise UsageError(f"The model {name} is not loaded; --model names {loaded}.")


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
