"""Pictures as files for Discord, within its size limits: the grid of a job, or one picture."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Final, NamedTuple

from PIL import Image

from bot.domain.picture import Picture
from bot.domain.plan import Grid, Layout, Matrix
from bot.domain.visibility import VisiblePictures
from bot.errors import Refused
from bot.i18n import N_, _
from bot.messages import grid
from bot.messages.message_content import OutgoingFile
from bot.messages.upload_limits import BYTES_LIMIT, REQUEST_LIMIT
from bot.storage import FileMissing, FileStorage
from engine.contract import Work
from engine.contract.images import matrix
from engine.contract.images.encode import (
    MAX_WEBP_SIDE,
    encode_jpeg,
    encode_picture,
    encode_png,
    encode_webp,
)
from engine.contract.images.png_text import BadText
from engine.contract.metadata import exif_of, has_flow_schedule, with_metadata
from engine.contract.samplers import FLOW_SAMPLERS

_JPEG_QUALITY: Final = 92
_SHRINK_FACTOR: Final = 0.8
_MIN_SHRINK: Final = 0.25
"""The least width of a JPEG, as a part of the picture's."""
_WEBP: Final = N_("Sent as lossless WebP: a PNG would exceed the {limit} of a file here.")
_JPEG: Final = N_(
    "Sent as JPEG, with some loss: a lossless file would exceed the {limit} of a file here."
)
_SMALLER_JPEG: Final = N_(
    "Sent as JPEG of {width}x{height}: the whole picture would exceed the {limit} of a file here."
)
_NOTHING_FITS: Final = N_(
    "The picture fits no file that I may send here: at most {limit} are allowed."
)
_MIB: Final = 2**20
_KIB: Final = 2**10
GONE: Final = N_("file is gone")
"""What takes the place of a picture without a readable file."""
_MAX_FILES: Final = 10
"""Attachments of one message."""
_GRID: Final = Grid()
_DAMAGED: Final = N_("The picture's file in the data folder is damaged.")
_DECODE_ERRORS: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What Pillow raises for a damaged PNG."""


class FittedFile(NamedTuple):
    """A picture as a file that a message may have."""

    suffix: str
    """The extension of its name."""
    data: bytes
    note: str = ""
    """What the message says of its format; empty for a PNG."""


def grid_file(
    storage: FileStorage,
    visible: VisiblePictures,
    limit: int = BYTES_LIMIT,
    layout: Layout = _GRID,
) -> FittedFile:
    """The pictures of a job as one grid or matrix. Slow.

    Raises FileMissing if none of them has a file, or as `encode_within` does.
    """
    cells, errors = list[grid.Cell](), list[FileMissing]()
    for picture in visible.pictures:
        try:
            cells.append(picture.unavailable_reason or _decode(_shown(storage, picture)))
        except FileMissing as error:
            cells.append(_(GONE))
            errors.append(error)
    images = [cell for cell in cells if isinstance(cell, Image.Image)]
    if errors and not images:
        raise errors[0]
    size = max((cell.size for cell in images), default=visible.pictures[0].recipe.size)
    cells = [cell if isinstance(cell, str) else _enlarged(cell, size) for cell in cells]
    shown = [p for p in visible.pictures if p.unavailable_reason is None]
    return encode_within(
        _compose(cells, size, layout),
        limit,
        [picture.recipe for picture in shown],
        is_flow=bool(shown) and has_flow_model(storage, shown[0]),
    )


def has_flow_model(storage: FileStorage, picture: Picture) -> bool:
    """Whether the model of a picture is one with flow matching, as its stored file says. Slow."""
    if picture.recipe.recipe.sampler not in FLOW_SAMPLERS or picture.path is None:
        return False
    try:
        return has_flow_schedule(storage.picture(picture.path))
    except FileMissing:
        return False


def _shown(storage: FileStorage, picture: Picture) -> bytes:
    """The enlarged version of a picture if there is one, else its file.

    Raises FileMissing, also for a picture that has no file for this channel.
    """
    is_visible = picture.path is not None
    shown = storage.display_version(picture.job_id, picture.nth) if is_visible else None
    return storage.picture(picture.path or "") if shown is None else shown


def _enlarged(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A picture without an enlarged version, like others that have one."""
    scale = size[0] // image.width
    is_smaller = scale > 1 and (image.width * scale, image.height * scale) == size
    return image.resize(size, Image.Resampling.LANCZOS) if is_smaller else image


def _compose(cells: Sequence[grid.Cell], size: tuple[int, int], layout: Layout) -> Image.Image:
    if not isinstance(layout, Matrix):
        return grid.compose(cells, size)
    rows, columns = (matrix.Axis(axis.name, axis.labels) for axis in (layout.rows, layout.columns))
    return grid.compose_matrix(cells, size, rows, columns)


def picture_file(
    storage: FileStorage, visible: VisiblePictures, index: int = 0, limit: int = BYTES_LIMIT
) -> FittedFile:
    """One picture with its recipe, unchanged if it is small enough. Slow. Raises FileMissing, or as
    `encode_within` does.

    It is the stored file or, if there is one, its enlarged version.
    """
    picture = visible.pictures[index]
    stored, is_flow = _shown(storage, picture), has_flow_model(storage, picture)
    try:
        data = with_metadata(stored, [picture.recipe], is_flow=is_flow)
    except BadText as error:
        raise FileMissing(_(_DAMAGED)) from error
    if len(data) <= limit:
        return FittedFile("png", data)
    return encode_within(_decode(stored), limit, [picture.recipe], is_flow=is_flow)


def thumbnail(storage: FileStorage, picture: Picture, side: int) -> Image.Image:
    """A stored picture with sides of at most so many pixels. Slow. Raises FileMissing."""
    image = recorded_image(storage, picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image


def recorded_image(storage: FileStorage, picture: Picture) -> Image.Image:
    """The pixels of a stored picture, never those of its enlarged version. Slow. Raises FileMissing
    if the file is gone or damaged."""
    return _decode(storage.picture(picture.path or ""))


def encode_within(
    image: Image.Image,
    limit: int = BYTES_LIMIT,
    recipes: Sequence[Work] = (),
    *,
    is_flow: bool = False,
) -> FittedFile:
    """PNG if it fits, else lossless WebP, else JPEG, else a smaller JPEG; with these recipes.

    `is_flow` says that the model of the first recipe is one with flow matching. Raises Refused,
    with a sentence for everybody, if not even a JPEG of a quarter of its width fits.
    """
    for encode in (encode_picture, encode_png):
        data = with_metadata(encode(image), recipes, is_flow=is_flow)
        if len(data) <= limit:
            return FittedFile("png", data)
    exif = exif_of(recipes, is_flow=is_flow)
    webp = encode_webp(image, exif) if max(image.size) <= MAX_WEBP_SIDE else None
    if webp is not None and len(webp) <= limit:
        return FittedFile("webp", webp, _WEBP.format(limit=_size(limit)))
    return _lossy(image, limit, exif)


def _lossy(image: Image.Image, limit: int, exif: bytes) -> FittedFile:
    copy, note = image, _JPEG
    while len(data := encode_jpeg(copy, _JPEG_QUALITY, exif)) > limit:
        width, height = round(copy.width * _SHRINK_FACTOR), round(copy.height * _SHRINK_FACTOR)
        if width < image.width * _MIN_SHRINK or not height:
            raise Refused(_(_NOTHING_FITS).format(limit=_size(limit)))
        copy = image.resize((width, height), Image.Resampling.LANCZOS)
        note = _(_SMALLER_JPEG).format(width=width, height=height, limit="{limit}")
    return FittedFile("jpg", data, note.format(limit=_size(limit)))


def _size(limit: int) -> str:
    """An upload limit in words."""
    return f"{limit / _MIB:.3g} MiB" if limit >= _MIB else f"{limit / _KIB:.3g} KiB"


def batch_by_size(
    files: Sequence[OutgoingFile], limit: int = REQUEST_LIMIT
) -> list[list[OutgoingFile]]:
    """The files in order, in as few groups as fit into one request each; at least one group."""
    groups: list[list[OutgoingFile]] = [[]]
    for file in files:
        size = sum(len(member.data) for member in groups[-1])
        if size + len(file.data) > limit or len(groups[-1]) == _MAX_FILES:
            groups.append([])
        groups[-1].append(file)
    return groups


def _decode(data: bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as image:
            return image.convert("RGB")
    except _DECODE_ERRORS as error:
        raise FileMissing(_(_DAMAGED)) from error
