"""Find the embeddings (textual inversion, https://arxiv.org/abs/2208.01618) in the operator's
folders. The vectors are not read here.

A file has the layout of AUTOMATIC1111's web UI (`emb_params`), of diffusers (one tensor, whose name
is the token), or of SDXL (`clip_l` and `clip_g`). Prompts call it by the name of its file without
the suffix; a file of diffusers that is called `learned_embeds` has the name of its token.
"""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from engine.contract import Embedding
from engine.contract.prompt_weights import as_words
from engine.errors import EngineError, ModelCorrupt, UsageError, unreadable
from engine.weights.checkpoints import SUFFIX
from engine.weights.header import Tensor, read_header
from engine.weights.model_folder import find_folder, is_pickle

EMBEDDINGS_VARIABLE: Final = "IMAGINE_EMBEDDINGS"
PAIR: Final = ("clip_l", "clip_g")
"""The tensors of an embedding for SDXL: those of its first and of its second text encoder."""
_WEB_UI: Final = "emb_params"
_DIFFUSERS_FILE: Final = "learned_embeds"
MAX_NAME_CHARS: Final = 100
log = logging.getLogger(__name__)


class EmbeddingFile(NamedTuple):
    """A file with the vectors of an embedding."""

    path: Path
    embedding: Embedding
    tensors: Mapping[str, tuple[int, int]]
    """By name, the number of vectors and their width: those of PAIR, or a single one."""


def configured_embeddings() -> tuple[EmbeddingFile, ...]:
    """The embeddings in the folders of IMAGINE_EMBEDDINGS, by their names, read once.

    A warning is logged for each file that cannot be used. Raises UsageError if a folder does not
    exist, and StorageFailed if it cannot be read.
    """
    return _in_folders(os.environ.get(EMBEDDINGS_VARIABLE, ""))


def check_fit(file: EmbeddingFile, widths: Sequence[int], longest: int) -> None:
    """Raise ValueError, with a part of a sentence, unless an embedding is for text encoders of
    these widths, one or the two of SDXL, and has at most `longest` vectors."""
    if len(file.tensors) != len(widths):
        raise ValueError(f"it is for {'SDXL' if len(file.tensors) > 1 else 'one text encoder'}")
    for (count, width), expected in zip(file.tensors.values(), widths, strict=True):
        if width != expected:
            raise ValueError(f"its vectors have {width} numbers, those of the model {expected}")
        if count > longest:
            raise ValueError(f"it has {count} vectors; at most {longest} fit into a prompt")


@lru_cache(1)
def _in_folders(folders: str) -> tuple[EmbeddingFile, ...]:
    by_name: dict[str, list[EmbeddingFile]] = defaultdict(list)
    for path in sorted(_paths(folders)):
        try:
            file = _read(path)
        except EngineError as error:
            log.warning("%s", error)
        else:
            by_name[file.embedding.name.lower()].append(file)
            _warn_of_brackets(file)
    return tuple(file for _, files in sorted(by_name.items()) for file in _single(files))


def _single(files: list[EmbeddingFile]) -> list[EmbeddingFile]:
    """The file of a name; none if there are several with different contents."""
    first, *others = files
    for other in others:
        if other.embedding.sha256 != first.embedding.sha256:
            log.warning(
                "Two embeddings are called %s, %s and %s; neither is used: rename one of them.",
                *(first.embedding.name, first.path, other.path),
            )
            return []
    return [first]


def _warn_of_brackets(file: EmbeddingFile) -> None:
    """Brackets in prompts are weights."""
    name = file.embedding.name
    if as_words(name) != name:
        log.warning(
            "The embedding %s has brackets in its name, which are weights in a prompt: call it %s, "
            "or rename it.",
            *(file.path, as_words(name)),
        )


def _paths(folders: str) -> Iterator[Path]:
    """The files that may be embeddings; warns of pickles."""
    for name in filter(None, map(str.strip, folders.split(","))):
        folder = find_folder(name, f"the folder {name}")
        if folder is None:
            raise UsageError(f"{EMBEDDINGS_VARIABLE} names {name}, which is not a folder.")
        try:
            files = [path for path in folder.rglob("*") if path.is_file()]
        except OSError as error:
            raise unreadable(f"the folder {name}", error) from error
        for path in files:
            if is_pickle(path):
                log.warning(
                    "The embedding %s is a pickle: loading a pickle can run arbitrary code, so "
                    "pickles are not supported. Convert it to safetensors.",
                    path,
                )
            elif path.suffix.lower() == SUFFIX:
                yield path


def _read(path: Path) -> EmbeddingFile:
    """The embedding in a file. Raises ModelCorrupt or StorageFailed."""
    header = read_header(path, str(path))
    tensors = header.tensors
    if set(tensors) == set(PAIR):
        shapes = {name: _shape(path, tensors[name]) for name in PAIR}
        if len({count for count, _ in shapes.values()}) > 1:
            raise ModelCorrupt(
                f"The embedding {path} has different numbers of vectors for the two text encoders "
                "of SDXL."
            )
    elif _WEB_UI in tensors or len(tensors) == 1:
        name = _WEB_UI if _WEB_UI in tensors else next(iter(tensors))
        shapes = {name: _shape(path, tensors[name])}
    else:
        raise ModelCorrupt(
            f"The file {path} is no embedding: it has {len(tensors)} tensors, where an embedding "
            f"has one, or {' and '.join(PAIR)}."
        )
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(f"the embedding {path}", error) from error
    return EmbeddingFile(path, Embedding(_name(path, next(iter(shapes))), sha256), shapes)


def _shape(path: Path, tensor: Tensor) -> tuple[int, int]:
    shape = (1, *tensor.shape) if len(tensor.shape) == 1 else tensor.shape
    if len(shape) != 2 or 0 in shape or tensor.dtype not in ("F16", "F32", "F64", "BF16"):
        raise ModelCorrupt(
            f"The file {path} is no embedding: its tensor has the shape {list(tensor.shape)} and "
            f"the type {tensor.dtype}, where an embedding has vectors of floating-point numbers."
        )
    return shape[0], shape[1]


def _name(path: Path, tensor: str) -> str:
    is_token = path.stem.startswith(_DIFFUSERS_FILE) and tensor not in (*PAIR, _WEB_UI)
    name = " ".join((tensor if is_token else path.stem).split())
    if not name.isprintable():
        raise ModelCorrupt(
            f"The embedding {str(path)!a} has a name with characters that cannot be printed: "
            "rename it."
        )
    if not 0 < len(name) <= MAX_NAME_CHARS:
        raise ModelCorrupt(
            f"The embedding {path} has a name of {len(name)} characters; it must have 1 to "
            f"{MAX_NAME_CHARS}."
        )
    return name
