"""Read the width and height of an image or a video from its header."""

import struct

JPEG_FRAMES = {0xC0, 0xC1, 0xC2}  # start-of-frame markers: baseline, extended, progressive


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height in pixels, or None if it is no valid PNG, GIF, JPEG, WebP or MP4."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", data[16:24])
            return width, height
        if data[:6] in (b"GIF87a", b"GIF89a"):
            width, height = struct.unpack("<HH", data[6:10])
            return width, height
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[4:8] == b"ftyp":
            return _mp4(data)
    except (struct.error, IndexError):
        return None
    return None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    offset = 2
    while data[offset] == 0xFF:
        marker, length = struct.unpack(">BH", data[offset + 1 : offset + 4])
        if marker in JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[offset + 5 : offset + 9])
            return width, height
        offset += 2 + length
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    chunk_type = data[12:16]
    if chunk_type == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        return width, int.from_bytes(data[27:30], "little") + 1
    if chunk_type == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk_type == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _mp4(data: bytes) -> tuple[int, int] | None:
    """The size in the first track's header (`tkhd` of ISO/IEC 14496-12), in 16.16 fixed point."""
    position = data.find(b"tkhd")
    if position < 0:
        return None
    width, height = struct.unpack(">II", data[position + 80 : position + 88])
    return width >> 16, height >> 16
