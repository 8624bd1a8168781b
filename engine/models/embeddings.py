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
from engine.weights.embeddings import PAIR, EmbeddingFile

_LEGACY_EOS: Final = 2
"""In configs of text encoders, stands for the highest id in the prompt."""
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
    """Add those that fit to the pipeline's text encoders, one or the two of SDXL, and log a warning
    for each other one. `model` is its name in warnings."""
    names = PAIR if len(encoders) == len(PAIR) else (None,)
    tables = [pipeline.components[name].get_input_embeddings() for name in encoders]
    longest = min(pipeline.components[name].model_max_length for name in tokenizers) - 2
    vectors: list[list[torch.Tensor]] = [[table.weight] for table in tables]
    tokens: list[dict[str, EmbeddingTokens]] = [{} for _ in tables]
    added: list[Embedding] = []
    for file in files:
        try:
            tensors = _read(file, names, [table.embedding_dim for table in tables], longest)
        except (ValueError, OSError, SafetensorError) as error:
            log.warning(
                "The embedding %s cannot be used with the model %s: %s.",
                *(file.path, model, first_line(error).rstrip(".")),
            )
            continue
        added.append(file.embedding)
        for tensor, before, ids in zip(tensors, vectors, tokens, strict=True):
            ids[file.embedding.name] = EmbeddingTokens(sum(map(len, before)), len(tensor))
            before.append(tensor.to(before[0].device, before[0].dtype))
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


def _read(
    file: EmbeddingFile, names: Sequence[str | None], widths: Sequence[int], longest: int
) -> list[torch.Tensor]:
    """The vectors for each text encoder. Raises ValueError, OSError or SafetensorError."""
    if len(file.tensors) != len(names):
        raise ValueError(f"it is for {'SDXL' if len(file.tensors) > 1 else 'one text encoder'}")
    chosen = [name or next(iter(file.tensors)) for name in names]
    for name, width in zip(chosen, widths, strict=True):
        if name not in file.tensors:
            raise ValueError("it is for one text encoder")
        count, other = file.tensors[name]
        if other != width:
            raise ValueError(f"its vectors have {other} numbers, those of the model {width}")
        if count > longest:
            raise ValueError(f"it has {count} vectors; at most {longest} fit into a prompt")
    content = file.path.read_bytes()
    if sha256(content) != file.embedding.sha256:
        raise ValueError("it has changed since it was found; start again")
    tensors = load(content)
    vectors = [tensors[name].reshape(file.tensors[name]).float() for name in chosen]
    if not all(bool(torch.isfinite(tensor).all()) for tensor in vectors):
        raise ValueError("it has NaN or infinite numbers")
    return vectors


def _find_end(encoder: torch.nn.Module, end: int) -> None:
    """Let an encoder find the end of a prompt by its id: the ids of embeddings are higher."""
    network = getattr(encoder, "text_model", encoder)
    if getattr(network, "eos_token_id", None) == _LEGACY_EOS:
        network.eos_token_id = end
