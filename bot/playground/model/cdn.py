"""Attachments and their signed, expiring addresses, as Discord's CDN serves them."""

import asyncio
import hashlib
import hmac
import mimetypes
import secrets
from collections import deque

from aiohttp import web
from yarl import URL

from bot.playground.clock import Clock
from bot.playground.faults import Fault, Faults
from bot.playground.model.attachments import SPOILER, Attachment, Upload, sanitize_filename

LINGERING = 32  # removed files that can still be fetched, as from Discord's caches
LIFETIME = 24 * 3600  # seconds that a signed address stays good
INLINE = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Cdn:
    """Keeps the bytes of files and serves them to holders of a signed address."""

    def __init__(self, clock: Clock) -> None:
        self.base = URL("http://127.0.0.1")
        self.faults = Faults()
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._files: dict[int, Attachment] = {}
        self._leaving: deque[int] = deque()

    def store(self, upload: Upload, *, id: int, channel_id: int, ephemeral: bool) -> Attachment:
        """Keep a file; its type is told by its name unless the sender says it."""
        guessed = mimetypes.guess_type(upload.filename)[0]
        attachment = Attachment(
            id=id,
            channel_id=channel_id,
            filename=sanitize_filename(upload.filename),
            data=upload.data,
            content_type=upload.content_type or guessed,
            signer=self,
            description=upload.description,
            ephemeral=ephemeral,
            spoiler=upload.spoiler or upload.filename.startswith(SPOILER),
        )
        self._files[id] = attachment
        return attachment

    def forget(self, attachment: Attachment) -> None:
        """Drop a file that no message shows any more; the last few stay for slow readers."""
        self._leaving.append(attachment.id)
        if len(self._leaving) > LINGERING:
            self._files.pop(self._leaving.popleft(), None)

    def sign(self, attachment: Attachment) -> str:
        """An address that is good for a day from now."""
        issued = int(self._clock.now())
        query = {"ex": f"{issued + LIFETIME:x}", "is": f"{issued:x}"}
        query["hm"] = self._signature(attachment.path, query["ex"], query["is"])
        return str(self.base.with_path(attachment.path).with_query(query))

    def _signature(self, path: str, expires: str, issued: str) -> str:
        text = f"{path}|{expires}|{issued}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _find(self, request: web.Request) -> Attachment | None:
        attachment = self._files.get(int(request.match_info["attachment_id"]))
        if attachment is None:
            return None
        expires, issued = request.query.get("ex", ""), request.query.get("is", "")
        good = self._signature(attachment.path, expires, issued)
        if not hmac.compare_digest(good.encode(), request.query.get("hm", "").encode()):
            return None
        return attachment if int(expires, 16) > self._clock.now() else None

    async def serve(self, request: web.Request) -> web.Response:
        """Answer with the bytes, or 404 when the address is unsigned, stale or unknown."""
        attachment = self._find(request)
        if attachment is None:
            return web.Response(status=404, text="This content is no longer available.")
        fault = self.faults.take("GET", request.path)
        if fault:
            return await _failing(request, attachment, fault)
        return web.Response(body=attachment.data, headers=_headers(attachment))

    def add_routes(self, app: web.Application) -> None:
        """Serve below the addresses that `sign` makes."""
        for folder in ("attachments", "ephemeral-attachments"):
            path = f"/{folder}/{{channel_id:\\d+}}/{{attachment_id:\\d+}}/{{filename}}"
            app.router.add_get(path, self.serve)


def _headers(attachment: Attachment) -> dict[str, str]:
    kind = attachment.content_type or "application/octet-stream"
    headers = {
        "Content-Type": kind,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if kind not in INLINE:
        headers["Content-Disposition"] = "attachment"
    return headers


async def _failing(request: web.Request, attachment: Attachment, fault: Fault) -> web.Response:
    """Serve late, not at all, or only the first half before the connection is cut."""
    await asyncio.sleep(fault.delay)
    if fault.status:
        return web.Response(status=fault.status, text="A fault on demand")
    if not fault.drop:
        return web.Response(body=attachment.data, headers=_headers(attachment))
    response = web.StreamResponse(headers=_headers(attachment))
    response.content_length = len(attachment.data)
    await response.prepare(request)
    await response.write(attachment.data[: len(attachment.data) // 2])
    if request.transport:
        request.transport.close()
    raise ConnectionResetError("A fault on demand")
