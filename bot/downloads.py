"""Attachments from Discord's CDN, and from nowhere else."""

import ipaddress
from collections.abc import Collection
from typing import Final

import aiohttp
import yarl

from bot.errors import BotError, Refused
from bot.uploads import BYTES_LIMIT, check_size

CDN_HOSTS: Final = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_CHUNK: Final = 64 * 1024
_OK: Final = 200


class Unavailable(BotError):
    """The attachment could not be fetched."""


class Downloads:
    """Fetches attachments: over https from the CDN, or from hosts of a local Discord.

    Use as `async with`.
    """

    def __init__(self, *, local_hosts: Collection[str] = ()) -> None:
        self._local_hosts = local_hosts
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Downloads":
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises Refused or Unavailable, in words for the person."""
        if self._session is None:
            raise RuntimeError("Downloads is used outside `async with`.")
        if not trusted(url, self._local_hosts):
            raise Refused("A sketch must be attached to the command.")
        try:
            async with self._session.get(_address(url), allow_redirects=False) as answer:
                if answer.status != _OK:
                    raise Unavailable("Discord did not hand out the sketch. Please try again.")
                return await _read(answer)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("The sketch could not be fetched. Please try again.") from error


def trusted(url: str, local_hosts: Collection[str] = ()) -> bool:
    """Is this an address that attachments come from?"""
    try:
        address = yarl.URL(url)
    except ValueError:
        return False
    if address.user or address.password:
        return False
    if address.scheme == "https" and address.host in CDN_HOSTS:
        return address.explicit_port is None
    return address.scheme in ("http", "https") and _is_local(address.host or "", local_hosts)


def _is_local(host: str, local_hosts: Collection[str]) -> bool:
    """One of these hosts; and if any of them is this machine, all names of this machine."""
    if host in local_hosts:
        return True
    return _is_this_machine(host) and any(_is_this_machine(local) for local in local_hosts)


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _address(url: str) -> yarl.URL:
    """To the letter, for it may be signed, unless there are letters that HTTP cannot send."""
    return yarl.URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    check_size(answer.content_length or 0)
    data = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > BYTES_LIMIT:
            check_size(len(data))
    return bytes(data)
