"""Films: frames encoded as an MP4 (H.264) that Discord's clients and browsers play."""

import io
import math
from collections.abc import Iterator
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from av import VideoFrame

FRAMES_PER_SECOND: Final = 10
HOLD_SECONDS: Final = 2.0
"""How long a film shows its last frame."""
MIN_SIDE: Final = 256
"""Smaller pictures are enlarged until their shorter side has this many pixels."""
MAX_SIDE: Final = 1920
"""Larger pictures are reduced; many phones do not decode larger H.264 films."""
DEFAULT_MAX_BYTES: Final = 10 * 1024 * 1024
"""Discord's upload limit where nobody pays for a higher one."""
MISSING_PACKAGE: Final = (
    "A film needs the package av: install it with `pip install imagine-bot[film]`."
)
_HOLD_FRAMES: Final = round(HOLD_SECONDS * FRAMES_PER_SECOND)
_SMALLEST_SIDE: Final = 32
_BT709: Final = 1
"""FFmpeg's number of BT.709 as matrix, primaries and curve, and of the limited range."""
_OPTIONS: Final = {"preset": "veryfast", "crf": "18", "bf": "0", "profile": "high"}
"""Without B-frames the first frame is at time 0, without an edit list."""


class FilmTooLarge(Exception):
    """The film does not fit into its limit, however small its frames are."""


def can_encode() -> bool:
    """Whether the package that encodes films is installed."""
    return find_spec("av") is not None


def film_size(width: int, height: int) -> tuple[int, int]:
    """The size of the film of a picture: both sides even, the shorter one at least MIN_SIDE.

    Small pictures are enlarged by a whole number. A side is at most MAX_SIDE, even if the other
    one is then below MIN_SIDE.
    """
    factor = float(math.ceil(MIN_SIDE / min(width, height)))
    factor = min(factor, MAX_SIDE / max(width, height))
    return _even(width * factor), _even(height * factor)


def _even(side: float) -> int:
    return max(2, round(side / 2) * 2)


class FilmWriter:
    """Encodes the frames of one film, one at a time.

    Equal frames give equal bytes with the same version of the package: the encoder has one thread.
    """

    def __init__(
        self, size: tuple[int, int], frames: int, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        """A film of this number of frames, each scaled to `size`, whose sides are even.

        The package must be installed: see `can_encode`.
        """
        import av

        self._size, self._max_bytes = size, max_bytes
        self._frames = frames + _HOLD_FRAMES
        self._count = 0
        self._file = io.BytesIO()
        self._container = av.open(
            self._file,
            "w",
            format="mp4",
            # The index gets space at the start of the file, so that players start at once.
            options={"moov_size": str(4096 + 32 * self._frames), "fflags": "+bitexact"},
        )
        self._stream = self._container.add_stream(
            "libx264", rate=FRAMES_PER_SECOND, options=_OPTIONS | self._rate_options()
        )
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.thread_count = 1
        context.color_range = context.colorspace = _BT709
        context.color_primaries = context.color_trc = _BT709

    def _rate_options(self) -> dict[str, str]:
        """A maximum rate at which the film fits into its limit (the buffer adds one second)."""
        seconds = self._frames / FRAMES_PER_SECOND + 1
        rate = max(1000, int(0.95 * 8 * self._max_bytes / seconds))
        keyframes = str(2 * FRAMES_PER_SECOND)
        return {"maxrate": str(rate), "bufsize": str(rate), "g": keyframes}

    def add(self, image: Image.Image) -> None:
        """Append a frame."""
        scaled = image.convert("RGB")
        if scaled.size != self._size:
            scaled = scaled.resize(self._size, Image.Resampling.LANCZOS)
        self._encode(_to_video_frame(scaled))

    def finish(self) -> bytes:
        """The film, whose last frame is held for HOLD_SECONDS; nothing can be added afterwards.

        A film that is above its limit is encoded again with smaller frames. Raises FilmTooLarge if
        that is of no use, ValueError if there are no frames.
        """
        if not self._count:
            raise ValueError("A film needs at least one frame.")
        for _ in range(_HOLD_FRAMES):
            self._encode(self._last)
        self._container.mux(self._stream.encode())
        self._container.close()
        film = self._file.getvalue()
        return film if len(film) <= self._max_bytes else self._smaller(film)

    def _encode(self, frame: "VideoFrame") -> None:
        self._last = frame
        frame.pts, frame.time_base = self._count, Fraction(1, FRAMES_PER_SECOND)
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def _smaller(self, film: bytes) -> bytes:
        width, height = (_even(side / 2) for side in self._size)
        if min(width, height) < _SMALLEST_SIDE:
            raise FilmTooLarge(f"A film of {len(film)} bytes is above {self._max_bytes} bytes.")
        frames = self._count - _HOLD_FRAMES
        writer = FilmWriter((width, height), frames, self._max_bytes)
        for number, image in enumerate(decode(film)):
            if number < frames:
                writer.add(image)
        return writer.finish()


def decode(film: bytes) -> Iterator[Image.Image]:
    """The frames of a film, in order."""
    import av

    with av.open(io.BytesIO(film), "r") as container:
        for frame in container.decode(video=0):
            yield frame.to_image()


def _to_video_frame(image: Image.Image) -> "VideoFrame":
    import av
    from av.video.reformatter import ColorRange, Colorspace

    frame: VideoFrame = av.VideoFrame.from_image(image)
    return frame.reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )
