"""The LoRAs in the text about a picture: `<lora:detail:0.8>` in its prompts, and `Lora hashes`."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from engine.contract.extra_networks import LoraTag
from engine.contract.recipe import Recipe
from engine.contract.resource_hashes import hash_label, named

_HASH_CHARS: Final = 12
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{8,64}")


class NamedAdapter(msgspec.Struct, frozen=True):
    """A LoRA of a picture."""

    name: str
    scale: float
    digest: str = ""
    """The start of the sha256 of its file, with or without the header, in lower case; empty if it
    is unknown."""


def lora_tags(recipe: Recipe) -> str:
    """The LoRAs of a picture after its prompt."""
    return "".join(f" <lora:{adapter.name}:{adapter.scale:g}>" for adapter in recipe.adapters)


def lora_hashes(recipe: Recipe) -> str:
    """The digests of its LoRAs, as the web UI writes them; but of the whole files."""
    return ", ".join(
        f"{hash_label(adapter.name)}: {adapter.revision[:_HASH_CHARS]}"
        for adapter in recipe.adapters
    )


def read_lora_hashes(text: str, hashes: dict[str, str]) -> dict[str, str]:
    """The digests of LoRAs by their names, from `Lora hashes` and from `Hashes`; empty ones are not
    valid."""
    parts = (item.rpartition(":") for item in text.split(","))
    listed = {name.strip(): digest.strip() for name, _, digest in parts if name.strip()}
    return {
        name: digest.lower() if _DIGEST.fullmatch(digest) else ""
        for name, digest in {**listed, **named(hashes, "lora", "lyco")}.items()
    }


def named_adapters(tags: Sequence[LoraTag], digests: Mapping[str, str]) -> dict[str, NamedAdapter]:
    """The LoRAs that prompts name, with their digests."""
    return {
        tag.name: NamedAdapter(tag.name, tag.scale, digests.get(hash_label(tag.name), ""))
        for tag in tags
    }
