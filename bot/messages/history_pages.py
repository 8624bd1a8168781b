"""The pages of a user's history: which jobs they have, and one image with a thumbnail of each."""

import asyncio
from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from bot.db.history import HistoryStore
from bot.db.jobs import JobStore
from bot.domain.history import PAGE_SIZE, HistoryEntry, HistoryFilter, HistoryPage
from bot.domain.job import Job
from bot.domain.picture import Picture
from bot.i18n import _
from bot.messages import picture_files
from bot.messages.grid import STYLE, Cell
from bot.messages.picture_files import FittedFile
from bot.storage import FileMissing, FileStorage
from engine.contract.images import grid, labels

_COLUMNS: Final = 3
_THUMBNAIL: Final = 256
_GAP: Final = 4
_FONT: Final = 24


class HistoryPages:
    """Finds the finished jobs of a user and draws them."""

    def __init__(self, history: HistoryStore, jobs: JobStore, storage: FileStorage) -> None:
        self._history = history
        self._jobs = jobs
        self._storage = storage

    async def page(self, user_id: int, chosen: HistoryFilter, number: int) -> HistoryPage:
        """A page of the matching jobs of a user; pages are counted from 0."""
        return await self._history.page(user_id, chosen, number, PAGE_SIZE)

    async def latest(self, user_id: int, words: str, limit: int) -> list[Job]:
        """The latest finished jobs of a user whose prompts contain these words, newest first."""
        return await self._history.latest(user_id, words, limit)

    async def models(self, user_id: int) -> list[str]:
        """The names of the models of a user's finished jobs."""
        return await self._history.models(user_id)

    async def pictures(self, page: HistoryPage) -> list[Picture]:
        """All pictures of the jobs of a page."""
        return [picture for job in page.jobs for picture in await self._jobs.pictures(job.id)]

    async def sheet(
        self, entries: Sequence[HistoryEntry], first_number: int, limit: int
    ) -> FittedFile:
        """An image with a numbered thumbnail of each job."""
        return await asyncio.to_thread(self._sheet, entries, first_number, limit)

    def _sheet(self, entries: Sequence[HistoryEntry], first_number: int, limit: int) -> FittedFile:
        columns = min(_COLUMNS, len(entries))
        rows, step = -(-len(entries) // columns), _THUMBNAIL + _GAP
        image = Image.new("RGB", (columns * step - _GAP, rows * step - _GAP), STYLE.background)
        for index, entry in enumerate(entries):
            corner = (index % columns * step, index // columns * step)
            cell = self._cell(entry.pictures)
            if isinstance(cell, str):
                cell = grid.unavailable_cell((_THUMBNAIL, _THUMBNAIL), [cell], STYLE)
            grid.place(image, cell, corner, (_THUMBNAIL, _THUMBNAIL))
            _draw_number(ImageDraw.Draw(image), f"{first_number + index}", corner)
        return picture_files.encode_within(image, limit)

    def _cell(self, pictures: Sequence[Picture]) -> Cell:
        """The first picture of a job that can be shown, or why there is none."""
        reason = _(picture_files.GONE)
        for picture in pictures:
            if picture.unavailable_reason is not None:
                reason = picture.unavailable_reason
                continue
            try:
                return picture_files.thumbnail(self._storage, picture, _THUMBNAIL)
            except FileMissing:
                reason = _(picture_files.GONE)
        return reason


def _draw_number(draw: ImageDraw.ImageDraw, text: str, corner: tuple[int, int]) -> None:
    """On a dark ground in the upper left corner of a thumbnail."""
    width, height = labels.text_width(text, _FONT) + _FONT // 2, labels.block_height(1, _FONT)
    box = (*corner, corner[0] + width, corner[1] + height)
    draw.rectangle(box, fill=STYLE.background)
    labels.draw_lines(draw, box, [text], _FONT, STYLE.emphasis)
