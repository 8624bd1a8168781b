"""Download attachments whose stored addresses may have expired since a restart."""

import logging
from typing import Final

import discord
import msgspec
from discord.http import Route

from bot.attachments.downloader import AddressExpired, AttachmentDownloader
from bot.messages.discord_errors import DISCORD_ERRORS, describe

_PATH: Final = "/attachments/refresh-urls"
log = logging.getLogger(__name__)


class _RefreshedUrl(msgspec.Struct):
    original: str
    refreshed: str | None = None


class _Response(msgspec.Struct):
    refreshed_urls: list[_RefreshedUrl]


class AttachmentFetcher:
    """Downloads attachments, with a new address if Discord no longer accepts the old one."""

    def __init__(self, downloader: AttachmentDownloader, client: discord.Client) -> None:
        self._downloader = downloader
        self._client = client

    async def fetch(self, url: str) -> bytes:
        """The file at this URL. Raises what `AttachmentDownloader.fetch` does."""
        try:
            return await self._downloader.fetch(url)
        except AddressExpired:
            new_url = await self._refreshed(url)
            if new_url is None:
                raise
        return await self._downloader.fetch(new_url)

    def is_allowed(self, url: str) -> bool:
        """Whether attachments may be downloaded from this URL."""
        return self._downloader.is_allowed(url)

    async def _refreshed(self, url: str) -> str | None:
        """A new address of the file; None if Discord gives none."""
        try:
            data = await self._client.http.request(
                Route("POST", _PATH), json={"attachment_urls": [url]}
            )
            response = msgspec.convert(data, _Response)
        except (msgspec.ValidationError, *DISCORD_ERRORS) as error:
            log.info("no new address of an attachment", extra={"reason": describe(error)})
            return None
        return next((item.refreshed for item in response.refreshed_urls), None)
