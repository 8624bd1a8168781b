"""Parts of valid and invalid image files."""

from typing import Final, Literal, NamedTuple

from PIL import Image, ImageDraw

from tests.png_parts import header
from tests.samples import encoded

PAYLOAD: Final = b"PAYLOAD-7c1d"
"""Hidden in the files; it must not appear in stored files."""
Expected = Literal["image", "refused", "either"]


class HostileFile(NamedTuple):
    """A file, and the result that is expected."""

    name: str
    data: bytes
    expected: Expected
    reason: str = ""
    """A part of the expected refusal."""
    image: Image.Image | None = None
    """The expected pixels; None if they are not checked."""


def four_colours(width: int = 64, height: int = 48) -> Image.Image:
    """An image without symmetry."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill="red")
    draw.rectangle((width // 2, 0, width - 1, height // 2 - 1), fill="green")
    draw.rectangle((0, height // 2, width // 2 - 1, height - 1), fill="blue")
    return image


def rows_of(image: Image.Image) -> list[bytes]:
    """The bytes of each row of pixels."""
    data = image.tobytes()
    stride = len(data) // image.height
    return [data[start : start + stride] for start in range(0, len(data), stride)]


IMAGE: Final = four_colours()
ROWS: Final = rows_of(IMAGE)
HEAD: Final = header(64, 48)
PNG: Final = encoded(IMAGE)
JPEG: Final = encoded(IMAGE, "JPEG", quality=95, subsampling=0)
WEBP: Final = encoded(IMAGE, "WEBP", lossless=True)
NOISE: Final = Image.effect_noise((200, 200), 80).convert("RGB")


def indexed_rows() -> list[bytes]:
    """The rows of an image of 64 x 48 pixels with the palette indices 0 to 3."""
    return [bytes(n % 4 for n in range(64))] * 48


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP file of these chunks."""
    body = b"".join(
        kind + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def webp_canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The chunk with the size of a WebP."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + size


def webp_bitstream() -> tuple[bytes, bytes]:
    """The chunk with the pixels of IMAGE."""
    return b"VP8L", WEBP[20:]


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """A marker segment of a JPEG file."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body


def jpeg_frame(marker: int, width: int, height: int) -> bytes:
    """A JPEG's frame header, with one grey channel."""
    return jpeg_segment(marker, b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\1\1\x11\0")
