"""Add the vectors of embeddings (textual inversion) to the token tables of text encoders.

As in diffusers' `load_textual_inversion`, each vector becomes a token of its own, with an id above
those of the tokenizer; the other tokens keep their vectors.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import torch
from diffusers import DiffusionPipeline
from safetensors import SafetensorError
from safetensors.torch import load

from engine.contract import Embedding, sha256
from engine.errors import first_line
from engine.weights.embeddings import EmbeddingFile, check_fit

_LEGACY_EOS: Final = 2
"""In configs of text encoders, stands for the highest id in the prompt."""
_MAX_SHOWN: Final = 10
"""Embeddings in a warning."""
log = logging.getLogger(__name__)


class EmbeddingTokens(NamedTuple):
    """The tokens of an embedding."""

    first_id: int
    size: int


class AddedEmbeddings(NamedTuple):
    """The embeddings of a model."""

    embeddings: tuple[Embedding, ...]
    tokens: Sequence[Mapping[str, EmbeddingTokens]]
    """For each text encoder, the tokens of each embedding by its name."""


def add_embeddings(
    model: str,
    pipeline: DiffusionPipeline,
    encoders: Sequence[str],
    tokenizers: Sequence[str],
    files: Iterable[EmbeddingFile],
) -> AddedEmbeddings:
    """Add those that fit to the pipeline's text encoders, one or the two of SDXL, and log one
    warning about the others. `model` is its name in warnings."""
    tables = [pipeline.components[name].get_input_embeddings() for name in encoders]
    longest = min(pipeline.components[name].model_max_length for name in tokenizers) - 2
    vectors: list[list[torch.Tensor]] = [[table.weight] for table in tables]
    tokens: list[dict[str, EmbeddingTokens]] = [{} for _ in tables]
    added: list[Embedding] = []
    unusable: list[str] = []
    for file in files:
        try:
            tensors = _read(file, tables, longest)
        except (ValueError, OSError, SafetensorError) as error:
            unusable.append(f"{file.path} ({first_line(error).rstrip('.')})")
            continue
        added.append(file.embedding)
        for tensor, before, ids in zip(tensors, vectors, tokens, strict=True):
            ids[file.embedding.name] = EmbeddingTokens(sum(map(len, before)), len(tensor))
            before.append(tensor)
    _warn(model, unusable)
    if added:
        log.info(
            "embeddings of the model %s: %s",
            *(model, ", ".join(embedding.name for embedding in added)),
        )
        for table, parts in zip(tables, vectors, strict=True):
            table.weight.data = torch.cat(parts)  # the parameter stays the same object
            table.num_embeddings = len(table.weight)
        for encoder, tokenizer in zip(encoders, tokenizers, strict=True):
            _find_end(pipeline.components[encoder], pipeline.components[tokenizer].eos_token_id)
    return AddedEmbeddings(tuple(added), tokens)


def _warn(model: str, unusable: Sequence[str]) -> None:
    """`unusable` has the path of each embedding, and why the model cannot use it."""
    if unusable:
        rest = len(unusable) - _MAX_SHOWN
        log.warning(
            "The model %s cannot use %d of the embeddings: %s%s.",
            *(model, len(unusable), ", ".join(unusable[:_MAX_SHOWN])),
            f", and {rest} more" if rest > 0 else "",
        )


def _read(
    file: EmbeddingFile, tables: Sequence[torch.nn.Embedding], longest: int
) -> list[torch.Tensor]:
    """The vectors for each text encoder's table, as it has them. Raises ValueError, OSError or
    SafetensorError."""
    check_fit(file, [table.embedding_dim for table in tables], longest)
    content = file.path.read_bytes()
    if sha256(content) != file.embedding.sha256:
        raise ValueError("it has changed since it was found; start again")
    tensors = load(content)
    vectors = []
    for (name, shape), table in zip(file.tensors.items(), tables, strict=True):
        vector = tensors[name].reshape(shape).float()
        if not bool(torch.isfinite(vector).all()):
            raise ValueError("it has NaN or infinite numbers")
        vector = vector.to(table.weight.device, table.weight.dtype)
        if not bool(torch.isfinite(vector).all()):
            raise ValueError(f"it has numbers that are too large for {table.weight.dtype}")
        vectors.append(vector)
    return vectors


def _find_end(encoder: torch.nn.Module, end: int) -> None:
    """Let an encoder find the end of a prompt by its id: the ids of embeddings are higher."""
    network = getattr(encoder, "text_model", encoder)
    if getattr(network, "eos_token_id", None) == _LEGACY_EOS:
        network.eos_token_id = end
