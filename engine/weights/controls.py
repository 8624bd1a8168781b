"""Find the files of controls (ControlNets and T2I-Adapters): those that IMAGINE_CONTROLS names, and
that of the starter. The weights are not read here."""

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from engine.errors import ModelCorrupt, ModelNotFound, UsageError, unreadable
from engine.weights.header import read_header
from engine.weights.hub import cached_snapshot, download_snapshot
from engine.weights.model_folder import (
    STARTER_FOLDER,
    STARTERS,
    digest,
    find_files,
    find_folder,
    may_be_hub_id,
    require_safetensors,
    variant_in,
)
from engine.weights.variants import with_one_variant
from engine.weights.weight_types import quantised_tensor

CONTROLS_VARIABLE: Final = "IMAGINE_CONTROLS"
CONTROL_CLASSES: Final = ("ControlNetModel", "ControlNetUnionModel", "T2IAdapter")
"""The classes of diffusers that are loaded."""
STARTER_CONTROLS: Final = STARTER_FOLDER.parent / "controls"
"""A folder of controls for the starter, each in a folder with the name of its kind."""
_CONFIG: Final = "config.json"
_WEIGHTS: Final = "diffusion_pytorch_model"
_FILES: Final = (
    _CONFIG,
    f"{_WEIGHTS}.safetensors*",
    f"{_WEIGHTS}.*.safetensors",
    f"{_WEIGHTS}-*.safetensors",
)
"""What is read or downloaded; pickles, code and other networks (`_promax`) are not among them."""
_KIND: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


class ControlFiles(NamedTuple):
    """The files of a control."""

    kind: str
    name: str
    """As in IMAGINE_CONTROLS."""
    folder: Path
    variant: str | None
    config: Mapping[str, Any]
    revision: str
    """The hub's commit, or a digest of the files."""

    @property
    def class_name(self) -> str:
        """One of CONTROL_CLASSES."""
        return str(self.config["_class_name"])

    @property
    def is_built_in(self) -> bool:
        """Whether it is the starter's own."""
        return self.folder.is_relative_to(STARTER_CONTROLS)


def configured_controls(model: str, *, prefer_fp16: bool) -> list[ControlFiles]:
    """The controls that are configured, then those of the starter if the model of this name is one.

    They are found once, and downloaded from the hub if necessary. Raises UsageError, ModelNotFound,
    ModelGated, ModelCorrupt or StorageFailed.
    """
    return list(_find_all(tuple(configured_pairs(model)), prefer_fp16))


@lru_cache(4)
def _find_all(pairs: tuple[tuple[str, str], ...], prefer_fp16: bool) -> tuple[ControlFiles, ...]:
    """Cached, because their files are read for the digests."""
    return tuple(find_control(kind, name, prefer_fp16=prefer_fp16) for kind, name in pairs)


def configured_pairs(model: str) -> list[tuple[str, str]]:
    """The kinds and names of these controls. Raises UsageError."""
    pairs = _parse(os.environ.get(CONTROLS_VARIABLE, ""))
    if model in STARTERS:
        configs = sorted(STARTER_CONTROLS.glob(f"*/{_CONFIG}"))
        pairs += [(path.parent.name, str(path.parent)) for path in configs]
    return pairs


def _parse(text: str) -> list[tuple[str, str]]:
    """Kinds and names of controls. Raises UsageError."""
    pairs = []
    for part in filter(None, map(str.strip, text.split(","))):
        kind, equals, name = (piece.strip() for piece in part.partition("="))
        if not (equals and name and _KIND.fullmatch(kind)):
            raise UsageError(
                f"{CONTROLS_VARIABLE} has “{part[:80]}”, where KIND=FOLDER or KIND=HUB_ID is "
                "expected, such as scribble=lllyasviel/control_v11p_sd15_scribble; a kind has "
                "lower-case letters, digits, - and _."
            )
        pairs.append((kind, name))
    return pairs


def find_control(
    kind: str, name: str, *, prefer_fp16: bool = False, download: bool = True
) -> ControlFiles:
    """The files of a control; without `download`, only what is on this machine is used. Raises
    ModelNotFound, ModelGated, ModelCorrupt or StorageFailed."""
    folder, commit = _locate(name, prefer_fp16=prefer_fp16, download=download)
    owner = f"The control {name}"
    config = _config(folder, name)
    require_safetensors(owner, folder)
    try:
        files = find_files(folder, _FILES)
        revision = commit or digest(folder, files)
    except OSError as error:
        raise unreadable(f"the control {name}", error) from error
    weights = [path.name for path in files if path.suffix == ".safetensors"]
    for file in with_one_variant(sorted(weights), prefer_fp16=prefer_fp16):
        header = read_header(folder / file, str(folder / file))
        if reason := quantised_tensor(header.tensors):
            raise ModelCorrupt(f"{owner} is {reason}.")
    variant = variant_in(folder, prefer_fp16=prefer_fp16)
    return ControlFiles(kind, name, folder, variant, config, revision)


def _locate(name: str, *, prefer_fp16: bool, download: bool) -> tuple[Path, str | None]:
    """The folder of a control, and the hub's commit."""
    folder = find_folder(name, f"the control {name}")
    if folder is not None:
        return folder, None
    if Path(name).is_file():
        raise ModelNotFound(
            f"The control {name} is a single file; give its diffusers folder or a hub id."
        )
    if not may_be_hub_id(name):
        raise ModelNotFound(
            f"There is no control {name}: give a diffusers folder, or a hub id such as "
            "lllyasviel/control_v11p_sd15_scribble."
        )
    if not download:
        folder = cached_snapshot(name)
    else:
        folder = download_snapshot(name, _FILES, prefer_fp16=prefer_fp16)
    return folder, folder.name


def _config(folder: Path, name: str) -> dict[str, Any]:
    owner = f"The control {name}"
    try:
        config = msgspec.json.decode((folder / _CONFIG).read_bytes(), type=dict[str, Any])
    except FileNotFoundError as error:
        raise ModelCorrupt(
            f"{owner} has no {_CONFIG}: it is not a diffusers folder, or the download is "
            "incomplete."
        ) from error
    except OSError as error:
        raise unreadable(f"the control {name}", error) from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelCorrupt(f"{owner} has a damaged {_CONFIG}: download it again.") from error
    if config.get("_class_name") not in CONTROL_CLASSES:
        classes = f"{', '.join(CONTROL_CLASSES[:-1])} or {CONTROL_CLASSES[-1]}"
        raise ModelCorrupt(f"{owner} is no {classes} of diffusers: its {_CONFIG} says otherwise.")
    return config
