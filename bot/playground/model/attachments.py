"""Files that people and bots send, and what the local Discord keeps of them."""

from dataclasses import dataclass, field
from typing import Protocol

from bot.playground.model.image_size import size_of


@dataclass(frozen=True)
class Upload:
    """A file that somebody sends: a name that proves nothing, and bytes."""

    filename: str
    data: bytes = field(repr=False)
    content_type: str | None = None
    description: str | None = None
    spoiler: bool = False


SPOILER = "SPOILER_"  # what the name of a hidden file begins with


class Signer(Protocol):
    """Whoever makes addresses for files."""

    def sign(self, attachment: "Attachment") -> str:
        """An address that is good for a while."""


@dataclass(eq=False)
class Attachment:
    """A stored file of a message or a command option."""

    id: int
    channel_id: int
    filename: str
    data: bytes = field(repr=False)
    content_type: str | None
    signer: Signer = field(repr=False)
    description: str | None = None
    ephemeral: bool = False
    spoiler: bool = False

    @property
    def url(self) -> str:
        """A freshly signed address."""
        return self.signer.sign(self)

    @property
    def path(self) -> str:
        """Where it lies on the CDN."""
        folder = "ephemeral-attachments" if self.ephemeral else "attachments"
        return f"/{folder}/{self.channel_id}/{self.id}/{self.filename}"


def sanitize_filename(filename: str) -> str:
    """A file name as Discord keeps it: letters, digits, dot, dash and underscore."""
    kept = "".join(c if c.isalnum() or c in "._-" else "_" for c in filename.strip())
    return kept.lstrip(".")[:200] or "file"


def dimensions(attachment: Attachment) -> tuple[int, int] | None:
    """Width and height in pixels of a picture, read from its first bytes."""
    return size_of(attachment.data)
