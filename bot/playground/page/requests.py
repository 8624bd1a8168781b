"""Request bodies of the page: JSON objects, and forms with files."""

import base64
import binascii
import json
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web

from bot.playground.client.modals import FieldValue
from bot.playground.errors import Json, PlaygroundError
from bot.playground.model.attachments import Upload
from bot.playground.rest.request_body import REQUEST_LIMIT
from bot.playground.rest.validation.messages import CONTENT_LIMIT, FILES_LIMIT

OPTION_PREFIX = "option:"
JSON_LIMIT = 2 * REQUEST_LIMIT  # bytes; files are in Base64
TOO_LARGE = "That file is too large: Discord takes at most 25 MiB."


async def read_json(request: web.Request) -> Json:
    """Return the JSON object in the body.

    Raise HTTPBadRequest if it is malformed, and PlaygroundError if it is too large.
    """
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > JSON_LIMIT:
            raise PlaygroundError(TOO_LARGE)
    try:
        body = json.loads(data)
    except ValueError:
        raise web.HTTPBadRequest(text="The body is not valid JSON.") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.")
    return body


@dataclass(frozen=True)
class Form:
    """The texts and files of a form."""

    fields: dict[str, str] = field(default_factory=dict)
    uploads: list[Upload] = field(default_factory=list)
    """Files for no particular option of a command, or for a message."""
    option_uploads: dict[str, Upload] = field(default_factory=dict)
    """Files by the name of the attachment option that they are for."""

    def message_text(self) -> str:
        """Return the text of a message; raise PlaygroundError if it is too long."""
        text = self.fields.get("text", "")
        if len(text) > CONTENT_LIMIT:
            raise PlaygroundError(f"A message takes at most {CONTENT_LIMIT} characters.")
        return text

    def message_files(self) -> list[Upload]:
        """Return all files; raise PlaygroundError if there are too many for a message."""
        files = [*self.uploads, *self.option_uploads.values()]
        if len(files) > FILES_LIMIT:
            raise PlaygroundError(f"A message takes at most {FILES_LIMIT} files.")
        return files


async def read_form(request: web.Request) -> Form:
    """Return the form in the body; raise PlaygroundError if a file is too large.

    The files of a part `option:NAME` are for the attachment option NAME.
    """
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPBadRequest(text="The body is not a multipart form.")
    form = Form()
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            raise web.HTTPBadRequest(text="Nested forms are not supported.")
        data = bytearray()
        while chunk := await part.read_chunk():
            data += chunk
            if len(data) > REQUEST_LIMIT:
                raise PlaygroundError(TOO_LARGE)
        name = part.name or ""
        if not part.filename:
            form.fields[name] = data.decode(errors="replace")
            continue
        upload = Upload(part.filename, bytes(data), part.headers.get("Content-Type"))
        if name.startswith(OPTION_PREFIX):
            form.option_uploads[name.removeprefix(OPTION_PREFIX)] = upload
        else:
            form.uploads.append(upload)
    return form


def field_values(body: Json) -> dict[str, FieldValue]:
    """Return the values of a modal by custom id: texts, booleans, lists of texts or of files."""
    values = body.get("values")
    if not isinstance(values, dict):
        return {}
    return {
        name: [_item(item) for item in value] if isinstance(value, list) else _scalar(value)
        for name, value in values.items()
    }


def _scalar(value: object) -> str | bool:
    return value if isinstance(value, bool) else str(value)


def _item(value: object) -> str | Upload:
    """Return a text, or a file with its name and its bytes in Base64."""
    if not isinstance(value, dict) or "filename" not in value:
        return str(value)
    try:
        data = base64.b64decode(str(value.get("data")), validate=True)
    except binascii.Error:
        raise web.HTTPBadRequest(text="A file is not in Base64.") from None
    return Upload(str(value["filename"]), data)
