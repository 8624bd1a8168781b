"""Unusual but valid files, which must be decoded correctly."""

from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageOps

from tests import png_parts
from tests.hostile_parts import (
    HEAD,
    IMAGE,
    JPEG,
    NOISE,
    ROWS,
    HostileFile,
    four_colours,
    indexed_rows,
    jpeg_segment,
    rows_of,
)
from tests.png_parts import GREY, GREY_ALPHA, PALETTE, RGB, SIGNATURE, chunk, header, png
from tests.samples import encoded


def oddities() -> Iterator[HostileFile]:
    """Images as written by cameras, printers and old programs."""
    yield from _rotated()
    yield from _colour_modes()
    yield from _transparency()
    yield from _animated()
    pixels = [[row[n : n + 3] for n in range(0, len(row), 3)] for row in ROWS]
    interlaced_png = png(header(64, 48, interlaced=True), png_parts.interlaced(pixels))
    yield HostileFile("interlaced PNG", interlaced_png, "image", image=IMAGE)
    progressive = encoded(IMAGE, "JPEG", progressive=True, quality=95, subsampling=0)
    yield HostileFile("progressive JPEG", progressive, "image", image=IMAGE)
    copies = encoded(IMAGE, "MPO", save_all=True, append_images=[NOISE], quality=95)
    yield HostileFile("JPEG with a copy", copies, "image", image=IMAGE)
    slices = b"".join(chunk(b"IDAT", bytes([byte])) for byte in _compressed_rows(ROWS))
    yield HostileFile(
        "PNG in slices", SIGNATURE + HEAD + slices + png_parts.END, "image", image=IMAGE
    )
    wide = four_colours(4000, 1000)
    yield HostileFile("wide PNG", encoded(wide), "image", image=wide.resize((2048, 512)))


def _compressed_rows(rows: list[bytes]) -> bytes:
    """The compressed data of a PNG of these rows."""
    data = png(HEAD, rows)
    start = data.index(b"IDAT")
    return data[start + 4 : start + 4 + int.from_bytes(data[start - 4 : start])]


def _rotated() -> Iterator[HostileFile]:
    for orientation in range(1, 9):
        for format in ("JPEG", "PNG", "WEBP"):
            exif = Image.Exif()
            exif[0x0112] = orientation
            options: dict[str, Any] = {"exif": exif, "lossless": True, "quality": 95}
            upright = IMAGE.copy()
            upright.getexif()[0x0112] = orientation
            data = encoded(IMAGE, format, **options)
            image = ImageOps.exif_transpose(upright)
            yield HostileFile(f"{format} rotated by {orientation}", data, "image", image=image)
    for name, body in {
        "0": _exif_with(0),
        "9": _exif_with(9),
        "65535": _exif_with(65535),
        "damage": b"Exif\0\0MM\0\x2a\xff\xff\xff\xff",
        "letters": b"Exif\0\0II\x2a\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0",
        "nothing": b"Exif\0\0",
        "nonsense": b"Exif\0\0" + bytes(range(256)) * 9,
    }.items():
        data = JPEG[:2] + jpeg_segment(0xE1, body) + JPEG[2:]
        yield HostileFile(f"JPEG rotated by {name}", data, "image", image=IMAGE)


def _exif_with(orientation: int) -> bytes:
    return b"Exif\0\0MM\0\x2a\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1" + orientation.to_bytes(2) + bytes(6)


def _colour_modes() -> Iterator[HostileFile]:
    grey = IMAGE.convert("L")
    expected = grey.convert("RGB")
    yield HostileFile("grey PNG", encoded(grey), "image", image=expected)
    yield HostileFile("grey JPEG", encoded(grey, "JPEG", quality=95), "image", image=expected)
    black = grey.point(lambda level: 255 if level > 100 else 0).convert("1")
    yield HostileFile("PNG in 1 bit", encoded(black), "image", image=black.convert("RGB"))
    deep = [bytes(byte for level in row for byte in (level, 0x55)) for row in rows_of(grey)]
    yield HostileFile(
        "grey in 16 bits", png(header(64, 48, 16, GREY), deep), "image", image=expected
    )
    deep = [bytes(byte for level in row for byte in (level, 0xAA)) for row in ROWS]
    yield HostileFile("colour in 16 bits", png(header(64, 48, 16, RGB), deep), "image", image=IMAGE)
    printed = IMAGE.convert("CMYK")
    expected = printed.convert("RGB")
    yield HostileFile("CMYK", encoded(printed, "JPEG", quality=95), "image", image=expected)
    yield HostileFile("YCCK", _ycck(), "image", image=IMAGE)
    plain = encoded(IMAGE, "JPEG", quality=95, keep_rgb=True)
    yield HostileFile("JPEG in RGB", plain, "image", image=IMAGE)
    for bits in (1, 2, 4, 8):
        table = four_colours(64, 40 + bits).quantize(2 if bits == 1 else 4)
        data = encoded(table, bits=bits)
        yield HostileFile(f"palette in {bits} bits", data, "image", image=table.convert("RGB"))
    short = png(header(64, 48, 8, PALETTE), indexed_rows(), before=chunk(b"PLTE", b"\xff\0\0" * 2))
    yield HostileFile("palette that is too short", short, "either")
    odd = png(header(64, 48, 8, PALETTE), indexed_rows(), before=chunk(b"PLTE", b"\xff\0\0\1"))
    yield HostileFile("palette of four bytes", odd, "either")
    long = png(header(64, 48, 8, PALETTE), indexed_rows(), before=chunk(b"PLTE", bytes(3000)))
    yield HostileFile("palette that is too long", long, "either")


def _ycck() -> bytes:
    """Adobe's variant of CMYK: inverted, with luminance and chrominance instead of CMY.

    Pillow's writer inverts as well, but marks the file as plain CMYK: that byte is patched.
    """
    bands = [ImageOps.invert(band) for band in ImageOps.invert(IMAGE).convert("YCbCr").split()]
    inks = Image.merge("CMYK", (*bands, Image.new("L", IMAGE.size, 0)))
    data = encoded(inks, "JPEG", quality=95)
    adobe = data.index(b"Adobe")
    return data[: adobe + 11] + b"\2" + data[adobe + 12 :]


def _transparency() -> Iterator[HostileFile]:
    hole = Image.new("L", IMAGE.size, 255)
    hole.paste(0, (0, 0, 32, 24))  # the red quarter
    transparent = IMAGE.copy()
    transparent.putalpha(hole)
    with_hole = IMAGE.copy()
    with_hole.paste("white", (0, 0, 32, 24))
    yield HostileFile("PNG with alpha", encoded(transparent), "image", image=with_hole)
    webp = encoded(transparent, "WEBP", lossless=True)
    yield HostileFile("WebP with alpha", webp, "image", image=with_hole)
    half = IMAGE.copy()
    half.putalpha(128)
    blended = Image.blend(IMAGE, Image.new("RGB", IMAGE.size, "white"), 127 / 255)
    yield HostileFile("half transparent", encoded(half), "image", image=blended)
    grey = [
        bytes(byte for level in row for byte in (level, 128)) for row in rows_of(IMAGE.convert("L"))
    ]
    data = png(header(64, 48, 8, GREY_ALPHA), grey)
    expected = Image.blend(IMAGE.convert("L"), Image.new("L", IMAGE.size, 255), 127 / 255)
    yield HostileFile("grey with alpha", data, "image", image=expected.convert("RGB"))
    red = chunk(b"tRNS", b"\0\xff\0\0\0\0")
    data = png(HEAD, ROWS, before=red)
    yield HostileFile("PNG with one clear colour", data, "image", image=with_hole)
    deep = [bytes(byte for level in row for byte in (level, level)) for row in ROWS]
    data = png(header(64, 48, 16), deep, before=chunk(b"tRNS", b"\xff\xff\0\0\0\0"))
    yield HostileFile("16 bits with one clear colour", data, "image", image=with_hole)
    dark = [b"\x80\x80" * 32 + b"\x40\x40" * 32] * 48
    data = png(header(64, 48, 16, GREY), dark, before=chunk(b"tRNS", b"\x80\x80"))
    expected = Image.new("RGB", IMAGE.size, "white")
    expected.paste((0x40,) * 3, (32, 0, 64, 48))
    yield HostileFile("16 bits of grey with one clear level", data, "image", image=expected)
    for depth, rest in ((1, 0), (2, 1), (4, 4)):
        clear_level = bytes([0, 2 ** (depth - 1)])
        levels = "".join(f"{level:0{depth}b}" for level in [clear_level[1]] * 32 + [rest] * 32)
        row = int(levels, 2).to_bytes(8 * depth)
        data = png(header(64, 48, depth, GREY), [row] * 48, before=chunk(b"tRNS", clear_level))
        expected = Image.new("RGB", IMAGE.size, "white")
        expected.paste((rest * 255 // (2**depth - 1),) * 3, (32, 0, 64, 48))
        name = f"{depth} bits of grey with one clear level"
        yield HostileFile(name, data, "image", image=expected)
    inks = chunk(b"PLTE", b"\0\0\xff" * 16) + chunk(b"tRNS", b"\xff" * 4 + b"\0")
    data = png(header(64, 48, 4, PALETTE), [b"\x44" * 16 + b"\x55" * 16] * 48, before=inks)
    expected = Image.new("RGB", IMAGE.size, "white")
    expected.paste("blue", (32, 0, 64, 48))
    yield HostileFile("4 bits of a palette with one clear index", data, "image", image=expected)
    colours = chunk(b"PLTE", b"\xff\0\0\0\xff\0\0\0\xff\0\0\0") + chunk(b"tRNS", b"\0\x80")
    stripes = [b"\0" * 16 + b"\1" * 16 + b"\2" * 16 + b"\3" * 16] * 48
    data = png(header(64, 48, 8, PALETTE), stripes, before=colours)
    expected = Image.new("RGB", IMAGE.size, "white")
    expected.paste((127, 255, 127), (16, 0, 32, 48))
    expected.paste("blue", (32, 0, 48, 48))
    expected.paste("black", (48, 0, 64, 48))
    yield HostileFile("palette with alpha", data, "image", image=expected)


def _animated() -> Iterator[HostileFile]:
    frames = [Image.new("RGB", IMAGE.size, colour) for colour in ("black", "yellow")]
    for format in ("PNG", "WEBP"):
        animation = encoded(IMAGE, format, save_all=True, append_images=frames, lossless=True)
        yield HostileFile(f"animated {format}", animation, "image", image=IMAGE)
    still = encoded(IMAGE, "PNG", save_all=True, append_images=frames, default_image=True)
    yield HostileFile("animated PNG with a still", still, "image", image=IMAGE)
