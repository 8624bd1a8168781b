"""Components as Discord gives them back: numbered, with defaults, and with addresses of files."""

from bot.playground.errors import Json
from bot.playground.model.attachments import Attachment, dimensions
from bot.playground.model.enums import ComponentType
from bot.playground.rest.validation.components import SELECTS

SCHEME = "attachment://"
SELECT: Json = {"min_values": 1, "max_values": 1, "disabled": False}
DEFAULTS: dict[int, Json] = {
    ComponentType.CONTAINER: {"accent_color": None, "spoiler": False},
    ComponentType.SEPARATOR: {"spacing": 1, "divider": True},
    ComponentType.THUMBNAIL: {"description": None, "spoiler": False},
    ComponentType.FILE: {"spoiler": False},
    **{int(kind): SELECT for kind in SELECTS},
}


def with_component_ids(components: list[Json]) -> list[Json]:
    """Give each component a number in the message, unless it brought one."""
    count = 0

    def number(component: Json) -> Json:
        nonlocal count
        count += 1
        made: Json = DEFAULTS.get(component.get("type", 0), {}) | {"id": count} | component
        if made.get("type") in SELECTS:
            made.pop("required", None)  # of forms only
        if "components" in made:
            made["components"] = [number(child) for child in made["components"]]
        if isinstance(made.get("accessory"), dict):
            made["accessory"] = number(made["accessory"])
        return made

    return [number(component) for component in components]


def shown(component: Json, files: list[Attachment]) -> Json:
    """A stored component with its pictures and files resolved to addresses."""
    made = dict(component)
    for key in ("media", "file"):
        if isinstance(made.get(key), dict):
            made[key] = media_json(made[key], files)
    if made.get("type") == ComponentType.MEDIA_GALLERY:
        made["items"] = [
            {"description": None, "spoiler": False}
            | item
            | {"media": media_json(item.get("media") or {}, files)}
            for item in made.get("items") or []
        ]
    if made.get("type") == ComponentType.FILE:
        found = find_file(component["file"]["url"], files)
        made |= {"name": found.filename, "size": len(found.data)} if found else {}
    if isinstance(made.get("accessory"), dict):
        made["accessory"] = shown(made["accessory"], files)
    if "components" in made:
        made["components"] = [shown(child, files) for child in made["components"]]
    return made


def embed_json(embed: Json, files: list[Attachment]) -> Json:
    """A stored embed with its pictures resolved to addresses."""
    made = dict(embed)
    for key in ("image", "thumbnail"):
        picture = made.get(key)
        if isinstance(picture, dict) and (found := find_file(picture.get("url", ""), files)):
            made[key] = {"url": found.url, "proxy_url": found.url} | _size(found)
    return made


def media_json(media: Json, files: list[Attachment]) -> Json:
    """Where a picture of a component really lies."""
    found = find_file(media.get("url", ""), files)
    if found is None:
        return {"id": "0", "proxy_url": media.get("url", "")} | media
    made: Json = {"id": str(found.id), "url": found.url, "proxy_url": found.url}
    made["attachment_id"] = str(found.id)
    return made | _size(found)


def find_file(address: str, files: list[Attachment]) -> Attachment | None:
    """The file that an attachment:// address names."""
    name = address.removeprefix(SCHEME)
    return next((f for f in files if address.startswith(SCHEME) and f.filename == name), None)


def _size(attachment: Attachment) -> Json:
    size = dimensions(attachment)
    return {"width": size[0], "height": size[1]} if size else {}
