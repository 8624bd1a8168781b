"""A pen that draws only the lines of things, as a hand would."""

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from PIL import ImageDraw

from engine.starter.pen import RGB, Pen, Point

BLACK, LINE = 0, 255
_SPACING: Final = 3.0
"""Pixels between the points of a line."""
_VISIBLE: Final = 40.0
"""Distance in RGB levels from which a part without outline has a visible edge."""
_DETAIL: Final = 0.26
"""Parts that are smaller, in units of the thing's height, are details."""


@dataclass(frozen=True)
class Hand:
    """How somebody draws."""

    width: float
    """Of the lines, in pixels."""
    wobble: float
    """Distance, in pixels, by which lines stray."""
    gaps: float
    """Share of a line that is missing."""
    details: float
    """Share of the details that are drawn."""


class LinePen(Pen):
    """Draws white outlines that hide what is behind them, on a picture of mode L.

    `fill` is the level of what is within an outline.
    """

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        foot: Point,
        height: float,
        *,
        flip: bool,
        hand: Hand,
        colour: RGB,
        rng: random.Random,
        fill: int = BLACK,
    ) -> None:
        super().__init__(draw, foot, height, flip=flip)
        self._hand, self._colour, self._rng, self._fill = hand, colour, rng, fill

    def blob(
        self, x: float, y: float, rx: float, ry: float, fill: RGB, *, outline: RGB | None = None
    ) -> None:
        angles = (2 * math.pi * i / 24 for i in range(24))
        points = [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]
        self.shape(points, fill, outline=outline)

    def shape(self, points: Sequence[Point], fill: RGB, *, outline: RGB | None = None) -> None:
        corners = [self._at(x, y) for x, y in points]
        if not self._is_drawn(points):
            return
        self._draw.polygon(corners, fill=self._fill)
        if outline is not None or math.dist(fill, self._colour) > _VISIBLE:
            self._line_through([*corners, corners[0]])

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
        corners = [(left, bottom), (right, bottom), (right, top), (left, top)]
        self.shape(corners, fill, outline=outline)

    def stroke(self, points: Sequence[Point], colour: RGB, width: float = 0.03) -> None:
        if self._is_drawn(points):
            self._line_through([self._at(x, y) for x, y in points])

    def _is_drawn(self, points: Sequence[Point]) -> bool:
        extent = max(max(axis) - min(axis) for axis in zip(*points, strict=True))
        return extent >= _DETAIL or self._rng.random() < self._hand.details

    def _line_through(self, points: Sequence[Point]) -> None:
        for part in _parts(strayed(points, self._hand.wobble, self._rng), self._hand, self._rng):
            draw_line(self._draw, part, self._hand.width)


def strayed(points: Sequence[Point], wobble: float, rng: random.Random) -> list[Point]:
    """Points along the line, each displaced by at most about `wobble` pixels, smoothly."""
    waves = [(rng.uniform(0, 6.3), rng.uniform(12.0, 50.0)) for _ in range(4)]
    shift = rng.gauss(0, wobble / 2), rng.gauss(0, wobble / 2)
    line, travelled = [], 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        length = math.dist((x0, y0), (x1, y1))
        steps = max(1, round(length / _SPACING))
        for i in range(steps + 1):
            at = travelled + length * i / steps
            dx, dy = (
                sum(math.sin(phase + at / period) for phase, period in pair) * wobble / 2
                for pair in (waves[:2], waves[2:])
            )
            x, y = x0 + (x1 - x0) * i / steps, y0 + (y1 - y0) * i / steps
            line.append((x + dx + shift[0], y + dy + shift[1]))
        travelled += length
    return line


def draw_line(draw: ImageDraw.ImageDraw, points: Sequence[Point], width: float) -> None:
    """A white line with round ends."""
    if len(points) > 1:
        draw.line(points, fill=LINE, width=max(1, round(width)), joint="curve")
    if width > 2:
        r = width / 2
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - r, y - r, x + r, y + r), fill=LINE)


def _parts(line: Sequence[Point], hand: Hand, rng: random.Random) -> Iterator[list[Point]]:
    """The line without its gaps."""
    part: list[Point] = []
    gap = 0
    for point in line:
        if gap == 0 and rng.random() < hand.gaps / 5:
            gap = rng.randint(2, 8)
        if gap:
            gap -= 1
            if part:
                yield part
            part = []
        else:
            part.append(point)
    if part:
        yield part
