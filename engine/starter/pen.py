"""A pen that draws shapes on a Pillow image in the coordinates of an object."""

import math
from collections.abc import Sequence
from typing import Final

from PIL import ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

INK: Final[RGB] = (43, 38, 58)
WHITE: Final[RGB] = (250, 249, 245)


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """The colour between `a` (share 0) and `b` (share 1)."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: RGB, share: float = 0.3) -> RGB:
    """The colour mixed with a share (0 to 1) of INK."""
    return mix(colour, INK, share)


def lighter(colour: RGB, share: float = 0.35) -> RGB:
    """The colour mixed with a share (0 to 1) of WHITE."""
    return mix(colour, WHITE, share)


class Pen:
    """Draws in units of the object's height: x to the right, y up, (0, 0) at its foot.

    `flip` mirrors the object horizontally.
    """

    def __init__(
        self, draw: ImageDraw.ImageDraw, foot: Point, height: float, *, flip: bool = False
    ) -> None:
        self._draw = draw
        self._foot = foot
        self._height = height
        self._side = -1 if flip else 1
        self._line = max(1, round(height * 0.022))

    def _at(self, x: float, y: float) -> Point:
        return (
            self._foot[0] + self._side * x * self._height,
            self._foot[1] - y * self._height,
        )

    def blob(
        self, x: float, y: float, rx: float, ry: float, fill: RGB, *, outline: RGB | None = None
    ) -> None:
        """An ellipse around (x, y)."""
        cx, cy = self._at(x, y)
        w, h = rx * self._height, ry * self._height
        self._draw.ellipse(
            (cx - w, cy - h, cx + w, cy + h), fill=fill, outline=outline, width=self._line
        )

    def shape(self, points: Sequence[Point], fill: RGB, *, outline: RGB | None = None) -> None:
        """A polygon through the points; the outline has rounded corners."""
        corners = [self._at(x, y) for x, y in points]
        self._draw.polygon(corners, fill=fill)
        if outline is not None:
            self._draw.line([*corners, *corners[:2]], fill=outline, width=self._line, joint="curve")

    def box(
        self,
        left: float,
        bottom: float,
        right: float,
        top: float,
        fill: RGB,
        *,
        outline: RGB | None = None,
        radius: float = 0.0,
    ) -> None:
        """A rectangle with rounded corners."""
        (x0, y1), (x1, y0) = self._at(left, bottom), self._at(right, top)
        self._draw.rounded_rectangle(
            (min(x0, x1), y0, max(x0, x1), y1),
            radius * self._height,
            fill=fill,
            outline=outline,
            width=self._line,
        )

    def stroke(self, points: Sequence[Point], colour: RGB, width: float = 0.03) -> None:
        """A line through the points."""
        thick = max(1, round(width * self._height))
        self._draw.line([self._at(x, y) for x, y in points], colour, thick, joint="curve")

    def pie(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        start: float,
        end: float,
        fill: RGB,
        *,
        outline: RGB | None = None,
    ) -> None:
        """A part of an ellipse from angle `start` to `end`, in degrees counter-clockwise."""
        steps = 24
        angles = [math.radians(start + (end - start) * i / steps) for i in range(steps + 1)]
        self.shape(
            [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles], fill, outline=outline
        )

    def eye(self, x: float, y: float, size: float = 0.05) -> None:
        """A dark eye with a white highlight."""
        self.blob(x, y, size, size * 1.15, INK)
        self.blob(x + self._side * size * 0.35, y + size * 0.4, size * 0.36, size * 0.36, WHITE)
