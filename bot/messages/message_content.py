"""What a message consists of."""

from collections.abc import Sequence
from io import BytesIO

import discord
import msgspec


class OutgoingFile(msgspec.Struct, frozen=True):
    """A file to be uploaded with a message."""

    name: str
    data: bytes
    description: str | None = None
    """The alt text."""
    spoiler: bool = False

    def as_file(self) -> discord.File:
        """A new discord.py file; each can be sent only once."""
        return discord.File(
            BytesIO(self.data), self.name, spoiler=self.spoiler, description=self.description
        )


class MessageContent(msgspec.Struct, frozen=True, kw_only=True):
    """Text, components and files of a message."""

    content: str
    without_prompt: str | None = None
    """Instead of `content` if the server blocks the text; if None, the message is rejected."""
    view: discord.ui.View | None = None
    keeps_view: bool = False
    """An existing message keeps its components, some of which may have been pressed."""
    files: Sequence[OutgoingFile] | None = ()
    """None leaves the files of an existing message as they are."""

    def with_prompt_hidden(self, text: str) -> "MessageContent":
        """The content with this text, and files without alt texts, which contain the prompt."""
        files = self.files and [msgspec.structs.replace(f, description=None) for f in self.files]
        return msgspec.structs.replace(self, content=text, without_prompt=None, files=files)
