"""The CDN: attachments served at signed URLs that expire."""

import hashlib
import hmac
import mimetypes
import re
import secrets
from collections import deque

from aiohttp import web
from yarl import URL

from bot.playground.clock import Clock
from bot.playground.faults import Fault, Faults
from bot.playground.model.attachments import SPOILER_PREFIX, Attachment, Upload, sanitize_filename

DELETED_FILES_LIMIT = 32  # deleted files that can still be fetched, as from Discord's caches
URL_SECONDS = 24 * 3600
PATH = re.compile(r"/(?:ephemeral-)?attachments/[0-9]+/([0-9]+)/[^/]+")
INLINE_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif", "video/mp4")


class Cdn:
    """Stores files and serves them at signed URLs."""

    def __init__(self, clock: Clock) -> None:
        self.base = URL("http://127.0.0.1")
        self.faults = Faults()
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._files: dict[int, Attachment] = {}
        self._deleted_ids: deque[int] = deque()

    def store(
        self, upload: Upload, *, attachment_id: int, channel_id: int, ephemeral: bool
    ) -> Attachment:
        """Store a file. The content type is guessed from the name if the upload has none."""
        guessed_type = mimetypes.guess_type(upload.filename)[0]
        attachment = Attachment(
            id=attachment_id,
            channel_id=channel_id,
            filename=sanitize_filename(upload.filename),
            data=upload.data,
            content_type=upload.content_type or guessed_type,
            signer=self,
            description=upload.description,
            ephemeral=ephemeral,
            spoiler=upload.spoiler or upload.filename.startswith(SPOILER_PREFIX),
            duration_secs=upload.duration_secs,
            waveform=upload.waveform,
        )
        self._files[attachment_id] = attachment
        return attachment

    def delete(self, attachment: Attachment) -> None:
        """Delete a file; the last `DELETED_FILES_LIMIT` can still be fetched."""
        self._deleted_ids.append(attachment.id)
        if len(self._deleted_ids) > DELETED_FILES_LIMIT:
            self._files.pop(self._deleted_ids.popleft(), None)

    def sign(self, attachment: Attachment) -> str:
        """Return a URL that expires in 24 hours."""
        issued_at = int(self._clock.now())
        query = {"ex": f"{issued_at + URL_SECONDS:x}", "is": f"{issued_at:x}"}
        query["hm"] = self._signature(attachment.path, query["ex"], query["is"])
        return str(self.base.with_path(attachment.path).with_query(query))

    def refreshed_url(self, url: str) -> str | None:
        """Return a new URL for one that may have expired; None if it is of no stored file."""
        match = PATH.fullmatch(URL(url).path)
        attachment = self._files.get(int(match[1])) if match else None
        return attachment.url if attachment else None

    def _signature(self, path: str, expires_at: str, issued_at: str) -> str:
        text = f"{path}|{expires_at}|{issued_at}".encode()
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()

    def _find(self, request: web.Request) -> Attachment | None:
        attachment = self._files.get(int(request.match_info["attachment_id"]))
        if attachment is None:
            return None
        expires_at, issued_at = request.query.get("ex", ""), request.query.get("is", "")
        signature = self._signature(attachment.path, expires_at, issued_at)
        if not hmac.compare_digest(signature.encode(), request.query.get("hm", "").encode()):
            return None
        return attachment if int(expires_at, 16) > self._clock.now() else None

    async def serve(self, request: web.Request) -> web.Response:
        """Respond with the file or the requested part of it, or 404 if the URL is unsigned,
        expired or unknown."""
        attachment = self._find(request)
        if attachment is None:
            return web.Response(status=404, text="This content is no longer available.")
        fault = self.faults.take("GET", request.path)
        if fault:
            return await _respond_with_fault(request, attachment, fault)
        return _respond(request, attachment)

    def add_routes(self, app: web.Application) -> None:
        """Add routes for the URLs that `sign` returns."""
        for folder in ("attachments", "ephemeral-attachments"):
            path = f"/{folder}/{{channel_id:\\d+}}/{{attachment_id:\\d+}}/{{filename}}"
            app.router.add_get(path, self.serve)


def _headers(attachment: Attachment) -> dict[str, str]:
    content_type = attachment.content_type or "application/octet-stream"
    headers = {
        "Content-Type": content_type,
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if content_type not in INLINE_TYPES:
        headers["Content-Disposition"] = "attachment"
    return headers


def _respond(request: web.Request, attachment: Attachment) -> web.Response:
    """Respond with the file, or with the range of bytes that a video player requests."""
    data, headers = attachment.data, _headers(attachment) | {"Accept-Ranges": "bytes"}
    if "Range" not in request.headers:
        return web.Response(body=data, headers=headers)
    try:
        start, stop, _ = request.http_range.indices(len(data))
    except ValueError:
        start, stop = 0, 0
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return web.Response(status=206, body=data[start:stop], headers=headers)


async def _respond_with_fault(
    request: web.Request, attachment: Attachment, fault: Fault
) -> web.Response:
    """Respond late, with an error, or with half of the file before closing the connection."""
    await fault.wait()
    if fault.status:
        return web.Response(status=fault.status, text="Injected fault")
    if not fault.drop:
        return web.Response(body=attachment.data, headers=_headers(attachment))
    response = web.StreamResponse(headers=_headers(attachment))
    response.content_length = len(attachment.data)
    await response.prepare(request)
    await response.write(attachment.data[: len(attachment.data) // 2])
    if request.transport:
        request.transport.close()
    raise ConnectionResetError("Injected fault")
