"""Request bodies within size limits: JSON, or forms, which can have `payload_json` and files."""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from aiohttp import BodyPartReader, MultipartReader, web

from bot.playground.errors import ApiError, Json, invalid, too_large
from bot.playground.model.attachments import Upload

REQUEST_LIMIT = 25 * 1024 * 1024
MARGIN = 1024 * 1024  # for the other parts of a request with a file that is larger than that
FILE_FIELD = re.compile(r"files\[(\d{1,2})\]")
JSON, URL_ENCODED = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


@dataclass(frozen=True)
class RequestBody:
    """A JSON object in `payload` or a list in `items`, and files by number."""

    payload: Json = field(default_factory=dict)
    items: list[Json] = field(default_factory=list)
    files: dict[int, Upload] = field(default_factory=dict)
    path: tuple[str | int, ...] = ()
    """Where `payload` is in the body that the client sent."""


async def read_body(request: web.Request, file_limit: int) -> RequestBody:
    """Return the body of a request; raise ApiError if it or a file is too large or malformed."""
    limit = max(REQUEST_LIMIT, file_limit + MARGIN)
    if (request.content_length or 0) > limit:
        raise too_large()
    if request.content_type == MULTIPART:
        return await _read_multipart(request, file_limit, limit)
    raw = await _read_limited(request)
    if not raw:
        return RequestBody()
    if request.content_type == URL_ENCODED:
        return RequestBody(dict(parse_qsl(raw.decode(errors="replace"))))
    if request.content_type != JSON:
        types = ", ".join(repr(name) for name in (JSON, URL_ENCODED, MULTIPART))
        sentence = f'Expected "Content-Type" header to be one of {{{types}}}.'
        raise invalid((), "CONTENT_TYPE_INVALID", sentence)
    return _from_json(raw, {})


async def _read_limited(request: web.Request) -> bytes:
    raw = bytearray()
    async for chunk in request.content.iter_any():
        raw += chunk
        if len(raw) > REQUEST_LIMIT:
            raise too_large()
    return bytes(raw)


def _from_json(raw: bytes, files: dict[int, Upload]) -> RequestBody:
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, 50109, "The request body contains invalid JSON.", violation=True) from (
            error
        )
    items = body if isinstance(body, list) else [body]
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            path = (index,) if isinstance(body, list) else ()
            sentence = "Only dictionaries may be used in a ModelType"
            raise invalid(path, "MODEL_TYPE_CONVERT", sentence)
    if isinstance(body, list):
        return RequestBody(items=body, files=files)
    return RequestBody(payload=body, files=files)


async def _read_multipart(request: web.Request, file_limit: int, limit: int) -> RequestBody:
    """Read a form. Each part with a file name is a file; `payload_json` replaces all fields."""
    reader = MultipartReader(request.headers, request.content)
    files: dict[int, Upload] = {}
    others: list[Upload] = []
    form: Json = {}
    raw = b""
    total = 0
    async for part in reader:
        if not isinstance(part, BodyPartReader):
            raise invalid((), "BASE_TYPE_BAD", "Nested multipart bodies are not allowed")
        data = await _read_part(part, min(limit - total, file_limit))
        total += len(data)
        if part.name == "payload_json":
            raw = data
        elif match := FILE_FIELD.fullmatch(part.name or ""):
            files[int(match[1])] = _upload(part, data)
        elif part.filename:
            others.append(_upload(part, data))
        else:
            form[part.name or ""] = data.decode(errors="replace")
    free_numbers = [n for n in range(len(files) + len(others)) if n not in files]
    files |= dict(zip(free_numbers, others, strict=False))
    return _from_json(raw, files) if raw else RequestBody(form, files=files)


async def _read_part(part: BodyPartReader, limit: int) -> bytes:
    data = bytearray()
    while chunk := await part.read_chunk():
        data += chunk
        if len(data) > limit:
            raise too_large()
    return bytes(data)


def _upload(part: BodyPartReader, data: bytes) -> Upload:
    content_type = part.headers.get("Content-Type")
    is_generic = content_type in (None, "application/octet-stream")
    return Upload(part.filename or "file", data, None if is_generic else content_type)
