"""Request bodies of the page: JSON objects, and forms with files."""

import json

from aiohttp import BodyPartReader, web

from bot.playground.errors import Json, PlaygroundError
from bot.playground.model.attachments import Upload
from bot.playground.rest.request_body import REQUEST_LIMIT


async def read_json(request: web.Request) -> Json:
    """Return the JSON object in the body; raise HTTPBadRequest if it is malformed."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.")
    return body


async def read_form(request: web.Request) -> tuple[dict[str, str], list[Upload]]:
    """Return the fields and files of a form; raise PlaygroundError if a file is too large."""
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPBadRequest(text="The body is not a multipart form.")
    fields: dict[str, str] = {}
    uploads: list[Upload] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise web.HTTPBadRequest(text="Nested forms are not supported.")
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            if len(data) > REQUEST_LIMIT:
                raise PlaygroundError("That file is too large: Discord takes at most 25 MiB.")
        if part.filename:
            uploads.append(Upload(part.filename, bytes(data), part.headers.get("Content-Type")))
        else:
            fields[part.name or ""] = data.decode(errors="replace")
    return fields, uploads
