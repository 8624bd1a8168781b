"""Draw a labelled matrix: pictures whose rows and columns are the values of two settings."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from PIL import Image, ImageDraw

from engine.contract.images import labels
from engine.contract.images.grid import MAX_SIDE, PLAIN, GridStyle, cell_box, fit, place

_READABLE_SHARE: Final = 1 / 28
"""Font size / width of all cells: about 12 pixels where a phone shows the image 350 pixels wide."""
_MIN_FONT: Final = 9
_CELL_SHARE: Final = 1 / 5
"""Largest font size / width of a cell, so that short values fit above their columns."""
_LABEL_LINES: Final = 3
_MAX_COLUMNS: Final = 5
"""Of a matrix with one axis, whose cells continue in the next row."""


class Axis(NamedTuple):
    """The name of a setting and its values, as labels."""

    name: str
    labels: Sequence[str]


NO_AXIS: Final = Axis("", ("",))
"""The rows of a matrix with only one axis."""


class _Layout(NamedTuple):
    """Sizes in pixels of the parts of a matrix."""

    cell: tuple[int, int]
    font: int
    gap: int
    left: int
    """Width of the row labels and of the name of their axis."""
    title: int
    """Height of the name of the columns' axis."""
    header: int
    """Height of the column labels."""

    def size(self, columns: int, rows: int, headers: int) -> tuple[int, int]:
        """Of the whole matrix."""
        width = self.left + columns * (self.cell[0] + self.gap) + self.gap
        height = self.title + headers * self.header + rows * (self.cell[1] + self.gap) + self.gap
        return width, height


def compose(
    cells: Sequence[Image.Image],
    rows: Axis,
    columns: Axis,
    style: GridStyle = PLAIN,
    *,
    max_side: int = MAX_SIDE,
) -> Image.Image:
    """The cells, row by row, with the labels of the rows at the left and of the columns above.

    With NO_AXIS as rows, the columns continue in more rows, each cell below its own label. The
    cells keep their pixels unless the image would be larger than `max_side`. Raises ValueError if
    the number of cells is not that of the labels.
    """
    if len(cells) != len(rows.labels) * len(columns.labels):
        raise ValueError(
            f"{len(cells)} cells for {len(rows.labels)} rows and {len(columns.labels)} columns"
        )
    if len(rows.labels) == 1 and not rows.labels[0]:
        return _Sequence(cells, columns, style, max_side).draw()
    return _Matrix(cells, rows, columns, style, max_side).draw()


class _Drawing:
    """What both forms have in common: a canvas, a title, and cells that fit into it."""

    def __init__(
        self, cells: Sequence[Image.Image], columns: Axis, style: GridStyle, max_side: int
    ) -> None:
        self._cells = cells
        self._columns = columns
        self._style = style
        self._max_side = max_side

    def _fitted(self, rows: Axis, count: int, row_count: int, headers: int) -> _Layout:
        """The layout with the largest cells that stay within the limit."""
        box = fit(
            cell_box(self._cells), (max(1, self._max_side // count), self._max_side // row_count)
        )
        while True:
            layout = _layout(box, rows, self._columns, count)
            longest = max(layout.size(count, row_count, headers))
            if longest <= self._max_side or min(box) <= 1:
                return layout
            scale = min(0.99, self._max_side / longest)
            box = max(1, int(box[0] * scale)), max(1, int(box[1] * scale))

    def _canvas(self, size: tuple[int, int], layout: _Layout) -> Image.Image:
        """An empty image with the name of the columns' axis on top."""
        image = Image.new("RGB", size, self._style.background)
        if layout.title:
            width = size[0] - layout.left
            lines = labels.text_lines(self._columns.name, layout.font, width)
            box = (layout.left, 0, size[0], layout.title)
            draw = ImageDraw.Draw(image)
            labels.draw_lines(draw, box, lines, layout.font, self._style.foreground)
        return image

    def _label(
        self, image: Image.Image, text: str, box: tuple[int, int, int, int], font: int
    ) -> None:
        lines = labels.text_lines(text, font, box[2] - box[0], _LABEL_LINES)
        labels.draw_lines(ImageDraw.Draw(image), box, lines, font, self._style.emphasis)


class _Matrix(_Drawing):
    """Two axes: one label for each row and each column."""

    def __init__(
        self,
        cells: Sequence[Image.Image],
        rows: Axis,
        columns: Axis,
        style: GridStyle,
        max_side: int,
    ) -> None:
        super().__init__(cells, columns, style, max_side)
        self._rows = rows

    def draw(self) -> Image.Image:
        """The image."""
        columns, rows = len(self._columns.labels), len(self._rows.labels)
        layout = self._fitted(self._rows, columns, rows, 1)
        image = self._canvas(layout.size(columns, rows, 1), layout)
        self._draw_rows(image, layout)
        top = layout.title
        for nth, text in enumerate(self._columns.labels):
            left = layout.left + layout.gap + nth * (layout.cell[0] + layout.gap)
            box = (left, top, left + layout.cell[0], top + layout.header)
            self._label(image, text, box, layout.font)
        for index, cell in enumerate(self._cells):
            place(image, cell, self._corner(layout, index), layout.cell)
        return image

    def _corner(self, layout: _Layout, index: int) -> tuple[int, int]:
        row, column = divmod(index, len(self._columns.labels))
        left = layout.left + layout.gap + column * (layout.cell[0] + layout.gap)
        top = layout.title + layout.header + layout.gap + row * (layout.cell[1] + layout.gap)
        return left, top

    def _draw_rows(self, image: Image.Image, layout: _Layout) -> None:
        name_width = labels.block_height(1, layout.font) if self._rows.name else 0
        if name_width:
            top = layout.title + layout.header
            name = labels.turned_line(
                self._rows.name,
                layout.font,
                image.height - top,
                colour=self._style.foreground,
                on=self._style.background,
            )
            image.paste(name, (0, top))
        for nth, text in enumerate(self._rows.labels):
            top = self._corner(layout, nth * len(self._columns.labels))[1]
            box = (name_width, top, layout.left, top + layout.cell[1])
            self._label(image, text, box, layout.font)


class _Sequence(_Drawing):
    """One axis: the cells in reading order, each below its label."""

    def draw(self) -> Image.Image:
        """The image."""
        count = len(self._cells)
        columns = count if count <= _MAX_COLUMNS else math.ceil(math.sqrt(count))
        rows = math.ceil(count / columns)
        layout = self._fitted(NO_AXIS, columns, rows, rows)
        image = self._canvas(layout.size(columns, rows, rows), layout)
        for index, cell in enumerate(self._cells):
            row, column = divmod(index, columns)
            left = layout.gap + column * (layout.cell[0] + layout.gap)
            top = layout.title + row * (layout.header + layout.cell[1] + layout.gap)
            box = (left, top, left + layout.cell[0], top + layout.header)
            self._label(image, self._columns.labels[index], box, layout.font)
            place(image, cell, (left, top + layout.header), layout.cell)
        return image


def _layout(cell: tuple[int, int], rows: Axis, columns: Axis, count: int) -> _Layout:
    """The sizes of all parts for cells of this size, `count` in each row."""
    size = max(_MIN_FONT, round(min(cell[0] * count * _READABLE_SHARE, cell[0] * _CELL_SHARE)))
    header = max(len(labels.text_lines(t, size, cell[0], _LABEL_LINES)) for t in columns.labels)
    # A label of a row may be as wide as a cell, and is broken into lines beyond that.
    lines = [
        line for t in rows.labels for line in labels.text_lines(t, size, cell[0], _LABEL_LINES)
    ]
    label_width = max((labels.text_width(line, size) for line in lines), default=0)
    name_width = labels.block_height(1, size) if rows.name else 0
    return _Layout(
        cell=cell,
        font=size,
        gap=max(1, cell[0] // 64),
        left=name_width + label_width + (size // 2 if label_width else 0),
        title=labels.block_height(1, size) if columns.name else 0,
        header=labels.block_height(header, size) + size // 4,
    )
