"""Draw the family tree of a picture; pure Pillow."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from bot.messages.family_layout import Family, Place, places
from bot.messages.grid import STYLE, Cell
from engine.contract.images import grid, labels

THUMBNAIL: Final = 160
"""Pixels of a side."""
_FONT: Final = 24
_LABEL_WIDTH: Final = 196
_LABEL_LINES: Final = 4
_GAP: Final = 24
_MARGIN: Final = 20
_LINE: Final = 3
_FRAME: Final = 6
_LINE_COLOUR: Final = (128, 132, 142)
_ASKED_COLOUR: Final = (88, 101, 242)
"""Discord's "blurple"."""

Point = tuple[float, float]
"""Pixels along a generation, and from one generation to the next."""


class Member(NamedTuple):
    """One picture of a family."""

    image: Cell
    """The picture, or why it is not shown."""
    label: Sequence[str] = ()
    """How it was made from its parent: the relation, and the settings that changed."""


def draw(family: Family, members: Mapping[str, Member], picture_id: str) -> Image.Image:
    """The tree with this picture framed; at most `grid.MAX_SIDE` pixels a side.

    Generations are rows; they are columns if the image would be much higher than wide.
    """
    drawings = [
        _Drawing(family, members, picture_id, is_upright=upright) for upright in (True, False)
    ]
    upright, lying = (max(drawing.size) for drawing in drawings)
    image = drawings[0 if upright <= lying else 1].draw()
    image.thumbnail((grid.MAX_SIDE, grid.MAX_SIDE), Image.Resampling.LANCZOS)
    return image


class _Drawing:
    def __init__(
        self, family: Family, members: Mapping[str, Member], picture_id: str, *, is_upright: bool
    ) -> None:
        self._family = family
        self._members = members
        self._picture_id = picture_id
        self._is_upright = is_upright
        self._labels = {name: _lines(member.label) for name, member in members.items()}
        self._places = places(family.parents)
        most_lines = max(len(lines) for lines in self._labels.values())
        label_height = labels.block_height(most_lines, _FONT)
        label_depth = label_height if is_upright else _LABEL_WIDTH
        self._label_depth = label_depth + _GAP if most_lines else _GAP
        self._breadth = _LABEL_WIDTH + _GAP if is_upright else THUMBNAIL + 2 * _GAP
        self._depth = self._label_depth + _GAP + THUMBNAIL
        """Pixels of a slot."""

    @property
    def size(self) -> tuple[int, int]:
        """Of the image, before it is scaled down."""
        slots = self._places.values()
        breadth = (max(place.breadth for place in slots) + 1) * self._breadth
        depth = max(place.depth for place in slots) * self._depth + THUMBNAIL + _GAP
        return self._turned((round(breadth) + _MARGIN, round(depth) + 2 * _MARGIN))

    def draw(self) -> Image.Image:
        """The image."""
        image = Image.new("RGB", self.size, STYLE.background)
        draw = ImageDraw.Draw(image)
        for name, parent in self._family.parents.items():
            if parent is not None:
                self._draw_edge(draw, self._places[parent], self._places[name])
        for name in self._family.parents:
            self._draw_label(draw, name)
            self._draw_picture(image, draw, name)
        return image

    def _turned(self, point: tuple[int, int]) -> tuple[int, int]:
        return point if self._is_upright else (point[1], point[0])

    def _centre(self, place: Place) -> Point:
        """The middle of the near side of a thumbnail."""
        middle = (place.breadth + 0.5) * self._breadth + _MARGIN / 2
        return middle, place.depth * self._depth + _MARGIN

    def _draw_edge(self, draw: ImageDraw.ImageDraw, parent: Place, child: Place) -> None:
        """From the far side of the parent to the near side of the child, in straight parts."""
        (start, parent_depth), (end, child_depth) = self._centre(parent), self._centre(child)
        out = parent_depth + THUMBNAIL
        turn, entry = out + _GAP, child_depth - self._label_depth
        points = [(start, out), (start, turn)]
        if child.depth > parent.depth + 1:  # between the columns of a block, past its first rows
            gutter = end - self._breadth / 2
            points += [(gutter, turn), (gutter, entry)]
        points += [(end, entry), (end, child_depth)]
        pixels = [self._turned((round(x), round(y))) for x, y in points]
        draw.line(pixels, fill=_LINE_COLOUR, width=_LINE)

    def _draw_label(self, draw: ImageDraw.ImageDraw, name: str) -> None:
        """On the edge, which it interrupts."""
        lines = self._labels[name]
        if not lines or self._family.parents[name] is None:
            return
        middle, depth = self._centre(self._places[name])
        x, y = self._turned((round(middle), round(depth - self._label_depth / 2)))
        width = max(labels.text_width(line, _FONT) for line in lines) / 2 + 4
        height = labels.block_height(len(lines), _FONT) / 2
        box = (round(x - width), round(y - height), round(x + width), round(y + height))
        draw.rectangle(box, fill=STYLE.background)
        labels.draw_lines(draw, box, lines, _FONT, STYLE.emphasis)

    def _draw_picture(self, image: Image.Image, draw: ImageDraw.ImageDraw, name: str) -> None:
        middle, depth = self._centre(self._places[name])
        left, top = self._turned((round(middle - THUMBNAIL / 2), round(depth)))
        box = (THUMBNAIL, THUMBNAIL)
        cell = self._members[name].image
        if isinstance(cell, str):
            cell = grid.unavailable_cell(box, [cell], STYLE)
            draw.rectangle((left - 1, top - 1, left + box[0], top + box[1]), fill=_LINE_COLOUR)
        grid.place(image, cell, (left, top), box)
        if name == self._picture_id:
            right, bottom = left + box[0] + _FRAME - 1, top + box[1] + _FRAME - 1
            frame = (left - _FRAME, top - _FRAME, right, bottom)
            draw.rectangle(frame, outline=_ASKED_COLOUR, width=_FRAME)
        more = self._family.more.get(name)
        if more:
            _draw_badge(draw, f"+{more} more", (left + box[0], top + box[1]))


def _draw_badge(draw: ImageDraw.ImageDraw, text: str, corner: tuple[int, int]) -> None:
    """A text on a dark ground, at the left of and above its right lower corner."""
    width, height = labels.text_width(text, _FONT) + _FONT, labels.block_height(1, _FONT)
    box = (corner[0] - width, corner[1] - height, *corner)
    draw.rectangle(box, fill=STYLE.background)
    labels.draw_lines(draw, box, [text], _FONT, STYLE.emphasis)


def _lines(texts: Sequence[str]) -> list[str]:
    """The label in at most _LABEL_LINES lines; the last says how many more changes there are."""
    lines = [line for text in texts for line in labels.text_lines(text, _FONT, _LABEL_WIDTH, 2)]
    if len(lines) <= _LABEL_LINES:
        return lines
    return [*lines[: _LABEL_LINES - 1], "…"]
