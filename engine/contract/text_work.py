"""Work whose result is texts: more words for a prompt, or a description of a picture."""

from typing import Final

import msgspec

MAX_TEXTS: Final = 4
"""The most descriptions of one picture."""


class Expansion(msgspec.Struct, frozen=True, kw_only=True, tag="expansion"):
    """Words that continue a prompt, by a language model. The result is one text without it."""

    prompt: str
    seed: int
    """Equal seeds give equal words on the same engine."""


class Description(msgspec.Struct, frozen=True, tag="description"):
    """What an input image shows. The result is up to MAX_TEXTS texts, the best one first."""

    image: str
    """The sha256 of the file, which `Paint.inputs` lists."""


TextWork = Expansion | Description


class TextModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """A loaded model that writes texts."""

    name: str
    licence: str = ""
    """As the model's own files name it; empty if they do not."""
    limits: str = ""
    """What it knows, as a sentence for users, if that is little."""


class TextModelCards(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The models of an engine that write texts."""

    expander: TextModelCard | None = None
    """The one that continues prompts."""
    captioner: TextModelCard | None = None
    """The one that describes pictures."""


NO_TEXT_MODELS: Final = TextModelCards()
