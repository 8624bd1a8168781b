"""What somebody wants painted, from a command line or a line of JSON, made into recipes."""

import re
import secrets
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image

from engine.contract import (
    MAX_PICTURES,
    ROW_CLASSES,
    SEED_LIMIT,
    ModelCard,
    Paint,
    Recipe,
    Sampler,
    size_for_init_image,
)
from engine.errors import UsageError
from engine.imaging.encode import png, sha256
from engine.imaging.init_image import BYTES_LIMIT, BadSketch, fit, read

DEFAULT_STRENGTH: Final = 0.75
_SAFE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_WINDOWS_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of `paint`; what is None is chosen when the model is known."""

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
                f"The id {self.id!r} is no safe folder name: letters, digits, dots, underscores "
                "and hyphens are allowed, at most 100."
            )
        if self.sampler is not None and self.sampler not in list(Sampler):
            raise ValueError(f"The sampler is {self.sampler!r}; it must be {', '.join(Sampler)}.")
        if not 1 <= self.count <= MAX_PICTURES:
            raise ValueError(f"The count is {self.count}; it must be 1 to {MAX_PICTURES}.")
        if self.sketch is None and self.strength is not None:
            raise ValueError("A strength goes with a sketch: give both or neither.")
        if (self.subseed is None) != (self.subseed_strength is None):
            raise ValueError("A subseed and its strength go together: give both or neither.")


def orders(lines: str) -> list[Order]:
    """One order for each line that is not blank. Raises UsageError, which names the line."""
    found: dict[str, Order] = {}
    for number, line in enumerate(lines.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            order = msgspec.json.decode(line, type=Order)
        except (msgspec.MsgspecError, ValueError) as error:
            raise UsageError(f"Line {number} of the jobs is wrong: {error}") from error
        if order.id in found:
            raise UsageError(f"Line {number} of the jobs has the id of another line: {order.id}.")
        found[order.id] = order
    if not found:
        raise UsageError("The file of jobs is empty: one JSON object a line is expected.")
    return list(found.values())


def job(order: Order, card: ModelCard) -> Paint:
    """The order as the painter wants it. Raises UsageError, in words for the person."""
    try:
        sketch = _sketch(order.sketch)
        width, height = _size(order, sketch, card)
        source = png(fit(sketch, width, height)) if sketch else None
        return Paint(
            job=order.id,
            attempt=1,
            recipes=_recipes(order, card, (width, height), source),
            source=source,
            previews=False,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error


def _sketch(name: str | None) -> Image.Image | None:
    if name is None:
        return None
    try:
        with Path(name).open("rb") as file:
            return read(file.read(BYTES_LIMIT + 1))
    except OSError as error:
        raise BadSketch(f"The sketch {name} cannot be read: {error.strerror}.") from error


def _size(order: Order, sketch: Image.Image | None, card: ModelCard) -> tuple[int, int]:
    fallback = (
        size_for_init_image(*sketch.size, card.native_size)
        if sketch
        else (card.native_size, card.native_size)
    )
    width = fallback[0] if order.width is None else order.width
    height = fallback[1] if order.height is None else order.height
    if width * height > card.max_pixels:
        raise ValueError(
            f"{width} x {height} is too large for this model: {card.max_pixels} pixels are allowed."
        )
    return width, height


def _recipes(
    order: Order, card: ModelCard, size: tuple[int, int], source: bytes | None
) -> tuple[Recipe, ...]:
    """Pictures differ in their seeds; variations of one seed in their subseeds."""
    guidance = card.guidance if order.guidance is None else order.guidance
    strength = DEFAULT_STRENGTH if order.strength is None else order.strength
    first = Recipe(
        model=card.name,
        revision=card.revision,
        prompt=order.prompt,
        negative=order.negative,
        seed=secrets.randbelow(SEED_LIMIT) if order.seed is None else order.seed,
        subseed=order.subseed or 0,
        subseed_strength=order.subseed_strength or 0.0,
        steps=card.steps if order.steps is None else order.steps,
        guidance=guidance,
        sampler=Sampler(order.sampler or card.sampler),
        width=size[0],
        height=size[1],
        source=sha256(source) if source else None,
        strength=strength if source else None,
        row_class=ROW_CLASSES[0],
    )
    varied = "subseed" if first.subseed_strength > 0 else "seed"
    start = getattr(first, varied)
    return card.with_row_class(
        [
            msgspec.structs.replace(first, **{varied: (start + nth) % SEED_LIMIT})
            for nth in range(order.count)
        ]
    )
