"""Decode an untrusted image file: its first frame, upright, in sRGB, on white, without metadata.

Runs in the sandbox (sandbox_main.py), which starts a process for each file: it needs Pillow and
little else. The file's signature alone determines the format.
"""

import warnings

from bot.attachments.decode_result import DecodeResult, DecodeStatus
from bot.attachments.image_formats import recognize
from bot.attachments.image_pixels import to_rgb
from bot.attachments.image_readers import READERS, Rejected


def decode(data: bytes) -> DecodeResult:
    """Decode a file. The sandbox must limit time and memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about oddities in the file; we have limits of our own
        try:
            return _decode(data)
        except Rejected as rejected:
            return rejected.result
        except MemoryError:
            return DecodeResult(DecodeStatus.OUT_OF_MEMORY)
        except Exception:  # noqa: BLE001 # Pillow raises nearly anything for a malformed file
            return DecodeResult(DecodeStatus.CORRUPT)


def _decode(data: bytes) -> DecodeResult:
    format = recognize(data)
    reader = None if format is None else READERS.get(format)
    if reader is None:
        return DecodeResult(DecodeStatus.UNKNOWN_FORMAT)
    image = to_rgb(reader(data))
    return DecodeResult(DecodeStatus.OK, *image.size, image.tobytes())
