"""Images with hidden payloads, polyglots, and files of other formats."""

import gzip
import zipfile
from collections.abc import Iterator
from io import BytesIO

from tests.hostile_parts import (
    HEAD,
    IMAGE,
    JPEG,
    NOISE,
    PAYLOAD,
    PNG,
    ROWS,
    WEBP,
    HostileFile,
    jpeg_segment,
    riff,
    webp_bitstream,
    webp_canvas,
)
from tests.png_parts import SIGNATURE, chunk, png
from tests.samples import encoded


def metadata() -> Iterator[HostileFile]:
    """Valid images with a payload in their metadata."""
    payload = PAYLOAD * 500
    for kind in (b"tEXt", b"eXIf", b"prVt", b"iCCP"):
        body = b"Comment\0" + payload if kind == b"tEXt" else payload
        data = png(HEAD, ROWS, after=chunk(kind, body))
        yield HostileFile(f"PNG with {kind.decode()}", data, "image", image=IMAGE)
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + payload)
    yield HostileFile("PNG with XMP", png(HEAD, ROWS, before=xmp), "image", image=IMAGE)
    for name, marker, start in [
        ("EXIF", 0xE1, b"Exif\0\0"),
        ("XMP", 0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
        ("ICC", 0xE2, b"ICC_PROFILE\0\1\1"),
        ("Photoshop", 0xED, b"Photoshop 3.0\x008BIM"),
        ("a comment", 0xFE, b""),
        ("its own", 0xEF, b""),
    ]:
        parts = jpeg_segment(marker, start + payload) * 9
        data = JPEG[:2] + parts + JPEG[2:]
        yield HostileFile(f"JPEG with {name}", data, "image", image=IMAGE)
    huge = jpeg_segment(0xE1, b"Exif\0\0" + bytes(65000)) * 100
    yield HostileFile("JPEG with 6 MB of EXIF", JPEG[:2] + huge + JPEG[2:], "image", image=IMAGE)
    parts_of_webp = ((b"ICCP", payload), webp_bitstream(), (b"EXIF", payload), (b"XMP ", payload))
    data = riff(webp_canvas(64, 48, 0x2C), *parts_of_webp)
    yield HostileFile("WebP with all metadata", data, "image", image=IMAGE)


def polyglots() -> Iterator[HostileFile]:
    """Files that are valid in two formats."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        writer.writestr("run.sh", PAYLOAD.decode())
    archived = archive.getvalue()
    page = b"<html><script>alert('" + PAYLOAD + b"')</script></html>"
    yield HostileFile("PNG and ZIP", PNG + archived, "image", image=IMAGE)
    yield HostileFile("JPEG and ZIP", JPEG + archived, "image", image=IMAGE)
    yield HostileFile("WebP and ZIP", WEBP + archived, "either", image=IMAGE)
    yield HostileFile("GIF and JAR", encoded(IMAGE, "GIF") + archived, "image", image=IMAGE)
    commented = JPEG[:2] + jpeg_segment(0xFE, page) + JPEG[2:]
    yield HostileFile("JPEG and HTML", commented, "image", image=IMAGE)
    yield HostileFile(
        "PNG and HTML", png(HEAD, ROWS, before=chunk(b"htMl", page)), "image", image=IMAGE
    )
    yield HostileFile("PNG and PDF", PNG + b"%PDF-1.7\n" + PAYLOAD, "image", image=IMAGE)
    yield HostileFile("PDF and PNG", b"%PDF-1.7\n" + PNG, "refused", "which cannot be read")
    yield HostileFile("script and JPEG", b"#!/bin/sh\n" + JPEG, "refused", "not an image")
    yield HostileFile("PNG and PNG", PNG + encoded(NOISE), "image", image=IMAGE)
    yield HostileFile("JPEG and JPEG", JPEG + encoded(NOISE, "JPEG"), "image", image=IMAGE)
    yield HostileFile("PNG and megabytes", PNG + PAYLOAD * 500_000, "image", image=IMAGE)
    lowest = [bytes(level & 0xFE | n % 2 for n, level in enumerate(row)) for row in ROWS]
    yield HostileFile(
        "PNG with a message in its lowest bits", png(HEAD, lowest), "image", image=IMAGE
    )


def other_formats() -> Iterator[HostileFile]:
    """Other image formats, files that are not images, and bare signatures."""
    for format in ("GIF", "BMP", "TIFF", "AVIF"):
        yield HostileFile(format, encoded(IMAGE, format), "image", image=IMAGE)
    for format in ("PPM", "ICO", "PCX", "TGA", "DDS", "SGI", "JPEG2000", "PDF", "EPS"):
        yield HostileFile(format, encoded(IMAGE, format), "refused", "be read")
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
        yield HostileFile(name, data, "refused", "be read")
    starts = {
        "PNG": SIGNATURE,
        "JPEG": b"\xff\xd8\xff",
        "WebP": b"RIFF\xff\xff\0\0WEBP",
        "GIF": b"GIF89a",
        "BMP": b"BM",
        "TIFF": b"II*\0",
        "AVIF": b"\0\0\0\x18ftypavif\0\0\0\0mif1avif",
    }
    for name, data in starts.items():
        yield HostileFile(f"a beginning of {name}", data, "refused", "damaged or truncated")
        yield HostileFile(
            f"{name} and zeros", data + bytes(99_999), "refused", "damaged or truncated"
        )
