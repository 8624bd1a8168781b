"""The input images of a job spec: read from files, and named by their digests."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from engine.contract import ReferenceRole, sha256
from engine.contract.images.encode import encode_png
from engine.contract.images.refusals import MAX_FILE_BYTES, InvalidImage
from engine.imaging.init_image import decode, decode_mask
from engine.weights.checkpoints import SUFFIX
from engine.weights.model_folder import is_pickle


class ScaledFile(NamedTuple):
    """A file with a scale, as `FILE` or `FILE:SCALE` on the command line."""

    name: str
    scale: float = 1.0

    @classmethod
    def parse(cls, text: str) -> "ScaledFile":
        """The file and its scale; what follows the last colon is a scale if it is a number."""
        name, colon, scale = text.rpartition(":")
        if not colon:
            return cls(text)
        try:
            value = float(scale)
        except ValueError:
            return cls(text)
        if not math.isfinite(value):
            raise ValueError(f"The scale of {name} is {scale}; it must be a number.")
        return cls(name, value)


def lora_name(file: ScaledFile) -> str:
    """The name of a LoRA that is given as a file, or by its name."""
    path = Path(file.name)
    return path.stem if path.suffix.lower() == SUFFIX or is_pickle(path) else file.name


def lora_files(texts: Sequence[str]) -> list[Path]:
    """The files of LoRAs that are given as `FILE` or `FILE:SCALE`, without those that are given by
    their names. Raises ValueError for a scale that is no number."""
    files = (ScaledFile.parse(text) for text in texts)
    return list(dict.fromkeys(Path(file.name) for file in files if file.name != lora_name(file)))


def parse_control(text: str) -> tuple[str, ScaledFile]:
    """Kind and file of a control, `KIND=FILE` or `KIND=FILE:SCALE`. Raises ValueError."""
    kind, equals, file = text.partition("=")
    if not (kind and equals and file):
        raise ValueError(f"The control {text!r} must be KIND=FILE or KIND=FILE:SCALE.")
    return kind, ScaledFile.parse(file)


def parse_reference(text: str) -> tuple[ReferenceRole, ScaledFile]:
    """Role and file of a reference, `FILE` or `ROLE=FILE`, both with `:SCALE` or without; the role
    is `like` if none is named. Raises ValueError for a scale that is no number."""
    name, equals, file = text.partition("=")
    if equals and name in [*ReferenceRole]:
        return ReferenceRole(name), ScaledFile.parse(file)
    return ReferenceRole.LIKE, ScaledFile.parse(text)


def read_image(what: str, name: str) -> Image.Image:
    """The image in a file. Raises InvalidImage, with a sentence that says `what` it is."""
    return decode(_data(what, name))


def read_mask(name: str) -> Image.Image:
    """The mask in a file, white where a picture is painted. Raises InvalidImage."""
    return decode_mask(_data("mask", name))


def _data(what: str, name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            return file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InvalidImage(f"The {what} {name} cannot be read: {error.strerror}.") from error


class InputFiles:
    """The input images of a job as PNG files, by their digests."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def add(self, image: Image.Image) -> str:
        """Add an image, and return its digest."""
        data = encode_png(image)
        digest = sha256(data)
        self.files[digest] = data
        return digest
