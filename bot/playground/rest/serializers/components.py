"""Components and embeds as Discord returns them: with ids, defaults and attachment URLs."""

from itertools import count

from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment, dimensions, sanitize_filename
from bot.playground.model.enums import SELECT_TYPES, ComponentType
from bot.playground.model.messages import walk_components

SCHEME = "attachment://"
SELECT_DEFAULTS: Json = {"min_values": 1, "disabled": False}
DEFAULTS: dict[int, Json] = {
    ComponentType.CONTAINER: {"accent_color": None, "spoiler": False},
    ComponentType.SEPARATOR: {"spacing": 1, "divider": True},
    ComponentType.THUMBNAIL: {"description": None, "spoiler": False},
    ComponentType.FILE: {"spoiler": False},
    **{int(type): SELECT_DEFAULTS for type in SELECT_TYPES},
}


def with_component_ids(components: list[Json], *, in_modal: bool = False) -> list[Json]:
    """Return a copy in which each component without an id has a sequential one.

    Ids that other components have are left out; 0 is the same as no id.
    """
    used_ids = {component.get("id") for component in walk_components(components)}
    free_ids = (number for number in count(1) if number not in used_ids)

    def with_id(component: Json) -> Json:
        component_id = component.get("id") or next(free_ids)
        defaults = DEFAULTS.get(component.get("type", 0), {})
        result: Json = defaults | component | {"id": component_id}
        if result.get("type") in SELECT_TYPES:
            if not in_modal:
                result.pop("required", None)
            result.setdefault("max_values", max(result["min_values"], 1))
        if "components" in result:
            result["components"] = [with_id(child) for child in result["components"]]
        for key in ("accessory", "component"):
            if isinstance(result.get(key), dict):
                result[key] = with_id(result[key])
        return result

    return [with_id(component) for component in components]


def component_json(component: Json, files: list[Attachment]) -> Json:
    """Return a component with attachment:// references replaced by URLs."""
    result = dict(component)
    for key in ("media", "file"):
        if isinstance(result.get(key), dict):
            result[key] = media_json(result[key], files)
    if result.get("type") == ComponentType.MEDIA_GALLERY:
        result["items"] = [
            {"description": None, "spoiler": False}
            | item
            | {"media": media_json(item.get("media") or {}, files)}
            for item in result.get("items") or []
        ]
    if result.get("type") == ComponentType.FILE:
        attachment = find_attachment(component["file"]["url"], files)
        result |= {"name": attachment.filename, "size": len(attachment.data)} if attachment else {}
    if isinstance(result.get("accessory"), dict):
        result["accessory"] = component_json(result["accessory"], files)
    if "components" in result:
        result["components"] = [component_json(child, files) for child in result["components"]]
    return result


def embed_json(embed: Json, files: list[Attachment]) -> Json:
    """Return an embed with attachment:// references replaced by URLs."""
    result = dict(embed)
    for key in ("image", "thumbnail"):
        media = result.get(key)
        if isinstance(media, dict) and (attachment := find_attachment(media.get("url", ""), files)):
            result[key] = {"url": attachment.url, "proxy_url": attachment.url} | _size(attachment)
    if "fields" in result:
        result["fields"] = [{"inline": False} | field for field in result["fields"]]
    return result


def media_json(media: Json, files: list[Attachment]) -> Json:
    """Return an unfurled media item."""
    attachment = find_attachment(media.get("url", ""), files)
    if attachment is None:
        return {"id": "0", "proxy_url": media.get("url", "")} | media
    result: Json = {"id": str(attachment.id), "url": attachment.url, "proxy_url": attachment.url}
    result["attachment_id"] = str(attachment.id)
    return result | _size(attachment)


def find_attachment(url: str, files: list[Attachment]) -> Attachment | None:
    """Return the attachment that an attachment:// URL refers to."""
    name = sanitize_filename(url.removeprefix(SCHEME))
    return next((f for f in files if url.startswith(SCHEME) and f.filename == name), None)


def _size(attachment: Attachment) -> Json:
    size = dimensions(attachment)
    return {"width": size[0], "height": size[1]} if size else {}
