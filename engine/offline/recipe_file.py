"""Recipe files, as `paint` writes them, and the input images that their recipes name."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image

from engine.contract import (
    Capture,
    Inpaint,
    Paint,
    Recipe,
    Work,
    pixels_sha256,
    sha256,
)
from engine.contract.images.encode import encode_png
from engine.contract.images.fit import resize_and_crop
from engine.contract.images.refusals import InvalidImage
from engine.contract.wire import MAX_FRAME_BYTES
from engine.core.job_files import NO_FILES, JobWithFiles
from engine.errors import UsageError
from engine.imaging.init_image import decode_mask, decode_source
from engine.imaging.masks import fit_mask

JOB_ID: Final = "recipes"


def parse_recipe_file(text: str) -> list[Work]:
    """A recipe for each line that is not blank. Raises UsageError with the line's number."""
    works: list[Work] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            works.append(msgspec.json.decode(line, type=Work))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise UsageError(f"Line {number} of the recipe file is invalid: {error}") from error
    if not works:
        raise UsageError("The recipe file is empty; it must have one recipe per line.")
    return works


def to_job(
    works: Sequence[Work],
    inputs: Path | None,
    painted: Mapping[str, bytes] = NO_FILES,
    *,
    film: bool = False,
) -> JobWithFiles:
    """One job of these recipes, with their input images from the folder `inputs`.

    `painted` has input images by the digests that recipes name. Raises UsageError if one is
    missing.
    """
    by_digest: dict[str, bytes] = {
        digest: painted[digest] for work in works for digest in work.images if digest in painted
    }
    for work in works:
        for digest in work.images:
            if digest not in by_digest:
                by_digest[digest] = _input_file(work, digest, inputs)
    files = {sha256(data): data for data in by_digest.values()}
    paint = Paint(
        job=JOB_ID,
        attempt=1,
        recipes=tuple(works),
        inputs=tuple(files),
        capture=Capture(previews=False, film=film),
    )
    return JobWithFiles(paint, files)


def _input_file(work: Work, digest: str, folder: Path | None) -> bytes:
    if folder is None:
        raise UsageError(
            f"A recipe has the input image {digest[:12]}; name the folder that has it with "
            "--inputs."
        )
    try:
        for data in _files(folder, digest):
            if sha256(data) == digest:
                return data
            converted = _converted(work, digest, data)
            if converted is not None:
                return converted
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}.") from error
    raise UsageError(f"The input image {digest[:12]} of a recipe is not in {folder}.")


def _files(folder: Path, digest: str) -> Iterator[bytes]:
    """The contents of the folder's files, first of the one that is named like the digest."""
    paths = sorted(folder.iterdir(), key=lambda path: (path.stem != digest, path.name))
    for path in paths:
        if path.is_file() and path.stat().st_size <= MAX_FRAME_BYTES:
            yield path.read_bytes()


def _converted(work: Work, digest: str, data: bytes) -> bytes | None:
    """The PNG of this digest that the image becomes; None if it becomes another one.

    Init images, masks and control images are in the size of the recipe, and references in their
    own. The input of an enlargement is named by the digest of its pixels.
    """
    try:
        image = decode_source(data)
        masks = [decode_mask(data)] if _has_mask(work) else []
    except InvalidImage:
        return None
    fitted: list[Image.Image] = []
    if isinstance(work, Recipe):
        fitted = [resize_and_crop(image, *work.size)]
        fitted += [fit_mask(mask, *work.size) for mask in masks]
    elif pixels_sha256(image) == digest:
        return data
    for png in map(encode_png, [*fitted, image]):
        if sha256(png) == digest:
            return png
    return None


def _has_mask(work: Work) -> bool:
    return isinstance(work, Recipe) and isinstance(work.source, Inpaint)
