"""Download attachments from Discord's CDN, and from no other host."""

import ipaddress
import logging
from collections.abc import Collection
from typing import Final

import aiohttp
import yarl

from bot.attachments.sanitize import check_size
from bot.errors import NETWORK_ERRORS, BotError, Refused
from bot.i18n import N_, _
from engine.contract.images.refusals import MAX_FILE_BYTES

CDN_HOSTS: Final = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10.0
_CHUNK: Final = 64 * 1024
_OK: Final = 200
_EXPIRED: Final = (403, 404)
_EXPIRED_SENTENCE: Final = N_(
    "Discord did not serve the file: its address may have expired. Please send it again."
)
_IDENTITY: Final = "identity"
log = logging.getLogger(__name__)


class DownloadFailed(BotError):
    """The attachment could not be downloaded; trying again may help."""


class AddressExpired(DownloadFailed):
    """Discord serves no file at the address, which may be too old."""


class AttachmentDownloader:
    """Downloads over https from the CDN, or from the hosts of a local Discord.

    Each download takes at most `seconds`; redirects and compressed responses are errors.
    Use as `async with`.
    """

    def __init__(
        self,
        *,
        local_hosts: Collection[str] = (),
        seconds: float = _SECONDS,
        proxy: str | None = None,
    ) -> None:
        self._local_hosts = local_hosts
        self._proxy = proxy
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "AttachmentDownloader":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._seconds, connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": _IDENTITY},
            auto_decompress=False,  # a small response could decompress to a huge one
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str) -> bytes:
        """The file at this URL. Raises Refused for another host or a large file; DownloadFailed."""
        if self._session is None:
            raise RuntimeError("AttachmentDownloader is used outside `async with`.")
        address = _parse(url)
        if address is None or not self.is_allowed(url):
            raise _foreign_host(address)
        try:
            async with self._session.get(
                address, allow_redirects=False, proxy=self._proxy
            ) as response:
                if response.status in _EXPIRED:
                    raise AddressExpired(_(_EXPIRED_SENTENCE))
                if response.status != _OK:
                    raise DownloadFailed(_("Discord did not serve the file. Please try again."))
                if response.headers.get("Content-Encoding", _IDENTITY).lower() != _IDENTITY:
                    raise DownloadFailed(
                        _("Discord sent the file compressed, which is not supported.")
                    )
                return await _read(response)
        except NETWORK_ERRORS as error:
            log.warning("A file was not downloaded: %r.", error)
            raise DownloadFailed(
                _("The file could not be downloaded. Please try again.")
            ) from error

    def is_allowed(self, url: str) -> bool:
        """Whether attachments may be downloaded from this URL."""
        address = _parse(url)
        if address is None or address.user is not None or address.password is not None:
            return False
        if address.scheme == "https" and address.host in CDN_HOSTS:
            return address.explicit_port is None
        is_http = address.scheme in ("http", "https")
        return is_http and _is_local(address.host or "", self._local_hosts)


def _foreign_host(address: yarl.URL | None) -> Refused:
    host = "" if address is None or not address.host else f" (it is on {address.host[:100]})"
    log.warning("A file was not downloaded: it is not on Discord's CDN%s.", host)
    return Refused(
        _(
            "The file is not on Discord's file servers{host}, so I did not download it. "
            "Attach the file itself to the command."
        ).format(host=host)
    )


def _is_local(host: str, local_hosts: Collection[str]) -> bool:
    """Whether it is one of these hosts, or a loopback address if one of them is."""
    if host in local_hosts:
        return True
    return _is_loopback(host) and any(_is_loopback(local) for local in local_hosts)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _parse(url: str) -> yarl.URL | None:
    """The URL, re-encoded only if it must be, as it may be signed; None if it is malformed."""
    try:
        address = yarl.URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)
        _ = address.explicit_port  # parsed on access; may raise
    except ValueError:
        return None
    return address


async def _read(response: aiohttp.ClientResponse) -> bytes:
    check_size(response.content_length or 0)
    data = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > MAX_FILE_BYTES:
            check_size(len(data))
    return bytes(data)
