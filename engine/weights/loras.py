"""Find the LoRAs (https://arxiv.org/abs/2106.09685) in the operator's folders, and read what their
files say about themselves. The weights are checked for damage, and not kept.

Prompts call a LoRA by the name of its file without the suffix.
"""

import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy

from engine.errors import EngineError, ModelCorrupt, UsageError, unreadable
from engine.weights.checkpoints import SUFFIX
from engine.weights.header import Tensor, read_header
from engine.weights.lora_metadata import base_model, triggers
from engine.weights.model_folder import STARTER_FOLDER, STARTERS, find_folder, is_pickle

LORAS_VARIABLE: Final = "IMAGINE_LORAS"
STARTER_LORAS: Final = STARTER_FOLDER.parent / "loras"
"""The folder of those for the starter models; may be missing."""
MAX_NAME_CHARS: Final = 100
_MAX_FILES: Final = 10_000
_SEPARATORS: Final = frozenset("<>:,")
"""Of `<lora:NAME:SCALE>` and of lists of names."""
_EXPONENTS: Final[Mapping[str, tuple[str, int]]] = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F80_0000),
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
}
"""Of each type of floating-point numbers, the bits that are all set in NaN and infinity."""
_HASHED_BYTES: Final = 2**20
_OTHER_KINDS: Final = (
    (".oft_", "an OFT adapter"),
    (".boft_", "an OFT adapter"),
    (".on_input", "an IA3 adapter"),
    (".diff", "a file of whole weights"),
    ("lora_controlnet", "a Control-LoRA"),
)
"""Parts of the names of tensors that other kinds of adapters have."""
log = logging.getLogger(__name__)


class LoraFile(NamedTuple):
    """A file with the weights of a LoRA."""

    path: Path
    name: str
    sha256: str
    """Of the file, in hex."""
    data_sha256: str
    """Of the file without its header, as AUTOMATIC1111's web UI and kohya's scripts compute it."""
    triggers: tuple[str, ...]
    """Words that its metadata says to use in the prompt."""
    base_model: str
    """What its metadata says about the model that it is for; empty if nothing."""


class Loras(NamedTuple):
    """The LoRAs of some folders."""

    files: Mapping[str, LoraFile]
    """By their names."""
    refused: Mapping[str, str]
    """By the name of each file that cannot be used, a sentence that says why."""


Versions = Mapping[Path, tuple[int, int]]
"""Of each file, the time of its last change in nanoseconds, and its size in bytes."""


def lora_folders(model: str) -> tuple[Path, ...]:
    """The folders of IMAGINE_LORAS; for a starter model, with that of its own LoRAs.

    Raises UsageError if one does not exist.
    """
    folders = []
    for name in filter(None, map(str.strip, os.environ.get(LORAS_VARIABLE, "").split(","))):
        folder = find_folder(name, f"the folder {name}")
        if folder is None:
            raise UsageError(f"{LORAS_VARIABLE} names {name}, which is not a folder.")
        folders.append(folder)
    return (*folders, STARTER_LORAS) if model in STARTERS else tuple(folders)


def lora_versions(folders: Sequence[Path]) -> Versions:
    """The files in these folders that may be LoRAs; pipes and devices, whose reading may never end,
    are none. A folder that cannot be read has none."""
    versions = {}
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for path in (Path(parent, name) for name in names if not name.startswith(".")):
                if path.suffix.lower() == SUFFIX or is_pickle(path):
                    with suppress(OSError):  # it was removed in between
                        if path.is_file():
                            versions[path] = _version(path)
    return versions


def find_loras(folders: Sequence[Path], files: Sequence[Path] = ()) -> Loras:
    """The LoRAs in these folders, and in files beside them. A file is read at the first call, and
    when it has changed.

    Of several with one name, those of `files` precede those of folders, and those of a folder the
    later ones. A warning is logged for each file that cannot be used. Raises UsageError if one of
    `files` cannot be read.
    """
    groups = [_named_versions(files), *(lora_versions([folder]) for folder in folders)]
    usable: dict[str, LoraFile] = {}
    refused: dict[str, str] = {}
    names: set[str] = set()
    for versions in groups:
        by_name: dict[str, list[LoraFile | str]] = defaultdict(list)
        for path, version in sorted(versions.items()):
            if path.stem.lower() not in names:
                by_name[path.stem].append(_read_or_refuse(path, version))
        names |= {name.lower() for name in by_name}
        for name, candidates in by_name.items():
            lora = _single(name, candidates)
            if isinstance(lora, str):
                refused[name] = lora
            else:
                usable[name] = lora
    return Loras(dict(sorted(usable.items())), refused)


def _named_versions(files: Sequence[Path]) -> Versions:
    try:
        return {path: _version(path) for path in files}
    except OSError as error:
        raise UsageError(f"The LoRA {error.filename} cannot be read: {error.strerror}.") from error


def _version(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def _single(name: str, candidates: Sequence[LoraFile | str]) -> LoraFile | str:
    """The one that can be used of those with a name, else why there is none."""
    usable = {lora.sha256: lora for lora in candidates if isinstance(lora, LoraFile)}
    if len(usable) > 1:
        return f"Two LoRAs are called {name}, so neither is used; rename one of them."
    return next(iter(usable.values()), candidates[0])


def read_lora(path: Path) -> LoraFile:
    """The LoRA in a file.

    Raises ModelCorrupt or StorageFailed, with a sentence that names it, if it cannot be used.
    """
    name = path.stem
    _check_name(name)
    if is_pickle(path):
        raise ModelCorrupt(
            f"The LoRA {name} is a pickle: loading a pickle can run arbitrary code, so pickles are "
            "not supported. Convert it to safetensors."
        )
    header = read_header(path, path.name)
    for part, kind in _OTHER_KINDS:
        if any(part in key for key in header.tensors):
            raise ModelCorrupt(f"The LoRA {name} is {kind}, which is not supported.")
    if not any("lora" in key for key in header.tensors):
        raise ModelCorrupt(f"The file {path.name} is no LoRA: it has no weights of low rank.")
    try:
        _check_numbers(path, name, header.tensors)
        sha256, data_sha256 = _digests(path)
    except OSError as error:
        raise unreadable(f"the LoRA {name}", error) from error
    words, model = triggers(header.metadata), base_model(header.metadata)
    return LoraFile(path, name, sha256, data_sha256, words, model)


@lru_cache(_MAX_FILES)
def _read_or_refuse(path: Path, version: tuple[int, int]) -> LoraFile | str:
    """The LoRA in this version of a file, or why it cannot be used."""
    try:
        return read_lora(path)
    except EngineError as error:
        log.warning("%s", error)
        return str(error)


def _check_name(name: str) -> None:
    if not name.isprintable() or _SEPARATORS & set(name) or name != " ".join(name.split()):
        raise ModelCorrupt(
            f"The LoRA {name[:MAX_NAME_CHARS]!a} must be renamed: prompts cannot name it, because "
            "of spaces, brackets, colons, commas or characters that cannot be printed."
        )
    if len(name) > MAX_NAME_CHARS:
        raise ModelCorrupt(
            f"The LoRA {name[:MAX_NAME_CHARS]}… has a name of {len(name)} characters; at most "
            f"{MAX_NAME_CHARS} are allowed."
        )


def _check_numbers(path: Path, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Raise ModelCorrupt if a tensor has NaN or infinity, another type, or another size than its
    shape."""
    with path.open("rb") as file:
        start = 8 + int.from_bytes(file.read(8), "little")
    content = numpy.memmap(path, numpy.uint8, "r")
    for key, tensor in tensors.items():
        if tensor.dtype not in _EXPONENTS:
            raise ModelCorrupt(
                f"The LoRA {name} has weights of the type {tensor.dtype}; only floating-point "
                f"numbers are supported ({', '.join(_EXPONENTS)})."
            )
        kind, exponent = _EXPONENTS[tensor.dtype]
        begin, end = (start + offset for offset in tensor.data_offsets)
        numbers = numpy.prod(tensor.shape, dtype=object)
        if end - begin != numbers * numpy.dtype(kind).itemsize:
            raise ModelCorrupt(f"The LoRA {name} is damaged: {key[:200]} has not its size.")
        values = numpy.frombuffer(content[begin:end], kind)
        if bool(((values & exponent) == exponent).any()):
            raise ModelCorrupt(f"The LoRA {name} is damaged: it has NaN or infinite numbers.")


def _digests(path: Path) -> tuple[str, str]:
    """Of a file, and of its part after the header."""
    whole, data = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
        whole.update(length + header)
        while part := file.read(_HASHED_BYTES):
            whole.update(part)
            data.update(part)
    return whole.hexdigest(), data.hexdigest()
