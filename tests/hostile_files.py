"""Files that nobody should have to decode, and odd ones that are harmless, all made here.

`python -m tests.hostile_files FOLDER` cleans all files there, as a bot does, one after another.
"""

import asyncio
import gzip
import sys
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
from PIL import Image, ImageDraw, ImageOps

from bot.attachments import sandbox, sanitize
from bot.errors import BotError
from bot.settings import sandbox_environment
from tests import png_parts
from tests.png_parts import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, SIGNATURE, chunk, header, png
from tests.samples import encoded

SANDBOX: Final = sandbox.decoder(sandbox_environment())
STOWAWAY: Final = b"STOWAWAY-7c1d"
"""Hidden wherever a file can hide something."""
Expected = Literal["picture", "refused", "either"]


class Hostile(NamedTuple):
    """A file, and what may come of it."""

    name: str
    data: bytes
    expected: Expected
    said: str = ""
    """Part of the sentence, if it is refused."""
    shows: Image.Image | None = None
    """What the picture must look like."""


class Outcome(msgspec.Struct):
    """What came of a file."""

    refusal: str | None
    seconds: float


class Peaks(msgspec.Struct):
    """The most memory in bytes: of the bot, or how much more than before, and of a sandbox."""

    bot: int
    sandbox: int


def corpus() -> list[Hostile]:
    """All of them; their names differ."""
    parts = (bombs, liars, cut_short, damaged, oddities, metadata, polyglots, strangers)
    return [file for part in parts for file in part()]


def view(width: int = 64, height: int = 48) -> Image.Image:
    """A picture that looks different from every side."""
    picture = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill="red")
    draw.rectangle((width // 2, 0, width - 1, height // 2 - 1), fill="green")
    draw.rectangle((0, height // 2, width // 2 - 1, height - 1), fill="blue")
    return picture


def rows_of(picture: Image.Image) -> list[bytes]:
    """Its bytes, line by line."""
    data = picture.tobytes()
    stride = len(data) // picture.height
    return [data[start : start + stride] for start in range(0, len(data), stride)]


VIEW: Final = view()
ROWS: Final = rows_of(VIEW)
HEAD: Final = header(64, 48)
PNG: Final = encoded(VIEW)
JPEG: Final = encoded(VIEW, "JPEG", quality=95, subsampling=0)
WEBP: Final = encoded(VIEW, "WEBP", lossless=True)
NOISE: Final = Image.effect_noise((200, 200), 80).convert("RGB")


# Bombs: small files that would take much


def bombs() -> Iterator[Hostile]:
    """Of pixels, of text, of frames, of scans."""
    large = "at most 25 million pixels"
    yield Hostile("13000 x 13000 in 1 bit", png_parts.bomb(13000), "refused", large)
    yield Hostile("one row too many", png(header(5000, 5001), []), "refused", large)
    yield Hostile("as many pixels as allowed", png_parts.bomb(5000), "picture")
    tape = png(header(60000, 8, 1, GREY), [bytes(7500)] * 8)
    yield Hostile("as thin as a tape", tape, "picture")
    for format, options in {"JPEG": {"progressive": True}, "WEBP": {"lossless": True}}.items():
        data = encoded(
            Image.new("RGBA" if format == "WEBP" else "CMYK", (5000, 5000)), format, **options
        )
        yield Hostile(f"as many pixels as allowed, {format}", data, "picture")
    deep = SIGNATURE + header(2000, 2000, 16, RGBA) + chunk(b"IDAT", png_parts.zeros(2000 * 16001))
    yield Hostile("16 bits of much", deep + png_parts.END, "picture")
    more = SIGNATURE + HEAD + chunk(b"IDAT", png_parts.zeros(400 << 20)) + png_parts.END
    yield Hostile("more rows than the header says", more, "either")
    packed = png_parts.zeros(200 << 20)
    for kind, body in {
        "zTXt": b"Comment\0\0" + packed,
        "iTXt": b"Comment\0\1\0\0\0" + packed,
        "iCCP": b"profile\0\0" + packed,
    }.items():
        poison = chunk(kind.encode(), body)
        yield Hostile(f"{kind} bomb", png(HEAD, ROWS, before=poison), "either")
        yield Hostile(f"{kind} bomb at the end", png(HEAD, ROWS, after=poison), "either")
    texts = b"".join(
        chunk(b"zTXt", b"c%d\0\0" % n + png_parts.zeros(1_000_000)) for n in range(500)
    )
    yield Hostile("half a gigabyte of text", png(HEAD, ROWS, before=texts), "either")
    yield Hostile(
        "no end of empty chunks", png(HEAD, ROWS, before=chunk(b"teSt") * 500_000), "either"
    )
    yield Hostile("APNG of 100000 frames", _apng_bomb(100_000), "picture", shows=VIEW)
    yield Hostile("WebP of 100000 frames", _webp_bomb(100_000), "either")
    yield Hostile("JPEG of thousands of scans", _jpeg_of_scans(100_000), "refused", "too long")
    yield Hostile("JPEG of ten megabytes of nothing", _jpeg_of_nothing(), "either")
    yield Hostile("11 MiB", PNG + bytes(11 << 20), "refused", "10 MiB are allowed")


def _apng_bomb(frames: int) -> bytes:
    def control(number: int, width: int, height: int) -> bytes:
        numbers = b"".join(n.to_bytes(4) for n in (number, width, height, 0, 0))
        return chunk(b"fcTL", numbers + b"\0\1\0\1\0\0")

    pixel = chunk(b"fdAT", bytes(4) + b"x\x9cc\x60\x60\x60\0\0\0\4\0\1")
    animation = chunk(b"acTL", frames.to_bytes(4) + bytes(4)) + control(0, 64, 48)
    later = b"".join(control(n, 1, 1) + pixel for n in range(1, frames))
    return png(HEAD, ROWS, before=animation, after=later)


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP file of these chunks."""
    body = b"".join(
        kind + len(data).to_bytes(4, "little") + data + bytes(len(data) % 2)
        for kind, data in chunks
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    """The chunk that tells a WebP's size."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + size


def _webp_bomb(frames: int) -> bytes:
    pixel = encoded(Image.new("RGB", (1, 1)), "WEBP", lossless=True)[12:]
    frame = bytes(12) + bytes([1, 0, 0, 0]) + pixel
    return riff(canvas(64, 48, 2), (b"ANIM", bytes(6)), *[(b"ANMF", frame)] * frames)


def segment(marker: int, body: bytes) -> bytes:
    """A part of a JPEG file."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body


def frame_of(marker: int, width: int, height: int) -> bytes:
    """A JPEG's header of one grey channel."""
    return segment(marker, b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\1\1\x11\0")


def _jpeg_of_scans(scans: int) -> bytes:
    """Each says, in a few bytes, that 390625 blocks of 8 x 8 stay as they are."""
    tables = segment(0xDB, b"\0" + b"\1" * 64) + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
    runs = b"\x7f\xfe" * 24  # of 32767 blocks each: code 0, and 14 bits of length
    scan = segment(0xDA, b"\1\1\0\1\x3f\0") + runs
    return b"\xff\xd8" + tables + frame_of(0xC2, 5000, 5000) + scan * scans + b"\xff\xd9"


def _jpeg_of_nothing() -> bytes:
    return JPEG[:2] + b"\xff" * 9_000_000 + JPEG[2:]


# Liars: files that say what is not so


def liars() -> Iterator[Hostile]:
    """About their size or their length."""
    large = "at most 25 million pixels"
    for width, height in [(2**31 - 1, 2**31 - 1), (2**32 - 1, 2**32 - 1), (65536, 65536)]:
        yield Hostile(f"PNG of {width}", png(header(width, height), ROWS), "refused", large)
    yield Hostile("PNG of no width", png(header(0, 48), ROWS), "refused")
    yield Hostile("PNG of no height", png(header(64, 0), ROWS), "refused")
    yield Hostile("PNG of one pixel", png(header(1, 1), [bytes(3)]), "refused", "at least 8")
    yield Hostile("PNG of too few rows", png(header(64, 480), ROWS), "either")
    for colour, depth in [(RGB, 3), (7, 8), (PALETTE, 16), (GREY, 0)]:
        data = png(header(64, 48, depth, colour), ROWS)
        yield Hostile(f"PNG of colour type {colour} in {depth} bits", data, "refused")
    yield Hostile("PNG of unknown interlacing", png(_method(interlacing=9), ROWS), "either")
    yield Hostile("PNG of unknown compression", png(_method(compression=9), ROWS), "either")
    for width, height in [(65500, 65500), (65535, 65535)]:
        data = b"\xff\xd8" + frame_of(0xC0, width, height) + segment(0xDA, b"\1\1\0\0\x3f\0")
        yield Hostile(f"JPEG of {width}", data + bytes(99) + b"\xff\xd9", "refused", large)
    flat = JPEG.replace(b"\xff\xc0\0\x11\x08\0\x30", b"\xff\xc0\0\x11\x08\0\0")
    yield Hostile("JPEG of no height", flat, "refused")
    tall = JPEG.replace(b"\xff\xc0\0\x11\x08\0\x30", b"\xff\xc0\0\x11\x08\x27\x10")
    yield Hostile("JPEG of too few rows", tall, "either")
    for kind, first in {
        "VP8X": canvas(16383, 16383),
        "VP8L": (b"VP8L", b"\x2f\xfe\xff\xff\x0f" + bytes(20)),
        "VP8": (b"VP8 ", b"\x30\1\0\x9d\1\x2a\xff\x3f\xff\x3f" + bytes(20)),
    }.items():
        yield Hostile(f"{kind} of 16383", riff(first), "refused", large)
    yield Hostile("WebP larger than its canvas", riff(canvas(16, 16), _bitstream()), "refused")
    yield Hostile("WebP smaller than its canvas", riff(canvas(4000, 4000), _bitstream()), "refused")
    yield Hostile("WebP longer than it is", WEBP[:4] + b"\xff" * 4 + WEBP[8:], "refused")
    yield Hostile("WebP shorter than it is", WEBP[:4] + b"\1\0\0\0" + WEBP[8:], "refused")


def _method(compression: int = 0, interlacing: int = 0) -> bytes:
    body = (64).to_bytes(4) + (48).to_bytes(4) + bytes([8, RGB, compression, 0, interlacing])
    return chunk(b"IHDR", body)


def _bitstream() -> tuple[bytes, bytes]:
    return b"VP8L", WEBP[20:]


# Files that are not whole


def cut_short() -> Iterator[Hostile]:
    """At many places."""
    for format in ("PNG", "JPEG", "WEBP"):
        data = encoded(NOISE, format)
        for share in (0.01, 0.1, 0.5, 0.9, 0.99):
            part = data[: int(len(data) * share)]
            yield Hostile(f"{format} cut at {share}", part, "refused", "PNG, JPEG or WebP")
        yield Hostile(f"{format} without its last byte", data[:-1], "refused", "cut short")
        yield Hostile(f"{format} without its last 12 bytes", data[:-12], "refused", "cut short")
    progressive = encoded(NOISE, "JPEG", progressive=True)
    yield Hostile("progressive JPEG cut", progressive[: len(progressive) // 2], "refused")
    for format in ("PNG", "WEBP"):
        film = encoded(VIEW, format, save_all=True, append_images=[NOISE.resize((64, 48))] * 3)
        yield Hostile(f"animated {format} cut in a later frame", film[:-60], "refused", "cut short")
    yield Hostile("PNG without a picture", SIGNATURE + HEAD + png_parts.END, "refused")
    yield Hostile("PNG without a header", png(b"", ROWS), "refused")
    yield Hostile("PNG without a palette", png(header(64, 48, 8, PALETTE), _indexed()), "either")
    yield Hostile("JPEG without tables", b"\xff\xd8" + JPEG[JPEG.index(b"\xff\xc0") :], "refused")


def _indexed() -> list[bytes]:
    return [bytes(n % 4 for n in range(64))] * 48


def damaged() -> Iterator[Hostile]:
    """Bits that turned over."""
    broken = "broken or cut short"
    at = PNG.index(b"IDAT")
    for name, place in {"header": 20, "data": at + 40, "checksum": len(PNG) - 14}.items():
        data = bytearray(PNG)
        data[place] ^= 0x10
        yield Hostile(f"PNG with a wrong bit in its {name}", bytes(data), "refused", broken)
    noisy = encoded(NOISE, "WEBP", lossless=True)
    middle = len(noisy) // 2
    torn = noisy[:middle] + bytes(200) + noisy[middle + 200 :]
    yield Hostile("WebP with a hole", torn, "either")
    photo = encoded(NOISE, "JPEG")
    middle = len(photo) // 2
    torn = photo[:middle] + bytes(200) + photo[middle + 200 :]
    yield Hostile("JPEG with a hole", torn, "either")
    yield Hostile("JPEG in two halves", JPEG[:-400] + b"\xff\xd9" + JPEG[-400:], "either")
    yield Hostile("PNG with two headers", png(HEAD + header(9, 9), ROWS), "either")
    yield Hostile(
        "PNG of Apple's own kind", png(chunk(b"CgBI", b"\x50\0\x20\2") + HEAD, ROWS), "either"
    )
    swapped = PNG.replace(b"\r\n\x1a\n", b"\n\x1a\n", 1)
    yield Hostile("PNG sent as text", swapped, "refused", "this file is none")


# Odd, but harmless: these must come out right


def oddities() -> Iterator[Hostile]:
    """Of every kind that cameras, printers and old programs write."""
    yield from _turned()
    yield from _colours()
    yield from _transparent()
    yield from _moving()
    pixels = [[row[n : n + 3] for n in range(0, len(row), 3)] for row in ROWS]
    laced = png(header(64, 48, interlaced=True), png_parts.interlaced(pixels))
    yield Hostile("interlaced PNG", laced, "picture", shows=VIEW)
    progressive = encoded(VIEW, "JPEG", progressive=True, quality=95, subsampling=0)
    yield Hostile("progressive JPEG", progressive, "picture", shows=VIEW)
    copies = encoded(VIEW, "MPO", save_all=True, append_images=[NOISE], quality=95)
    yield Hostile("JPEG with a copy", copies, "picture", shows=VIEW)
    slices = b"".join(chunk(b"IDAT", bytes([byte])) for byte in zlib_of(ROWS))
    yield Hostile("PNG in slices", SIGNATURE + HEAD + slices + png_parts.END, "picture", shows=VIEW)
    wide = view(4000, 1000)
    yield Hostile("wide PNG", encoded(wide), "picture", shows=wide.resize((2048, 512)))


def zlib_of(rows: list[bytes]) -> bytes:
    """The compressed data of a PNG."""
    whole = png(HEAD, rows)
    start = whole.index(b"IDAT")
    return whole[start + 4 : start + 4 + int.from_bytes(whole[start - 4 : start])]


def _turned() -> Iterator[Hostile]:
    for orientation in range(1, 9):
        for format in ("JPEG", "PNG", "WEBP"):
            exif = Image.Exif()
            exif[0x0112] = orientation
            how: dict[str, Any] = {"exif": exif, "lossless": True, "quality": 95}
            upright = VIEW.copy()
            upright.getexif()[0x0112] = orientation
            data = encoded(VIEW, format, **how)
            shows = ImageOps.exif_transpose(upright)
            yield Hostile(f"{format} turned by {orientation}", data, "picture", shows=shows)
    for name, body in {
        "0": _exif_of(0),
        "9": _exif_of(9),
        "65535": _exif_of(65535),
        "damage": b"Exif\0\0MM\0\x2a\xff\xff\xff\xff",
        "letters": b"Exif\0\0II\x2a\0\x08\0\0\0\1\0\x12\1\2\0\4\0\0\0abc\0",
        "nothing": b"Exif\0\0",
        "nonsense": b"Exif\0\0" + bytes(range(256)) * 9,
    }.items():
        data = JPEG[:2] + segment(0xE1, body) + JPEG[2:]
        yield Hostile(f"JPEG turned by {name}", data, "picture", shows=VIEW)


def _exif_of(orientation: int) -> bytes:
    return b"Exif\0\0MM\0\x2a\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1" + orientation.to_bytes(2) + bytes(6)


def _colours() -> Iterator[Hostile]:
    grey = VIEW.convert("L")
    shown = grey.convert("RGB")
    yield Hostile("grey PNG", encoded(grey), "picture", shows=shown)
    yield Hostile("grey JPEG", encoded(grey, "JPEG", quality=95), "picture", shows=shown)
    black = grey.point(lambda level: 255 if level > 100 else 0).convert("1")
    yield Hostile("PNG in 1 bit", encoded(black), "picture", shows=black.convert("RGB"))
    deep = [bytes(byte for level in row for byte in (level, 0x55)) for row in rows_of(grey)]
    yield Hostile("grey in 16 bits", png(header(64, 48, 16, GREY), deep), "picture", shows=shown)
    deep = [bytes(byte for level in row for byte in (level, 0xAA)) for row in ROWS]
    yield Hostile("colour in 16 bits", png(header(64, 48, 16, RGB), deep), "picture", shows=VIEW)
    printed = VIEW.convert("CMYK")
    shown = printed.convert("RGB")
    yield Hostile("CMYK", encoded(printed, "JPEG", quality=95), "picture", shows=shown)
    yield Hostile("YCCK", _ycck(), "picture", shows=VIEW)
    plain = encoded(VIEW, "JPEG", quality=95, keep_rgb=True)
    yield Hostile("JPEG in RGB", plain, "picture", shows=VIEW)
    for bits in (1, 2, 4, 8):
        table = view(64, 40 + bits).quantize(2 if bits == 1 else 4)
        data = encoded(table, bits=bits)
        yield Hostile(f"palette in {bits} bits", data, "picture", shows=table.convert("RGB"))
    short = png(header(64, 48, 8, PALETTE), _indexed(), before=chunk(b"PLTE", b"\xff\0\0" * 2))
    yield Hostile("palette that is too short", short, "either")
    odd = png(header(64, 48, 8, PALETTE), _indexed(), before=chunk(b"PLTE", b"\xff\0\0\1"))
    yield Hostile("palette of four bytes", odd, "either")
    long = png(header(64, 48, 8, PALETTE), _indexed(), before=chunk(b"PLTE", bytes(3000)))
    yield Hostile("palette that is too long", long, "either")


def _ycck() -> bytes:
    """Adobe's way of CMYK: all inverted, the colours as luminance and chrominance.

    The writer inverts as well, and says that it did not turn colours into luminance.
    """
    bands = [ImageOps.invert(band) for band in ImageOps.invert(VIEW).convert("YCbCr").split()]
    inks = Image.merge("CMYK", (*bands, Image.new("L", VIEW.size, 0)))
    said = encoded(inks, "JPEG", quality=95)
    adobe = said.index(b"Adobe")
    return said[: adobe + 11] + b"\2" + said[adobe + 12 :]


def _transparent() -> Iterator[Hostile]:
    hole = Image.new("L", VIEW.size, 255)
    hole.paste(0, (0, 0, 32, 24))  # where it is red
    clear = VIEW.copy()
    clear.putalpha(hole)
    holed = VIEW.copy()
    holed.paste("white", (0, 0, 32, 24))
    yield Hostile("PNG with alpha", encoded(clear), "picture", shows=holed)
    webp = encoded(clear, "WEBP", lossless=True)
    yield Hostile("WebP with alpha", webp, "picture", shows=holed)
    half = VIEW.copy()
    half.putalpha(128)
    pale = Image.blend(VIEW, Image.new("RGB", VIEW.size, "white"), 127 / 255)
    yield Hostile("half transparent", encoded(half), "picture", shows=pale)
    grey = [
        bytes(byte for level in row for byte in (level, 128)) for row in rows_of(VIEW.convert("L"))
    ]
    data = png(header(64, 48, 8, GREY_ALPHA), grey)
    shown = Image.blend(VIEW.convert("L"), Image.new("L", VIEW.size, 255), 127 / 255)
    yield Hostile("grey with alpha", data, "picture", shows=shown.convert("RGB"))
    red = chunk(b"tRNS", b"\0\xff\0\0\0\0")
    data = png(HEAD, ROWS, before=red)
    yield Hostile("PNG with one clear colour", data, "picture", shows=holed)
    deep = [bytes(byte for level in row for byte in (level, level)) for row in ROWS]
    data = png(header(64, 48, 16), deep, before=chunk(b"tRNS", b"\xff\xff\0\0\0\0"))
    yield Hostile("16 bits with one clear colour", data, "picture", shows=holed)
    dark = [b"\x80\x80" * 32 + b"\x40\x40" * 32] * 48
    data = png(header(64, 48, 16, GREY), dark, before=chunk(b"tRNS", b"\x80\x80"))
    shown = Image.new("RGB", VIEW.size, "white")
    shown.paste((0x40,) * 3, (32, 0, 64, 48))
    yield Hostile("16 bits of grey with one clear level", data, "picture", shows=shown)
    for depth, rest in ((1, 0), (2, 1), (4, 4)):
        clear_level = bytes([0, 2 ** (depth - 1)])
        levels = "".join(f"{level:0{depth}b}" for level in [clear_level[1]] * 32 + [rest] * 32)
        row = int(levels, 2).to_bytes(8 * depth)
        data = png(header(64, 48, depth, GREY), [row] * 48, before=chunk(b"tRNS", clear_level))
        shown = Image.new("RGB", VIEW.size, "white")
        shown.paste((rest * 255 // (2**depth - 1),) * 3, (32, 0, 64, 48))
        name = f"{depth} bits of grey with one clear level"
        yield Hostile(name, data, "picture", shows=shown)
    inks = chunk(b"PLTE", b"\0\0\xff" * 16) + chunk(b"tRNS", b"\xff" * 4 + b"\0")
    data = png(header(64, 48, 4, PALETTE), [b"\x44" * 16 + b"\x55" * 16] * 48, before=inks)
    shown = Image.new("RGB", VIEW.size, "white")
    shown.paste("blue", (32, 0, 64, 48))
    yield Hostile("4 bits of a palette with one clear number", data, "picture", shows=shown)
    colours = chunk(b"PLTE", b"\xff\0\0\0\xff\0\0\0\xff\0\0\0") + chunk(b"tRNS", b"\0\x80")
    stripes = [b"\0" * 16 + b"\1" * 16 + b"\2" * 16 + b"\3" * 16] * 48
    data = png(header(64, 48, 8, PALETTE), stripes, before=colours)
    shown = Image.new("RGB", VIEW.size, "white")
    shown.paste((127, 255, 127), (16, 0, 32, 48))
    shown.paste("blue", (32, 0, 48, 48))
    shown.paste("black", (48, 0, 64, 48))
    yield Hostile("palette with alpha", data, "picture", shows=shown)


def _moving() -> Iterator[Hostile]:
    others = [Image.new("RGB", VIEW.size, colour) for colour in ("black", "yellow")]
    for format in ("PNG", "WEBP"):
        film = encoded(VIEW, format, save_all=True, append_images=others, lossless=True)
        yield Hostile(f"animated {format}", film, "picture", shows=VIEW)
    still = encoded(VIEW, "PNG", save_all=True, append_images=others, default_image=True)
    yield Hostile("animated PNG with a still", still, "picture", shows=VIEW)


# Stowaways


def metadata() -> Iterator[Hostile]:
    """Everything that can be hidden in a picture that is fine."""
    hidden = STOWAWAY * 500
    for kind in (b"tEXt", b"eXIf", b"prVt", b"iCCP"):
        body = b"Comment\0" + hidden if kind == b"tEXt" else hidden
        data = png(HEAD, ROWS, after=chunk(kind, body))
        yield Hostile(f"PNG with {kind.decode()}", data, "picture", shows=VIEW)
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + hidden)
    yield Hostile("PNG with XMP", png(HEAD, ROWS, before=xmp), "picture", shows=VIEW)
    for name, marker, start in [
        ("EXIF", 0xE1, b"Exif\0\0"),
        ("XMP", 0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        ("ICC", 0xE2, b"ICC_PROFILE\0\1\1"),
        ("Photoshop", 0xED, b"Photoshop 3.0\x008BIM"),
        ("a comment", 0xFE, b""),
        ("its own", 0xEF, b""),
    ]:
        parts = segment(marker, start + hidden) * 9
        data = JPEG[:2] + parts + JPEG[2:]
        yield Hostile(f"JPEG with {name}", data, "picture", shows=VIEW)
    huge = segment(0xE1, b"Exif\0\0" + bytes(65000)) * 100
    yield Hostile("JPEG with 6 MB of EXIF", JPEG[:2] + huge + JPEG[2:], "picture", shows=VIEW)
    parts_of_webp = ((b"ICCP", hidden), _bitstream(), (b"EXIF", hidden), (b"XMP ", hidden))
    data = riff(canvas(64, 48, 0x2C), *parts_of_webp)
    yield Hostile("WebP with all metadata", data, "picture", shows=VIEW)


def polyglots() -> Iterator[Hostile]:
    """Files that are something else as well."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("run.sh", STOWAWAY.decode())
    archived = archive.getvalue()
    page = b"<html><script>alert('" + STOWAWAY + b"')</script></html>"
    yield Hostile("PNG and ZIP", PNG + archived, "picture", shows=VIEW)
    yield Hostile("JPEG and ZIP", JPEG + archived, "picture", shows=VIEW)
    yield Hostile("WebP and ZIP", WEBP + archived, "either", shows=VIEW)
    yield Hostile("GIF and JAR", encoded(VIEW, "GIF") + archived, "refused", "this file is none")
    commented = JPEG[:2] + segment(0xFE, page) + JPEG[2:]
    yield Hostile("JPEG and HTML", commented, "picture", shows=VIEW)
    yield Hostile(
        "PNG and HTML", png(HEAD, ROWS, before=chunk(b"htMl", page)), "picture", shows=VIEW
    )
    yield Hostile("PNG and PDF", PNG + b"%PDF-1.7\n" + STOWAWAY, "picture", shows=VIEW)
    yield Hostile("PDF and PNG", b"%PDF-1.7\n" + PNG, "refused", "this file is none")
    yield Hostile("script and JPEG", b"#!/bin/sh\n" + JPEG, "refused", "this file is none")
    yield Hostile("PNG and PNG", PNG + encoded(NOISE), "picture", shows=VIEW)
    yield Hostile("JPEG and JPEG", JPEG + encoded(NOISE, "JPEG"), "picture", shows=VIEW)
    yield Hostile("PNG and megabytes", PNG + STOWAWAY * 500_000, "picture", shows=VIEW)
    lowest = [bytes(level & 0xFE | n % 2 for n, level in enumerate(row)) for row in ROWS]
    yield Hostile("PNG with a message in its lowest bits", png(HEAD, lowest), "picture", shows=VIEW)


# Strangers


def strangers() -> Iterator[Hostile]:
    """Other formats, whatever they are called, and no formats at all."""
    for format in (
        "GIF",
        "BMP",
        "TIFF",
        "PPM",
        "ICO",
        "PCX",
        "TGA",
        "DDS",
        "SGI",
        "JPEG2000",
        "AVIF",
        "PDF",
        "EPS",
    ):
        yield Hostile(format, encoded(VIEW, format), "refused", "this file is none")
    texts = {
        "nothing": b"",
        "one byte": b"\x89",
        "a word": b"hello",
        "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "billion laughs": b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><svg>&b;</svg>',
        "ImageMagick's": b"push graphic-context\nfill 'url(https://127.0.0.1/\"|id\")'\n",
        "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3\xff\xff\xff\xff\xff\xff\xff\xff\0\x08\0\3",
        "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99),
        "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99),
        "MNG": b"\x8aMNG\r\n\x1a\n" + PNG[8:],
        "FITS": b"SIMPLE  =                    T".ljust(2880),
        "ELF": b"\x7fELF\2\1\1" + bytes(99),
        "Windows program": b"MZ\x90" + bytes(99),
        "gzip of a PNG": gzip.compress(PNG),
        "gzip bomb": gzip.compress(bytes(50 << 20)),
        "ZIP": b"PK\3\4" + bytes(99),
        "WAV": b"RIFF\x24\0\0\0WAVEfmt " + bytes(99),
        "MP4": b"\0\0\0\x18ftypisom" + bytes(99),
        "pickle": b"\x80\4cos\nsystem\n(S'id'\ntR.",
        "zeros": bytes(1 << 20),
        "two bytes of JPEG": b"\xff\xd8",
    }
    for name, data in texts.items():
        yield Hostile(name, data, "refused", "this file is none")
    starts = {"PNG": SIGNATURE, "JPEG": b"\xff\xd8\xff", "WebP": b"RIFF\xff\xff\0\0WEBP"}
    for name, data in starts.items():
        yield Hostile(f"a beginning of {name}", data, "refused", "broken or cut short")
        yield Hostile(f"{name} and zeros", data + bytes(99_999), "refused", "broken or cut short")


def _clean_all(folder: Path) -> None:
    with asyncio.Runner() as runner:
        runner.run(sanitize.clean(PNG, SANDBOX))
        before = _peaks()
        outcomes = [_outcome(runner, file) for file in sorted(folder.glob("*.file"))]
    after = _peaks()
    peaks = Peaks(after.bot - before.bot, after.sandbox)
    (folder / "outcomes.json").write_bytes(msgspec.json.encode(outcomes))
    (folder / "peaks.json").write_bytes(msgspec.json.encode(peaks))


def _outcome(runner: asyncio.Runner, file: Path) -> Outcome:
    since = time.monotonic()
    try:
        cleaned = runner.run(sanitize.clean(file.read_bytes(), SANDBOX))
    except BotError as error:
        return Outcome(str(error), time.monotonic() - since)
    file.with_suffix(".png").write_bytes(cleaned.png)
    return Outcome(None, time.monotonic() - since)


def _peaks() -> Peaks:
    import resource  # which Windows has not

    unit = 1 if sys.platform == "darwin" else 1024
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return Peaks(*[resource.getrusage(of).ru_maxrss * unit for of in both])


if __name__ == "__main__":
    _clean_all(Path(sys.argv[1]))
