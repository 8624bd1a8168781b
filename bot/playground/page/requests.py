"""What the playground's page sends: JSON objects, and forms with files."""

import json

from aiohttp import BodyPartReader, web

from bot.playground.errors import Json, PlaygroundError
from bot.playground.model.attachments import Upload
from bot.playground.rest.request_body import REQUEST_LIMIT


async def read_json(request: web.Request) -> Json:
    """A JSON object, or an answer of 400."""
    try:
        asked = json.loads(await request.read())
    except ValueError:
        raise web.HTTPBadRequest(text="That is not JSON.") from None
    if not isinstance(asked, dict):
        raise web.HTTPBadRequest(text="That is not a JSON object.")
    return asked


async def read_form(request: web.Request) -> tuple[dict[str, str], list[Upload]]:
    """The fields and files of a form; raise PlaygroundError when a file is too large."""
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPBadRequest(text="A form is expected.")
    fields: dict[str, str] = {}
    uploads: list[Upload] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise web.HTTPBadRequest(text="A form has no forms inside.")
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            if len(data) > REQUEST_LIMIT:
                raise PlaygroundError("That file is too large: Discord takes at most 25 MiB.")
        if part.filename:
            kind = part.headers.get("Content-Type")
            uploads.append(Upload(part.filename, bytes(data), kind))
        else:
            fields[part.name or ""] = data.decode(errors="replace")
    return fields, uploads
