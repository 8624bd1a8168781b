"""Validation of messages: limits, and rules that Discord's OpenAPI document does not state."""

import re
from dataclasses import dataclass, field

from bot.playground.errors import ApiError, Json, invalid
from bot.playground.model.attachments import Attachment, Upload
from bot.playground.model.state import NO_FLAGS, MessageFlags
from bot.playground.rest.validation.components import check_components

CONTENT_LIMIT = 2000
FILES_LIMIT = 10
EMBEDS_LIMIT = 10
EMBED_TEXT_LIMIT = 6000  # characters in all embeds of a message
FIELDS_LIMIT = 25
LIMITS = {"title": 256, "description": 4096}
FIELD_LIMITS = {"name": 256, "value": 1024}
ATTACHMENT_URL = re.compile(r"attachment://([^\s]+)")


@dataclass
class Draft:
    """The message that a request would produce."""

    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    flags: MessageFlags = NO_FLAGS
    attachments: list[Attachment] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)

    @property
    def filenames(self) -> list[str]:
        """The names of attachments and uploads."""
        files: list[Attachment | Upload] = [*self.attachments, *self.uploads]
        return [file.filename for file in files]


def check_draft(draft: Draft) -> None:
    """Raise ApiError if Discord would reject the message."""
    check_text(draft.content, ("content",), CONTENT_LIMIT)
    if len(draft.filenames) > FILES_LIMIT:
        raise invalid(("attachments",), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    check_embeds(draft.embeds)
    v2 = bool(draft.flags & MessageFlags.COMPONENTS_V2)
    check_components(draft.components, v2=v2)
    check_references(draft)
    if v2 and (draft.content or draft.embeds):
        raise invalid(
            ("content",),
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
            "The 'content' and 'embeds' fields cannot be used with Components V2",
        )
    is_empty = not (draft.content.strip() or draft.embeds or draft.filenames)
    if is_empty and not (v2 and draft.components):
        raise ApiError(400, 50006, "Cannot send an empty message", violation=True)


def check_text(text: object, path: tuple[str | int, ...], limit: int, minimum: int = 0) -> int:
    """Return the length; raise ApiError unless it is a string within the limits."""
    if not isinstance(text, str):
        raise invalid(path, "BASE_TYPE_BAD_STRING", "Must be a string.")
    if len(text) > limit:
        sentence = f"Must be {limit} or fewer in length."
        raise invalid(path, "BASE_TYPE_MAX_LENGTH", sentence)
    if len(text) < minimum:
        raise invalid(path, "BASE_TYPE_REQUIRED", "This field is required")
    return len(text)


def check_embeds(embeds: list[Json]) -> None:
    """Raise ApiError if an embed, or all embeds together, exceed a limit."""
    if len(embeds) > EMBEDS_LIMIT:
        raise invalid(("embeds",), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
    total = sum(_embed_length(embed, index) for index, embed in enumerate(embeds))
    if total > EMBED_TEXT_LIMIT:
        sentence = f"Embed size exceeds maximum size of {EMBED_TEXT_LIMIT}"
        raise invalid(("embeds",), "MAX_EMBED_SIZE_EXCEEDED", sentence)


def _embed_length(embed: Json, index: int) -> int:
    path: tuple[str | int, ...] = ("embeds", index)
    total = sum(
        check_text(embed[key], (*path, key), limit)
        for key, limit in LIMITS.items()
        if embed.get(key) is not None
    )
    if footer := embed.get("footer"):
        total += check_text(footer.get("text"), (*path, "footer", "text"), 2048, 1)
    if author := embed.get("author"):
        total += check_text(author.get("name"), (*path, "author", "name"), 256, 1)
    fields = embed.get("fields") or []
    if len(fields) > FIELDS_LIMIT:
        raise invalid((*path, "fields"), "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
    for field_index, item in enumerate(fields):
        for key, limit in FIELD_LIMITS.items():
            total += check_text(item.get(key), (*path, "fields", field_index, key), limit, 1)
    return total


def check_references(draft: Draft) -> None:
    """Raise ApiError if an attachment:// URL names a file that the message does not have."""
    for key, value in (("embeds", draft.embeds), ("components", draft.components)):
        for name in ATTACHMENT_URL.findall(" ".join(_urls(value))):
            if name not in draft.filenames:
                sentence = f"The referenced attachment {name} was not found"
                raise invalid((key,), "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT", sentence)


def _urls(value: object) -> list[str]:
    if isinstance(value, dict):
        return [
            text
            for key, item in value.items()
            for text in ([item] if key == "url" and isinstance(item, str) else _urls(item))
        ]
    if isinstance(value, list):
        return [text for item in value for text in _urls(item)]
    return []
