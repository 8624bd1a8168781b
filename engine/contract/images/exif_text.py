"""Read and write the texts inside of the EXIF data of JPEG and WebP files (Exif 3.0, CIPA DC-008).

A text for other programs is in UserComment, as AUTOMATIC1111's web UI writes it; one for this
program is in MakerNote. Reading takes any file from strangers: it looks at no more segments and
fields, and decodes no more bytes, than the limits here allow. Pixels are neither decoded nor
changed.
"""

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from PIL import Image

from engine.contract.images.png_text import MAX_TEXT_BYTES, BadText

MAX_EXIF_BYTES: Final = 60_000
"""Of the EXIF data that is written; a segment of a JPEG has at most 65,533."""
_MAX_SEGMENTS: Final = 20_000
_MAX_FIELDS: Final = 1_000
"""Of one directory."""
_EXIF_HEAD: Final = b"Exif\0\0"
_JPEG_HEAD: Final = b"\xff\xd8"
_APP1: Final = 0xE1
_LAST_MARKERS: Final = frozenset({0xD9, 0xDA})
"""End of the image, and start of its scans, which no EXIF data follows."""
_RIFF: Final = struct.Struct("<4sI4s")
_CHUNK: Final = struct.Struct("<4sI")
_EXIF_DIRECTORY: Final = 0x8769
_MAKER_NOTE: Final = 0x927C
_USER_COMMENT: Final = 0x9286
_OWNER: Final = b"imagine-bot\0"
"""Before the text in MakerNote, which each program writes as it likes."""
_BYTE_ORDERS: Final = {b"MM\0*": ">", b"II*\0": "<"}
_FIELD_BYTES: Final = 12
_INLINE_BYTES: Final = 4
_TYPE_BYTES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 7: 1}
"""Of a value of these types: BYTE, ASCII, SHORT, LONG and UNDEFINED."""
_CODE_BYTES: Final = 8
"""At the start of a UserComment: how the text is encoded."""
_ASCII: Final = b"ASCII\0\0\0"
_UNICODE: Final = b"UNICODE\0"
_UNDEFINED: Final = bytes(_CODE_BYTES)


class ExifTexts(NamedTuple):
    """The texts that are there; None for those that are not."""

    comment: str | None = None
    """In UserComment, for other programs."""
    note: str | None = None
    """In MakerNote, of this program."""


def is_jpeg_or_webp(data: bytes) -> bool:
    """Whether a file begins like one that may have EXIF data."""
    return data.startswith(_JPEG_HEAD) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def read_texts(data: bytes) -> ExifTexts:
    """The texts in the EXIF data of a JPEG or WebP file; none if it has no such data.

    Raises BadText, with a sentence for the user, if they are damaged or too long.
    """
    segments = _jpeg_exif(data) if data.startswith(_JPEG_HEAD) else _webp_exif(data)
    for segment in segments:
        try:
            return _texts(segment)
        except struct.error as error:
            raise _damaged() from error
    return ExifTexts()


def exif(comment: str, note: str) -> bytes:
    """EXIF data with these texts, as Pillow puts it into JPEG and WebP files.

    Without the note if both are too long for a JPEG, and empty if the comment alone is.
    """
    for texts in ((comment, note), (comment, "")):
        data = _EXIF_HEAD + _tiff(*texts)
        if len(data) <= MAX_EXIF_BYTES:
            return data
    return b""


def _tiff(comment: str, note: str) -> bytes:
    """In big-endian byte order, which programs that ignore the head expect of UTF-16 too."""
    image_file = Image.Exif()
    image_file.endian = ">"
    fields = image_file.get_ifd(_EXIF_DIRECTORY)
    fields[_USER_COMMENT] = _UNICODE + comment.encode("utf-16-be", errors="replace")
    if note:
        fields[_MAKER_NOTE] = _OWNER + note.encode(errors="replace")
    return image_file.tobytes().removeprefix(_EXIF_HEAD)


# Files


def _jpeg_exif(data: bytes) -> Iterator[memoryview]:
    """The EXIF data before the scans of a JPEG; nothing after a segment that is cut off."""
    view, position = memoryview(data), len(_JPEG_HEAD)
    for _ in range(_MAX_SEGMENTS):
        if position + 4 > len(data) or data[position] != 0xFF:  # of each marker
            return
        marker = data[position + 1]
        if marker == 0xFF:  # fill bytes may precede a marker
            position += 1
            continue
        if marker in _LAST_MARKERS:
            return
        length = int.from_bytes(data[position + 2 : position + 4])
        content = view[position + 4 : position + 2 + length]
        if marker == _APP1 and bytes(content[: len(_EXIF_HEAD)]) == _EXIF_HEAD:
            if len(content) < length - 2:
                raise _damaged()
            yield content[len(_EXIF_HEAD) :]
        position += 2 + max(2, length)
    raise BadText("This picture has too many parts.")


def _webp_exif(data: bytes) -> Iterator[memoryview]:
    """The EXIF data of a WebP."""
    view, position = memoryview(data), _RIFF.size
    for _ in range(_MAX_SEGMENTS):
        if position + _CHUNK.size > len(data):
            return
        name, length = _CHUNK.unpack_from(data, position)
        content = view[position + _CHUNK.size : position + _CHUNK.size + length]
        if name == b"EXIF":
            if len(content) < length:
                raise _damaged()
            has_head = bytes(content[: len(_EXIF_HEAD)]) == _EXIF_HEAD
            yield content[len(_EXIF_HEAD) :] if has_head else content
        position += _CHUNK.size + length + length % 2
    raise BadText("This picture has too many parts.")


# EXIF data


def _texts(tiff: memoryview) -> ExifTexts:
    """Raises BadText or struct.error."""
    order = _BYTE_ORDERS.get(bytes(tiff[:4]))
    if order is None:
        raise _damaged()
    (start,) = struct.unpack_from(f"{order}I", tiff, 4)
    pointer = _fields(tiff, start, order).get(_EXIF_DIRECTORY)
    if pointer is None:
        return ExifTexts()
    (start,) = struct.unpack_from(f"{order}I", pointer)
    fields = _fields(tiff, start, order)
    comment, note = fields.get(_USER_COMMENT), fields.get(_MAKER_NOTE)
    is_ours = note is not None and bytes(note[: len(_OWNER)]) == _OWNER
    return ExifTexts(
        comment=None if comment is None else _comment(comment, order),
        note=_utf_8(note[len(_OWNER) :]) if note is not None and is_ours else None,
    )


def _fields(tiff: memoryview, start: int, order: str) -> dict[int, memoryview]:
    """The values of the fields of a directory that this module knows."""
    (count,) = struct.unpack_from(f"{order}H", tiff, start)
    if count > _MAX_FIELDS:
        raise _damaged()
    values: dict[int, memoryview] = {}
    for nth in range(count):
        place = start + 2 + nth * _FIELD_BYTES
        tag, type, items = struct.unpack_from(f"{order}HHI", tiff, place)
        if tag in (_EXIF_DIRECTORY, _USER_COMMENT, _MAKER_NOTE) and type in _TYPE_BYTES:
            values.setdefault(tag, _value(tiff, place + 8, items * _TYPE_BYTES[type], order))
    return values


def _value(tiff: memoryview, place: int, size: int, order: str) -> memoryview:
    """Of this size; a value of more than four bytes is elsewhere."""
    if size > MAX_TEXT_BYTES:
        raise BadText(
            "The text inside of this picture is too long; at most "
            f"{MAX_TEXT_BYTES // 1024} KiB are read."
        )
    if size > _INLINE_BYTES:
        (place,) = struct.unpack_from(f"{order}I", tiff, place)
    if place + size > len(tiff):
        raise _damaged()
    return tiff[place : place + size]


def _comment(value: memoryview, order: str) -> str:
    """The text of a UserComment, without what pads it."""
    code, text = bytes(value[:_CODE_BYTES]), value[_CODE_BYTES:]
    if code == _UNICODE:
        return _utf_16(bytes(text), order)
    if code in (_ASCII, _UNDEFINED):
        return _utf_8(text)
    if len(value) <= _CODE_BYTES:
        return ""
    raise BadText("The text inside of this picture is in an encoding that I cannot read.")


def _utf_16(text: bytes, order: str) -> str:
    """By its byte order mark, or else in the order in which more of its letters are Latin ones.

    Programs disagree whether it is always big-endian; the order of the EXIF data decides if it
    does not matter.
    """
    for mark, codec in ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le")):
        if text.startswith(mark):
            return _decoded(text[len(mark) :], codec)
    zeros = {">": text[0::2].count(0), "<": text[1::2].count(0)}
    if zeros[">"] != zeros["<"]:
        order = max(zeros, key=lambda key: zeros[key])
    return _decoded(text, "utf-16-be" if order == ">" else "utf-16-le")


def _utf_8(text: memoryview) -> str:
    return _decoded(bytes(text), "utf-8")


def _decoded(text: bytes, codec: str) -> str:
    try:
        return text.decode(codec).rstrip("\0 ")
    except UnicodeDecodeError as error:
        raise _damaged() from error


def _damaged() -> BadText:
    return BadText("The text inside of this picture is damaged.")
