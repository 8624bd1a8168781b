"""Reads the recipes inside of uploaded files."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from bot.db.job_inputs import JobInputStore
from bot.errors import Refused
from bot.storage import FileStorage
from engine.contract import Recipe, Work
from engine.contract.images.png_text import BadText
from engine.contract.metadata import Metadata, decode_recipes, read_metadata


class Fetcher(Protocol):
    """Downloads attachments."""

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises BotError, with a sentence for the user."""


class UploadedRecipes:
    """Of a file, only its texts are read, within limits; its pixels are not decoded."""

    def __init__(self, fetcher: Fetcher, job_inputs: JobInputStore, storage: FileStorage) -> None:
        self._fetcher = fetcher
        self._job_inputs = job_inputs
        self._storage = storage

    async def read_picture(self, url: str) -> Metadata:
        """What a file says about its pictures. Raises BotError, with a sentence for the user."""
        data = await self._fetcher.fetch(url)
        try:
            return await asyncio.to_thread(read_metadata, data)
        except BadText as error:
            raise Refused(str(error)) from error

    async def read_recipes(self, url: str) -> tuple[Work, ...]:
        """The recipes of a JSON file. Raises BotError, with a sentence for the user."""
        data = await self._fetcher.fetch(url)
        try:
            return await asyncio.to_thread(decode_recipes, data)
        except BadText as error:
            raise Refused(str(error)) from error

    async def existing_images(self, recipes: Iterable[Work], user_id: int) -> frozenset[str]:
        """The digests of those sketches of the recipes that are stored and that this user uploaded.

        A recipe with few steps would show those of others nearly as they are.
        """
        images = {image for work in recipes for image in work.recipe.images}
        uploaded = await self._job_inputs.fetched(user_id, images) if images else frozenset()
        return await asyncio.to_thread(self._existing, uploaded)

    def _existing(self, images: Iterable[str]) -> frozenset[str]:
        return frozenset(image for image in images if self._storage.has_source(image))


def recipe_in(data: bytes) -> Recipe | None:
    """The recipe inside of a file that shows one picture of this bot; None for all other files."""
    try:
        recipes = read_metadata(data).recipes
    except BadText:
        return None
    return recipes[0].recipe if len(recipes) == 1 else None
