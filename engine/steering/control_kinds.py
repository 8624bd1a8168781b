"""What is known of controls by their kinds, which name what their control images show."""

from collections.abc import Mapping
from typing import Final

from engine.contract import Preprocessor

UNION_TYPES: Final[Mapping[str, int]] = {
    **dict.fromkeys(("openpose", "pose"), 0),
    "depth": 1,
    **dict.fromkeys(("hed", "pidi", "scribble", "ted", "sketch", "softedge"), 2),
    **dict.fromkeys(("canny", "lineart", "anime_lineart", "mlsd"), 3),
    "normal": 4,
    "segment": 5,
    "tile": 6,
    "repaint": 7,
}
"""The control types of ControlNet-Union (https://huggingface.co/xinsir/controlnet-union-sdxl-1.0):
the first models have those up to 5."""
_DRAWN: Final = (Preprocessor.SCRIBBLE, Preprocessor.EDGES, Preprocessor.NONE)
_EDGES: Final = (Preprocessor.EDGES, Preprocessor.SCRIBBLE, Preprocessor.NONE)
_PREPROCESSORS: Final[Mapping[str, tuple[Preprocessor, ...]]] = {
    **dict.fromkeys(
        ("scribble", "sketch", "hed", "pidi", "ted", "softedge", "lineart", "anime_lineart"), _DRAWN
    ),
    **dict.fromkeys(("canny", "mlsd"), _EDGES),
}


def preprocessors_of(kind: str) -> tuple[Preprocessor, ...]:
    """Those that make control images of this kind, the one for sketches first."""
    return _PREPROCESSORS.get(kind, (Preprocessor.NONE,))


def shows_lines(kind: str) -> bool:
    """Whether control images of this kind are white lines on black."""
    return kind in _PREPROCESSORS
