"""Load a model of transformers that writes texts, with what prepares its inputs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch

from engine.contract import TextModelCard
from engine.device.errors import load_failure
from engine.errors import ModelCorrupt, ModelNotFound
from engine.weights.hub import download_snapshot
from engine.weights.model_folder import (
    LOAD_ERRORS,
    find_folder,
    may_be_hub_id,
    require_safetensors,
)
from engine.weights.readme import README, read_readme

_CONFIG: Final = "config.json"
_FILES: Final = ("*.json", "*.txt", "*.model", "*.safetensors", README)
"""Pickles and code are neither read nor downloaded."""


class Kind(NamedTuple):
    """What a model is for, in the sentences of errors."""

    noun: str
    """Such as `captioner`."""
    description: str
    example: str
    """A hub id."""


class Parts(NamedTuple):
    """A loaded model; transformers has no types here."""

    card: TextModelCard
    network: Any
    processor: Any
    """A tokenizer, or a processor of images and texts."""


def load_parts(
    name: str,
    kind: Kind,
    load_network: Callable[..., Any],
    load_processor: Callable[..., Any],
) -> Parts:
    """The model of this hub id or folder, in float32 on the CPU; missing files are downloaded.

    The functions are `from_pretrained` of transformers' Auto classes. Raises ModelNotFound,
    ModelGated, ModelCorrupt or StorageFailed, with a sentence for the operator.
    """

    def corrupt(cause: str) -> ModelCorrupt:
        return ModelCorrupt(
            f"The {kind.noun} {name} cannot be loaded; it is damaged, incomplete, or no "
            f"{kind.description} of transformers: {cause}"
        )

    folder = _folder(name, kind)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        network, info = load_network(
            folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
        )
        processor = load_processor(folder, **options)
    except LOAD_ERRORS as error:
        raise load_failure(error, f"the {kind.noun} {name}", corrupt) from error
    if gaps := [*info["missing_keys"], *info["mismatched_keys"]]:
        raise corrupt(f"{len(gaps)} of its weights are missing or damaged")
    card = TextModelCard(name=name, licence=read_readme(folder).licence or "")
    return Parts(card, network.eval(), processor)


def _folder(name: str, kind: Kind) -> Path:
    folder = find_folder(name, f"the {kind.noun} {name}")
    if folder is None:
        if not may_be_hub_id(name):
            raise ModelNotFound(
                f"There is no {kind.noun} {name}: give a folder, or a hub id such as "
                f"{kind.example}."
            )
        folder = download_snapshot(name, _FILES)
    if not (folder / _CONFIG).is_file():
        raise ModelCorrupt(f"The {kind.noun} {name} has no {_CONFIG}.")
    require_safetensors(f"The {kind.noun} {name}", folder)
    return folder
