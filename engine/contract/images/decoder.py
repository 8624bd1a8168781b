"""Decode an image file: its first frame, upright, in sRGB, on white, without metadata.

The bot does this in a sandbox, which starts a process for each file: it needs Pillow and little
else. The file's signature alone determines the format.
"""

from engine.contract.images.decode_result import MIN_SIDE, DecodeResult, DecodeStatus
from engine.contract.images.formats import recognize
from engine.contract.images.pixels import to_rgb_and_alpha
from engine.contract.images.readers import READERS, Rejected


def decode(data: bytes, *, min_side: int = MIN_SIDE) -> DecodeResult:
    """Decode a file whose sides have at least so many pixels.

    For a file from strangers, the caller must limit time and memory. Pillow may warn about oddities
    in a file, which are harmless: there are limits of our own.
    """
    try:
        return _decode(data, min_side)
    except Rejected as rejected:
        return rejected.result
    except MemoryError:
        return DecodeResult(DecodeStatus.OUT_OF_MEMORY)
    except Exception:  # noqa: BLE001 # Pillow raises nearly anything for a malformed file
        return DecodeResult(DecodeStatus.CORRUPT)


def _decode(data: bytes, min_side: int) -> DecodeResult:
    format = recognize(data)
    reader = None if format is None else READERS.get(format)
    if reader is None:
        return DecodeResult(DecodeStatus.UNKNOWN_FORMAT)
    image, alpha = to_rgb_and_alpha(reader(data, min_side))
    return DecodeResult(
        DecodeStatus.OK, *image.size, image.tobytes(), b"" if alpha is None else alpha.tobytes()
    )
