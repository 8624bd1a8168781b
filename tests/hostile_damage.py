"""Files with false headers, truncated files and files with wrong bits."""

from collections.abc import Iterator

from tests import png_parts
from tests.hostile_parts import (
    HEAD,
    IMAGE,
    JPEG,
    NOISE,
    PNG,
    ROWS,
    WEBP,
    HostileFile,
    indexed_rows,
    jpeg_frame,
    jpeg_segment,
    riff,
    webp_bitstream,
    webp_canvas,
)
from tests.png_parts import GREY, PALETTE, RGB, SIGNATURE, chunk, header, png
from tests.samples import encoded


def false_headers() -> Iterator[HostileFile]:
    """Headers with a wrong size or length."""
    large = "at most 25 million pixels"
    for width, height in [(2**31 - 1, 2**31 - 1), (2**32 - 1, 2**32 - 1), (65536, 65536)]:
        yield HostileFile(f"PNG of {width}", png(header(width, height), ROWS), "refused", large)
    yield HostileFile("PNG of no width", png(header(0, 48), ROWS), "refused")
    yield HostileFile("PNG of no height", png(header(64, 0), ROWS), "refused")
    yield HostileFile("PNG of one pixel", png(header(1, 1), [bytes(3)]), "refused", "at least 8")
    yield HostileFile("PNG of too few rows", png(header(64, 480), ROWS), "either")
    for colour, depth in [(RGB, 3), (7, 8), (PALETTE, 16), (GREY, 0)]:
        data = png(header(64, 48, depth, colour), ROWS)
        yield HostileFile(f"PNG of colour type {colour} in {depth} bits", data, "refused")
    yield HostileFile(
        "PNG of unknown interlacing", png(_header_with(interlacing=9), ROWS), "either"
    )
    yield HostileFile(
        "PNG of unknown compression", png(_header_with(compression=9), ROWS), "either"
    )
    for width, height in [(65500, 65500), (65535, 65535)]:
        data = b"\xff\xd8" + jpeg_frame(0xC0, width, height) + jpeg_segment(0xDA, b"\1\1\0\0\x3f\0")
        yield HostileFile(f"JPEG of {width}", data + bytes(99) + b"\xff\xd9", "refused", large)
    flat = JPEG.replace(b"\xff\xc0\0\x11\x08\0\x30", b"\xff\xc0\0\x11\x08\0\0")
    yield HostileFile("JPEG of no height", flat, "refused")
    tall = JPEG.replace(b"\xff\xc0\0\x11\x08\0\x30", b"\xff\xc0\0\x11\x08\x27\x10")
    yield HostileFile("JPEG of too few rows", tall, "either")
    for kind, first in {
        "VP8X": webp_canvas(16383, 16383),
        "VP8L": (b"VP8L", b"\x2f\xfe\xff\xff\x0f" + bytes(20)),
        "VP8": (b"VP8 ", b"\x30\1\0\x9d\1\x2a\xff\x3f\xff\x3f" + bytes(20)),
    }.items():
        yield HostileFile(f"{kind} of 16383", riff(first), "refused", large)
    yield HostileFile(
        "WebP larger than its canvas", riff(webp_canvas(16, 16), webp_bitstream()), "refused"
    )
    yield HostileFile(
        "WebP smaller than its canvas",
        riff(webp_canvas(4000, 4000), webp_bitstream()),
        "refused",
    )
    yield HostileFile("WebP longer than it is", WEBP[:4] + b"\xff" * 4 + WEBP[8:], "refused")
    yield HostileFile("WebP shorter than it is", WEBP[:4] + b"\1\0\0\0" + WEBP[8:], "refused")


def _header_with(compression: int = 0, interlacing: int = 0) -> bytes:
    body = (64).to_bytes(4) + (48).to_bytes(4) + bytes([8, RGB, compression, 0, interlacing])
    return chunk(b"IHDR", body)


def truncated() -> Iterator[HostileFile]:
    """Files cut at many offsets."""
    for format in ("PNG", "JPEG", "WEBP"):
        data = encoded(NOISE, format)
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            part = data[: int(len(data) * share)]
            yield HostileFile(f"{format} cut at {share}", part, "refused", "PNG, JPEG, WebP")
        yield HostileFile(f"{format} without its last byte", data[:-1], "refused", "truncated")
        yield HostileFile(f"{format} without its last 12 bytes", data[:-12], "refused", "truncated")
    progressive = encoded(NOISE, "JPEG", progressive=True)
    yield HostileFile("progressive JPEG cut", progressive[: len(progressive) // 2], "refused")
    for format in ("PNG", "WEBP"):
        animation = encoded(
            IMAGE, format, save_all=True, append_images=[NOISE.resize((64, 48))] * 3
        )
        yield HostileFile(
            f"animated {format} cut in a later frame", animation[:-60], "refused", "truncated"
        )
    yield HostileFile("PNG without a picture", SIGNATURE + HEAD + png_parts.END, "refused")
    yield HostileFile("PNG without a header", png(b"", ROWS), "refused")
    yield HostileFile(
        "PNG without a palette", png(header(64, 48, 8, PALETTE), indexed_rows()), "either"
    )
    yield HostileFile(
        "JPEG without tables", b"\xff\xd8" + JPEG[JPEG.index(b"\xff\xc0") :], "refused"
    )


def corrupted() -> Iterator[HostileFile]:
    """Files with flipped bits, holes and misplaced parts."""
    damaged = "damaged or truncated"
    idat = PNG.index(b"IDAT")
    for name, offset in {"header": 20, "data": idat + 40, "checksum": len(PNG) - 14}.items():
        data = bytearray(PNG)
        data[offset] ^= 0x10
        yield HostileFile(f"PNG with a wrong bit in its {name}", bytes(data), "refused", damaged)
    noisy = encoded(NOISE, "WEBP", lossless=True)
    middle = len(noisy) // 2
    damaged_file = noisy[:middle] + bytes(200) + noisy[middle + 200 :]
    yield HostileFile("WebP with a hole", damaged_file, "either")
    photo = encoded(NOISE, "JPEG")
    middle = len(photo) // 2
    damaged_file = photo[:middle] + bytes(200) + photo[middle + 200 :]
    yield HostileFile("JPEG with a hole", damaged_file, "either")
    yield HostileFile("JPEG in two halves", JPEG[:-400] + b"\xff\xd9" + JPEG[-400:], "either")
    yield HostileFile("PNG with two headers", png(HEAD + header(9, 9), ROWS), "either")
    yield HostileFile(
        "Apple's PNG variant", png(chunk(b"CgBI", b"\x50\0\x20\2") + HEAD, ROWS), "either"
    )
    swapped = PNG.replace(b"\r\n\x1a\n", b"\n\x1a\n", 1)
    yield HostileFile("PNG sent as text", swapped, "refused", "not an image")
