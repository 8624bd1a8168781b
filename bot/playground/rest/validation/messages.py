"""Validation of messages: fields, limits, and rules between the parts of a message."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.playground.errors import ApiError, Json
from bot.playground.model.attachments import Attachment, Upload, sanitize_filename
from bot.playground.model.messages import NO_FLAGS, MessageFlags
from bot.playground.rest.validation.client_themes import CLIENT_THEME
from bot.playground.rest.validation.component_models import MESSAGE_COMPONENTS
from bot.playground.rest.validation.components import check_components
from bot.playground.rest.validation.embeds import EMBEDS, check_embeds
from bot.playground.rest.validation.fields import (
    Boolean,
    Choice,
    Field,
    Float,
    Integer,
    ListOf,
    Model,
    Nonce,
    Required,
    Snowflake,
    Text,
    read_form,
)
from bot.playground.rest.validation.form import FormErrors, Path
from bot.playground.rest.validation.polls import POLL, check_poll_emoji

CONTENT_LIMIT = 2000
FILES_LIMIT = 10
CONTENT = ("content", "embeds", "components", "attachments", "sticker_ids", "poll")
SCHEME = "attachment://"

ATTACHMENT = Model(
    {
        "id": Required(Snowflake()),
        "filename": Text(1024, 1),
        "description": Text(1024),
        "title": Text(1024),
        "duration_secs": Float(),
        "waveform": Text(400),
        "is_spoiler": Boolean(),
        "is_remix": Boolean(),
    }
)
IDS: Field = ListOf(Snowflake(), 100, unique=True, nulls=True)
ALLOWED_MENTIONS = Model(
    {
        "parse": ListOf(Choice(("users", "roles", "everyone")), unique=True, nulls=True),
        "users": IDS,
        "roles": IDS,
        "replied_user": Boolean(),
    }
)
REFERENCE = Model(
    {
        "type": Choice((0, 1)),
        "message_id": Required(Snowflake()),
        "channel_id": Snowflake(),
        "guild_id": Snowflake(),
        "fail_if_not_exists": Boolean(),
    }
)
MESSAGE = Model(
    {
        "content": Text(CONTENT_LIMIT, strip=True),
        "embeds": EMBEDS,
        "components": MESSAGE_COMPONENTS,
        "attachments": ListOf(ATTACHMENT, FILES_LIMIT),
        "allowed_mentions": ALLOWED_MENTIONS,
        "message_reference": REFERENCE,
        "sticker_ids": ListOf(Snowflake(), 3),
        "poll": POLL,
        "shared_client_theme": CLIENT_THEME,
        "flags": Integer(0),
        "nonce": Nonce(),
        "enforce_nonce": Boolean(),
        "tts": Boolean(),
    },
    nulls=True,
)


@dataclass
class Draft:
    """The message that a request would produce."""

    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    flags: MessageFlags = NO_FLAGS
    has_legacy_components: bool = False
    """Whether the request has components without IS_COMPONENTS_V2, as an edit can."""
    attachments: list[Attachment] = field(default_factory=list)
    uploads: list[Upload] = field(default_factory=list)
    poll: Json | None = None
    shared_client_theme: Json | None = None
    has_snapshot: bool = False
    path: Path = ()
    """The path of the message in the request body."""

    @property
    def files(self) -> list[Attachment | Upload]:
        """The attachments that stay and the new files."""
        return [*self.attachments, *self.uploads]

    @property
    def filenames(self) -> set[str]:
        """The names of the files, as they are stored."""
        return {sanitize_filename(file.filename) for file in self.files}


def read_message(payload: Json, path: Path) -> Json:
    """Return the fields of a message to create or edit; raise ApiError if one is invalid."""
    message = read_form(MESSAGE, payload, path)
    errors = FormErrors()
    _check_exclusive_mentions(message.get("allowed_mentions") or {}, path, errors)
    errors.raise_any()
    return message


def check_draft(draft: Draft) -> None:
    """Raise ApiError if Discord would reject the message."""
    errors = FormErrors()
    if draft.flags & MessageFlags.VOICE_MESSAGE:
        check_voice_message(draft)
    Text(CONTENT_LIMIT).read(draft.content, (*draft.path, "content"), errors)
    if len(draft.files) > FILES_LIMIT:
        message = f"Must be {FILES_LIMIT} or fewer in length."
        errors.add((*draft.path, "attachments"), "BASE_TYPE_MAX_LENGTH", message)
    check_embeds(draft.embeds, (*draft.path, "embeds"), errors)
    v2 = bool(draft.flags & MessageFlags.COMPONENTS_V2)
    is_legacy = not v2 or draft.has_legacy_components
    check_components(draft.components, (*draft.path, "components"), errors, v2=not is_legacy)
    _check_references(draft, errors)
    if v2:
        _check_legacy_fields(draft, errors)
    errors.raise_any()
    check_poll_emoji(draft.poll)
    parts = (draft.content, draft.embeds, draft.components, draft.files, draft.poll)
    if not any((*parts, draft.shared_client_theme, draft.has_snapshot)):
        raise ApiError(400, 50006, "Cannot send an empty message", violation=True)


def check_voice_message(draft: Draft) -> None:
    """Raise ApiError if the voice message is more or less than a recording with its length."""
    files = draft.files
    if draft.content or draft.embeds or draft.components or draft.poll:
        code, sentence = 50159, "Voice messages do not support additional content"
    elif len(files) != 1:
        code, sentence = 50160, "Voice messages must have a single audio attachment"
    elif files[0].duration_secs is None or files[0].waveform is None:
        code, sentence = 50161, "Voice messages must have supporting metadata"
    else:
        return
    raise ApiError(400, code, sentence, violation=True)


def check_forward(payload: Json, files: Mapping[int, Upload]) -> None:
    """Raise ApiError if a request to forward a message lacks its channel or has own content."""
    errors = FormErrors()
    if "channel_id" not in payload["message_reference"]:
        errors.require(("message_reference", "channel_id"))
    for key in CONTENT:
        if payload.get(key) or (key == "attachments" and files):
            message = f"The '{key}' field cannot be used when forwarding a message"
            errors.add((key,), "MESSAGE_FORWARD_CANNOT_HAVE_CONTENT", message)
    errors.raise_any()


def _check_exclusive_mentions(allowed: Json, path: Path, errors: FormErrors) -> None:
    for key in ("users", "roles"):
        if key in (allowed.get("parse") or []) and allowed.get(key):
            message = f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.'
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            errors.add((*path, "allowed_mentions"), code, message)


def _check_legacy_fields(draft: Draft, errors: FormErrors) -> None:
    for key in ("content", "embeds", "poll", "shared_client_theme"):
        if getattr(draft, key):
            message = f"The '{key}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
            errors.add((*draft.path, key), code, message)


def _check_references(draft: Draft, errors: FormErrors) -> None:
    """Components refer to files of the message. An embed without its file has no picture."""
    for url, path in _urls(draft.components, (*draft.path, "components")):
        name = url.removeprefix(SCHEME)
        if url.startswith(SCHEME) and sanitize_filename(name) not in draft.filenames:
            message = f'The referenced attachment ("{url}") was not found'
            errors.add(path, "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND", message)


def _urls(value: object, path: Path) -> Iterator[tuple[str, Path]]:
    """Yield the strings with the key `url` at any depth, with their paths."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "url" and isinstance(item, str):
                yield item, (*path, key)
            else:
                yield from _urls(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _urls(item, (*path, index))
