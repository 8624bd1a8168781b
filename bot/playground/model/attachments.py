"""Uploaded files, and attachments of messages and command options."""

from dataclasses import dataclass, field
from typing import Protocol

from bot.playground.model.image_size import image_size


@dataclass(frozen=True)
class Upload:
    """A file to send. The name is untrusted."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str | None = None
    description: str | None = None
    spoiler: bool = False
    duration_secs: float | None = None
    """Of a voice message."""
    waveform: str | None = None
    """Of a voice message: its volumes, in Base64."""


SPOILER_PREFIX = "SPOILER_"


class UrlSigner(Protocol):
    """Signs attachment URLs."""

    def sign(self, attachment: "Attachment") -> str:
        """Return a URL that expires."""


@dataclass(eq=False)
class Attachment:
    """A stored file of a message or of a command option."""

    id: int
    channel_id: int
    filename: str
    data: bytes = field(repr=False)
    content_type: str | None
    signer: UrlSigner = field(repr=False)
    description: str | None = None
    ephemeral: bool = False
    spoiler: bool = False
    duration_secs: float | None = None
    waveform: str | None = None

    @property
    def url(self) -> str:
        """A newly signed URL."""
        return self.signer.sign(self)

    @property
    def path(self) -> str:
        """The path of the URL."""
        folder = "ephemeral-attachments" if self.ephemeral else "attachments"
        return f"/{folder}/{self.channel_id}/{self.id}/{self.filename}"


def sanitize_filename(filename: str) -> str:
    """Return the name as Discord stores it: letters, digits, dot, dash and underscore."""
    name = "".join(c if c.isalnum() or c in "._-" else "_" for c in filename.strip())
    return name.lstrip(".")[:200] or "file"


def dimensions(attachment: Attachment) -> tuple[int, int] | None:
    """Return width and height in pixels, or None if the file is not an image."""
    return image_size(attachment.data)
