"""Validation of embeds."""

from bot.playground.errors import Json
from bot.playground.rest.validation.fields import (
    ATTACHMENT,
    WEB,
    Boolean,
    Field,
    Integer,
    ListOf,
    Model,
    Required,
    Text,
    Timestamp,
    Url,
)
from bot.playground.rest.validation.form import FormErrors, Path

EMBEDS_LIMIT = 10
TEXT_LIMIT = 6000  # characters in all embeds of a message

LINK = Url(2048)
IMAGE = Url(2048, (*WEB, ATTACHMENT))
MEDIA = Model(
    {
        "url": IMAGE,
        "width": Integer(),
        "height": Integer(),
        "description": Text(4096),
    }
)
EMBED_FIELD = Model(
    {
        "name": Required(Text(256, strip=True)),
        "value": Required(Text(1024, strip=True)),
        "inline": Boolean(),
    }
)
EMBED = Model(
    {
        "type": Text(152_133),
        "title": Text(256, strip=True),
        "description": Text(4096, strip=True),
        "url": LINK,
        "timestamp": Timestamp(),
        "color": Integer(0, 0xFFFFFF),
        "footer": Model({"text": Text(2048, strip=True), "icon_url": IMAGE}),
        "image": MEDIA,
        "thumbnail": MEDIA,
        "video": MEDIA,
        "provider": Model({"name": Text(256), "url": LINK}),
        "author": Model({"name": Text(256, strip=True), "url": LINK, "icon_url": IMAGE}),
        "fields": ListOf(EMBED_FIELD, 25),
    }
)
EMBEDS: Field = ListOf(EMBED, EMBEDS_LIMIT)

CONTENT = (
    *("title", "description", "url", "fields", "footer", "image", "thumbnail", "video"),
    *("provider", "author"),
)
"""Fields of which an embed has at least one. A color and a timestamp are no content."""
COUNTED = (("title",), ("description",), ("footer", "text"), ("author", "name"))


def check_embeds(embeds: list[Json], path: Path, errors: FormErrors) -> None:
    """Add the errors of embeds without content, and of embeds that are too long together."""
    for index, embed in enumerate(embeds):
        if not any(embed.get(key) for key in CONTENT):
            errors.require((*path, index, "description"))
    if sum(_length(embed) for embed in embeds) > TEXT_LIMIT:
        message = f"Embed size exceeds maximum size of {TEXT_LIMIT}"
        errors.add(path, "MAX_EMBED_SIZE_EXCEEDED", message)


def _find(embed: Json, keys: tuple[str, ...]) -> object:
    value: object = embed
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _length(embed: Json) -> int:
    texts = [str(_find(embed, keys) or "") for keys in COUNTED]
    texts += [field[key] for field in embed.get("fields") or [] for key in ("name", "value")]
    return sum(len(text) for text in texts)
