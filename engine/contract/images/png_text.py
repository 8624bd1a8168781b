"""Read and write the texts inside of a PNG file (PNG specification, third edition, 11.3.3).

Reading takes any file from strangers: it looks at no more chunks, and unpacks no more bytes, than
the limits here allow. Pixels are neither decoded nor changed.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

MAX_TEXT_BYTES: Final = 512 * 1024
"""Of one text that is read or written."""
_MAX_CHUNKS: Final = 20_000
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEAD: Final = struct.Struct(">I4s")
_CRC_BYTES: Final = 4
_TEXT_TYPES: Final = (b"tEXt", b"zTXt", b"iTXt")
_MAX_KEYWORD_BYTES: Final = 79
_MAX_HEAD_BYTES: Final = 1024
_LATIN_1: Final = "latin-1"


class BadText(ValueError):
    """The texts of a file cannot be read; the message is a sentence for the user."""


class _Chunk(NamedTuple):
    type: bytes
    start: int
    """Of the chunk's head, in the file."""
    data: memoryview

    @property
    def end(self) -> int:
        """The position after the chunk."""
        return self.start + _HEAD.size + len(self.data) + _CRC_BYTES

    @property
    def keyword(self) -> str:
        """Of a text."""
        return bytes(self.data[: _MAX_KEYWORD_BYTES + 1]).partition(b"\0")[0].decode(_LATIN_1)


def is_png(data: bytes) -> bool:
    """Whether a file begins like a PNG."""
    return data.startswith(_SIGNATURE)


def read_texts(png: bytes, keywords: Iterable[str]) -> dict[str, str]:
    """The texts with these keywords; of several with one keyword, the first.

    Raises BadText if the file is no PNG, or if such a text is damaged or too long.
    """
    allowed = frozenset(keywords)
    texts: dict[str, str] = {}
    for chunk in _chunks(png):
        if chunk.type in _TEXT_TYPES and chunk.keyword in allowed and chunk.keyword not in texts:
            texts[chunk.keyword] = _text(chunk)
    return texts


def with_texts(png: bytes, texts: Mapping[str, str]) -> bytes:
    """The PNG with these texts, in place of others with the same keywords.

    A text in Latin-1 is written as tEXt and another as iTXt, as Pillow does. Raises BadText if the
    file is no PNG, and ValueError for a text that is too long or a keyword that PNG does not allow.
    """
    parts: list[bytes] = [_SIGNATURE]
    for chunk in _chunks(png):
        if chunk.type in _TEXT_TYPES and chunk.keyword in texts:
            continue
        parts.append(png[chunk.start : chunk.end])
        if chunk.type == b"IHDR":
            parts += [_packed(keyword, text) for keyword, text in texts.items()]
    return b"".join(parts)


def _chunks(png: bytes) -> Iterator[_Chunk]:
    """The chunks up to IEND, or up to the first one that is cut off."""
    if not is_png(png):
        raise BadText("This file is not a PNG picture.")
    view, position = memoryview(png), len(_SIGNATURE)
    for _ in range(_MAX_CHUNKS):
        if position + _HEAD.size > len(png):
            return
        length, type = _HEAD.unpack_from(png, position)
        start = position + _HEAD.size
        if start + length + _CRC_BYTES > len(png):
            return
        chunk = _Chunk(type, position, view[start : start + length])
        yield chunk
        position = chunk.end
        if type == b"IEND":
            return
    raise BadText("This PNG has too many parts.")


def _text(chunk: _Chunk) -> str:
    keyword_end = len(chunk.keyword) + 1
    body = chunk.data[keyword_end:]
    if chunk.type == b"tEXt":
        return _checked(body).decode(_LATIN_1)
    if chunk.type == b"zTXt":  # one byte says how it is compressed
        return _unpacked(body[1:]).decode(_LATIN_1)
    is_compressed, content = bytes(body[:1]) == b"\1", body[_international_head(body) :]
    return _utf_8(_unpacked(content) if is_compressed else _checked(content))


def _international_head(body: memoryview) -> int:
    """Bytes before the text of an iTXt: flag, method, language tag and translated keyword."""
    head = bytes(body[:_MAX_HEAD_BYTES])
    language_end = head.find(b"\0", 2)
    keyword_end = head.find(b"\0", language_end + 1)
    if language_end < 0 or keyword_end < 0:
        raise BadText("The text inside of this PNG is damaged.")
    return keyword_end + 1


def _checked(data: memoryview) -> bytes:
    if len(data) > MAX_TEXT_BYTES:
        raise _too_long()
    return bytes(data)


def _unpacked(data: memoryview) -> bytes:
    if len(data) > MAX_TEXT_BYTES:
        raise _too_long()
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_TEXT_BYTES + 1)
    except zlib.error as error:
        raise BadText("The text inside of this PNG is damaged.") from error
    if len(text) > MAX_TEXT_BYTES:
        raise _too_long()
    return text


def _too_long() -> BadText:
    return BadText(
        f"The text inside of this PNG is too long; at most {MAX_TEXT_BYTES // 1024} KiB are read."
    )


def _utf_8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadText("The text inside of this PNG is damaged.") from error


def _packed(keyword: str, text: str) -> bytes:
    """A chunk with this text, without the zero bytes that PNG does not allow."""
    key = keyword.encode(_LATIN_1)
    if not 1 <= len(key) <= _MAX_KEYWORD_BYTES:
        raise ValueError(f"a keyword of {len(key)} bytes")
    text = text.replace("\0", "")
    try:
        type, data = b"tEXt", key + b"\0" + text.encode(_LATIN_1)
    except UnicodeEncodeError:
        type, data = b"iTXt", key + b"\0\0\0\0\0" + text.encode(errors="replace")
    if len(data) - len(key) > MAX_TEXT_BYTES:
        raise ValueError(f"a text of {len(data)} bytes")
    return _HEAD.pack(len(data), type) + data + zlib.crc32(type + data).to_bytes(_CRC_BYTES)
