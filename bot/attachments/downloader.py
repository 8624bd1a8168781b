"""Attachments from Discord's CDN, and from nowhere else."""

import ipaddress
import logging
from collections.abc import Collection
from typing import Final

import aiohttp
import yarl

from bot.attachments.sanitize import BYTES_LIMIT, check_size
from bot.errors import BotError, Refused

CDN_HOSTS: Final = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10.0
_CHUNK: Final = 64 * 1024
_OK: Final = 200
_PLAIN: Final = "identity"
log = logging.getLogger(__name__)


class Unavailable(BotError):
    """The attachment could not be fetched."""


class Downloads:
    """Fetches attachments: over https from the CDN, or from hosts of a local Discord.

    Each within `seconds`, as they are: no redirect is followed, nothing is unpacked.
    Use as `async with`.
    """

    def __init__(self, *, local_hosts: Collection[str] = (), seconds: float = _SECONDS) -> None:
        self._local_hosts = local_hosts
        self._seconds = seconds
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "Downloads":
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._seconds, connect=_CONNECT_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": _PLAIN},
            auto_decompress=False,  # a small answer could unpack to a huge one
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str) -> bytes:
        """The file at this address. Raises Refused or Unavailable, in words for the person."""
        if self._session is None:
            raise RuntimeError("Downloads is used outside `async with`.")
        address = _address(url)
        if address is None or not _is_trusted(address, self._local_hosts):
            raise _foreign(address)
        try:
            async with self._session.get(address, allow_redirects=False) as answer:
                if answer.status != _OK:
                    raise Unavailable("Discord did not hand out the sketch. Please try again.")
                if answer.headers.get("Content-Encoding", _PLAIN).lower() != _PLAIN:
                    raise Unavailable("Discord sent the sketch packed, and I do not unpack it.")
                return await _read(answer)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unavailable("The sketch could not be fetched. Please try again.") from error


def trusted(url: str, local_hosts: Collection[str] = ()) -> bool:
    """Is this an address that attachments come from?"""
    address = _address(url)
    return address is not None and _is_trusted(address, local_hosts)


def _is_trusted(address: yarl.URL, local_hosts: Collection[str]) -> bool:
    if address.user is not None or address.password is not None:
        return False
    if address.scheme == "https" and address.host in CDN_HOSTS:
        return address.explicit_port is None
    return address.scheme in ("http", "https") and _is_local(address.host or "", local_hosts)


def _foreign(address: yarl.URL | None) -> Refused:
    where = "" if address is None or not address.host else f" (but at {address.host[:100]})"
    log.warning("A sketch was not fetched, for it does not lie on Discord's CDN%s.", where)
    return Refused(
        f"The sketch does not lie where Discord keeps its files{where}, so I do not fetch it. "
        "Attach the file itself to the command."
    )


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


def _address(url: str) -> yarl.URL | None:
    """To the letter, for it may be signed, unless there are letters that HTTP cannot send."""
    try:
        address = yarl.URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)
        _ = address.explicit_port  # only now it is read, and may be none
    except ValueError:
        return None
    return address


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    check_size(answer.content_length or 0)
    data = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK):
        data += chunk
        if len(data) > BYTES_LIMIT:
            check_size(len(data))
    return bytes(data)
