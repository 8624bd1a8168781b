"""Pictures as files for Discord: the grid of a job, or one picture, never above a size limit."""

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Final

from PIL import Image

from bot.domain.visibility import Showing
from bot.messages import grid
from bot.messages.message_client import Upload
from bot.storage import FileMissing, FileStorage

BYTES_LIMIT: Final = 10 * 1024 * 1024
"""What Discord lets everybody upload in one file."""
REQUEST_LIMIT: Final = 24 * 1024 * 1024
"""What Discord takes in one request, less some room for words."""
_JPEG_QUALITY: Final = 92
_SHRINK: Final = 0.8
_DAMAGE: Final = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)
"""What Pillow raises when a PNG is not whole."""


def of_job(archive: FileStorage, showing: Showing) -> tuple[str, bytes]:
    """The pictures of a job as one grid: a file ending and the file. Slow. Raises FileMissing."""
    opened = [p.absence or _opened(archive.picture(p.path or "")) for p in showing.pictures]
    recipe = showing.pictures[0].recipe
    return encoded(grid.compose(opened, (recipe.width, recipe.height)))


def of_picture(archive: FileStorage, showing: Showing, nth: int = 0) -> tuple[str, bytes]:
    """One of the pictures, counted from 0, as it was painted if it is small enough. Slow. Raises
    FileMissing."""
    data = archive.picture(showing.pictures[nth].path or "")
    return ("png", data) if len(data) <= BYTES_LIMIT else encoded(_opened(data))


def encoded(picture: Image.Image, limit: int = BYTES_LIMIT) -> tuple[str, bytes]:
    """PNG if it fits, else JPEG, else a smaller JPEG."""
    data = _saved(picture, "PNG")
    if len(data) <= limit:
        return "png", data
    while len(data := _saved(picture, "JPEG", quality=_JPEG_QUALITY)) > limit:
        size = (int(picture.width * _SHRINK), int(picture.height * _SHRINK))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    return "jpg", data


def parcels(uploads: Sequence[Upload], limit: int = REQUEST_LIMIT) -> list[list[Upload]]:
    """The files in as few groups as fit into one request each; at least one group."""
    groups: list[list[Upload]] = [[]]
    for upload in uploads:
        if sum(len(other.data) for other in groups[-1]) + len(upload.data) > limit:
            groups.append([])
        groups[-1].append(upload)
    return groups


def _opened(data: bytes) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=("PNG",)) as picture:
            return picture.convert("RGB")
    except _DAMAGE as error:
        raise FileMissing("The picture's file in the data folder is damaged.") from error


def _saved(picture: Image.Image, format: str, **options: int) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()
