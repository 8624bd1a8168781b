"""Small files that would take much memory or time to decode."""

from collections.abc import Iterator

from PIL import Image

from tests import png_parts
from tests.hostile_parts import (
    HEAD,
    IMAGE,
    JPEG,
    PNG,
    ROWS,
    HostileFile,
    jpeg_frame,
    jpeg_segment,
    riff,
    webp_canvas,
)
from tests.png_parts import GREY, RGBA, SIGNATURE, chunk, header, png
from tests.samples import encoded


def bombs() -> Iterator[HostileFile]:
    """Files with a large number of pixels, texts, frames or scans."""
    large = "at most 25 million pixels"
    yield HostileFile("13000 x 13000 in 1 bit", png_parts.bomb(13000), "refused", large)
    yield HostileFile("one row too many", png(header(5000, 5001), []), "refused", large)
    yield HostileFile("as many pixels as allowed", png_parts.bomb(5000), "image")
    tape = png(header(60000, 8, 1, GREY), [bytes(7500)] * 8)
    yield HostileFile("as thin as a tape", tape, "image")
    for format, options in {"JPEG": {"progressive": True}, "WEBP": {"lossless": True}}.items():
        data = encoded(
            Image.new("RGBA" if format == "WEBP" else "CMYK", (5000, 5000)), format, **options
        )
        yield HostileFile(f"as many pixels as allowed, {format}", data, "image")
    deep = SIGNATURE + header(2000, 2000, 16, RGBA) + chunk(b"IDAT", png_parts.zeros(2000 * 16001))
    yield HostileFile("16 bits of much", deep + png_parts.END, "image")
    more = SIGNATURE + HEAD + chunk(b"IDAT", png_parts.zeros(400 << 20)) + png_parts.END
    yield HostileFile("more rows than the header says", more, "either")
    compressed = png_parts.zeros(200 << 20)
    for kind, body in {
        "zTXt": b"Comment\0\0" + compressed,
        "iTXt": b"Comment\0\1\0\0\0" + compressed,
        "iCCP": b"profile\0\0" + compressed,
    }.items():
        bomb = chunk(kind.encode(), body)
        yield HostileFile(f"{kind} bomb", png(HEAD, ROWS, before=bomb), "either")
        yield HostileFile(f"{kind} bomb at the end", png(HEAD, ROWS, after=bomb), "either")
    texts = b"".join(
        chunk(b"zTXt", b"c%d\0\0" % n + png_parts.zeros(1_000_000)) for n in range(500)
    )
    yield HostileFile("half a gigabyte of text", png(HEAD, ROWS, before=texts), "either")
    yield HostileFile(
        "half a million empty chunks", png(HEAD, ROWS, before=chunk(b"teSt") * 500_000), "either"
    )
    yield HostileFile("APNG of 100000 frames", _apng_bomb(100_000), "image", image=IMAGE)
    yield HostileFile("WebP of 100000 frames", _webp_bomb(100_000), "either")
    yield HostileFile("JPEG of thousands of scans", jpeg_of_scans(), "refused", "too long")
    yield HostileFile("JPEG of ten megabytes of padding", _jpeg_of_padding(), "either")
    yield HostileFile("11 MiB", PNG + bytes(11 << 20), "refused", "10 MiB are allowed")


def _apng_bomb(frames: int) -> bytes:
    def control(number: int, width: int, height: int) -> bytes:
        numbers = b"".join(n.to_bytes(4) for n in (number, width, height, 0, 0))
        return chunk(b"fcTL", numbers + b"\0\1\0\1\0\0")

    pixel = chunk(b"fdAT", bytes(4) + b"x\x9cc\x60\x60\x60\0\0\0\4\0\1")
    animation = chunk(b"acTL", frames.to_bytes(4) + bytes(4)) + control(0, 64, 48)
    later = b"".join(control(n, 1, 1) + pixel for n in range(1, frames))
    return png(HEAD, ROWS, before=animation, after=later)


def _webp_bomb(frames: int) -> bytes:
    pixel = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = bytes(12) + bytes([1, 0, 0, 0]) + pixel
    return riff(webp_canvas(64, 48, 2), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames)


def jpeg_of_scans(scans: int = 100_000) -> bytes:
    """A file that takes very long to decode, as its scans take a few bytes each.

    Each scan leaves 390625 blocks of 8 x 8 pixels unchanged.
    """
    tables = jpeg_segment(0xDB, b"\0" + b"\1" * 64) + jpeg_segment(
        0xC4, b"\x10\1" + bytes(15) + b"\xe0"
    )
    runs = b"\x7f\xfe" * 24  # of 32767 blocks each: code 0, and 14 bits of length
    scan = jpeg_segment(0xDA, b"\1\1\0\1\x3f\0") + runs
    return b"\xff\xd8" + tables + jpeg_frame(0xC2, 5000, 5000) + scan * scans + b"\xff\xd9"


def _jpeg_of_padding() -> bytes:
    return JPEG[:2] + b"\xff" * 9_000_000 + JPEG[2:]
