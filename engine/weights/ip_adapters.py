"""Find the IP-Adapters (https://arxiv.org/abs/2308.06721) of the operator, in the layout of
https://huggingface.co/h94/IP-Adapter. The weights are not read here.

A file has the tensors `image_proj.*` and `ip_adapter.N.to_k_ip.weight`, and the image encoder is in
the folder `image_encoder` beside it, or beside its folder.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from engine.contract import sha256
from engine.errors import ModelCorrupt, ModelNotFound, UsageError, unreadable
from engine.weights.checkpoints import SUFFIX
from engine.weights.header import Tensor, read_header
from engine.weights.hub import cached_snapshot, download_snapshot
from engine.weights.model_folder import (
    digest,
    find_files,
    find_folder,
    is_pickle,
    may_be_hub_id,
    require_safetensors,
)

IP_ADAPTER_VARIABLE: Final = "IMAGINE_IP_ADAPTER"
STARTER_IP_ADAPTER: Final = Path(__file__).parents[1] / "starter" / "ip_adapter"
IMAGE_ENCODER: Final = "image_encoder"
IMAGE_PROJECTION: Final = "image_proj."
ATTENTION: Final = "ip_adapter."
_ENCODER_FOLDERS: Final = (IMAGE_ENCODER, f"../{IMAGE_ENCODER}", f"../models/{IMAGE_ENCODER}")
"""Where the image encoder may be, relative to the file's folder."""
_CONFIG: Final = "config.json"
_ENCODER_FILES: Final = (_CONFIG, "preprocessor_config.json", f"*{SUFFIX}")
_DEFAULTS: Final = {"hidden_size": 768, "projection_dim": 512}
"""transformers' defaults of a CLIPVisionConfig."""


class UnetLayers(NamedTuple):
    """The cross-attention layers of a UNet."""

    width: int
    """Numbers of a token of the prompt."""
    sizes: tuple[int, ...]
    """Numbers that each layer computes with."""


class IpAdapterFile(NamedTuple):
    """A file with an IP-Adapter."""

    path: Path
    layers: UnetLayers
    """Those that it is for."""
    has_pooled_input: bool
    """Whether it reads the embedding of an image; else it reads the hidden states of the image
    encoder's last layer but one."""
    encoder_width: int
    """Numbers of what it reads."""

    @property
    def name(self) -> str:
        """In recipes."""
        return self.path.stem


def configured_names() -> tuple[str, ...]:
    """The folders, files and hub ids in IMAGINE_IP_ADAPTER."""
    names = os.environ.get(IP_ADAPTER_VARIABLE, "").split(",")
    return tuple(filter(None, map(str.strip, names)))


def find_ip_adapter(
    name: str, layers: UnetLayers, usual_path: str, *, download: bool = True
) -> IpAdapterFile | None:
    """The IP-Adapter of this name for such a UNet; None if it is for another one.

    `usual_path` is the path, in the repository h94/IP-Adapter, of the one that is used by default.
    A file on the hub is called OWNER/NAME/FOLDER/FILE, or OWNER/NAME for the default; it is
    downloaded with its image encoder if necessary. Without `download`, only what is on this machine
    is used.
    Raises UsageError, ModelNotFound, ModelGated, ModelCorrupt or StorageFailed.
    """
    path = _local_file(name)
    if path is None:
        folder = find_folder(name, f"the IP-Adapter {name}")
        if folder is None:
            return _from_hub(name, layers, usual_path, download=download)
        if not (folder / usual_path).is_file():
            return _in_folder(name, folder, layers, Path(usual_path).name)
        path = folder / usual_path
    file = read_ip_adapter(path)
    return file if file.layers == layers else None


def read_ip_adapter(path: Path) -> IpAdapterFile:
    """What the header of a file says. Raises ModelCorrupt or StorageFailed."""
    tensors = read_header(path, str(path)).tensors
    projection = _with_prefix(tensors, IMAGE_PROJECTION)
    keys = _with_prefix(tensors, ATTENTION)
    if not projection or not keys:
        raise ModelCorrupt(
            f"The file {path} is no IP-Adapter: it has no tensors {IMAGE_PROJECTION}* and "
            f"{ATTENTION}*."
        )
    layers = _layers(path, keys)
    if "proj.weight" in projection:
        return IpAdapterFile(path, layers, True, _size(path, projection, "proj.weight", 1))
    if "proj.3.weight" in projection:
        return IpAdapterFile(path, layers, False, _size(path, projection, "proj.0.weight", 1))
    if "latents" in projection:
        return IpAdapterFile(path, layers, False, _size(path, projection, "proj_in.weight", 1))
    raise ModelCorrupt(
        f"The IP-Adapter {path} is of a kind that is not supported, such as FaceID; the plain, "
        "Plus and full-face ones are."
    )


def image_encoder_of(file: IpAdapterFile) -> Path:
    """The folder of its image encoder. Raises ModelCorrupt if there is none that suits it."""
    folder = _suitable_encoder(file)
    require_safetensors(f"The IP-Adapter {file.path}", folder)
    return folder


def _suitable_encoder(file: IpAdapterFile) -> Path:
    """The folder whose config suits it."""
    folders = [Path(os.path.normpath(file.path.parent / folder)) for folder in _ENCODER_FOLDERS]
    present = [folder for folder in folders if (folder / _CONFIG).is_file()]
    if not present:
        raise ModelCorrupt(
            f"The IP-Adapter {file.path} has no image encoder: the folder {IMAGE_ENCODER} beside "
            f"it must have a {_CONFIG} and the weights."
        )
    widths = [_encoder_width(folder / _CONFIG, file) for folder in present]
    if file.encoder_width not in widths:
        raise ModelCorrupt(
            f"The image encoder in {present[0]} does not suit the IP-Adapter {file.path}: its "
            f"outputs have {widths[0]} numbers, and the IP-Adapter reads {file.encoder_width}."
        )
    return present[widths.index(file.encoder_width)]


def encoder_revision(folder: Path) -> str:
    """A digest of an image encoder. Raises StorageFailed."""
    try:
        return digest(folder, find_files(folder, _ENCODER_FILES))
    except OSError as error:
        raise unreadable(f"the image encoder {folder}", error) from error


def revision_of(file: IpAdapterFile, encoder: str) -> str:
    """A digest of an IP-Adapter and of its image encoder, whose own is `encoder`. Raises
    StorageFailed."""
    try:
        with file.path.open("rb") as content:
            own = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(f"the IP-Adapter {file.path}", error) from error
    return sha256(f"{own} {encoder}".encode())


def _local_file(name: str) -> Path | None:
    """The file of this name; None if it is a folder, or may be on the hub. Raises UsageError or
    ModelNotFound."""
    path = Path(name).expanduser()
    if is_pickle(path):
        raise _pickle_error(path)
    if path.is_file():
        return path
    if path.suffix == SUFFIX and not _may_be_on_hub(name):
        raise ModelNotFound(f"{IP_ADAPTER_VARIABLE} names {name}, and there is no such file.")
    return None


def _pickle_error(path: Path) -> ModelCorrupt:
    return ModelCorrupt(
        f"The IP-Adapter {path} is a pickle: loading a pickle can run arbitrary code, so pickles "
        "are not supported. Convert it to safetensors."
    )


def _in_folder(
    name: str, folder: Path, layers: UnetLayers, usual_file: str
) -> IpAdapterFile | None:
    """The one in the folder; without any, the one in one of its folders."""
    here, below = (sorted(folder.glob(pattern)) for pattern in ("*", "*/*"))
    below = [path for path in below if path.parent.name != IMAGE_ENCODER]
    paths = _weights(here) or _weights(below)
    if not paths:
        pickles = list(filter(is_pickle, (*here, *below)))
        if pickles:
            raise _pickle_error(pickles[0])
        raise ModelCorrupt(f"The folder {name} has no IP-Adapter, a file with the ending {SUFFIX}.")
    files = [file for file in map(read_ip_adapter, paths) if file.layers == layers]
    usual = [file for file in files if file.path.name == usual_file]
    chosen = usual or files
    if len(chosen) > 1:
        names = ", ".join(file.path.name for file in chosen)
        raise UsageError(
            f"The folder {name} has several IP-Adapters for one model ({names}): name one of the "
            f"files in {IP_ADAPTER_VARIABLE}."
        )
    return chosen[0] if chosen else None


def _weights(paths: Sequence[Path]) -> list[Path]:
    return [path for path in paths if path.suffix == SUFFIX]


def _may_be_on_hub(name: str) -> bool:
    return may_be_hub_id("/".join(name.split("/")[:2]))


def _from_hub(
    name: str, layers: UnetLayers, usual_path: str, *, download: bool
) -> IpAdapterFile | None:
    """As `find_ip_adapter`. Image encoders are large: only the one that suits it is downloaded."""
    if not _may_be_on_hub(name):
        raise UsageError(
            f"{IP_ADAPTER_VARIABLE} names {name}, which is no folder, no file and no hub id such "
            "as h94/IP-Adapter."
        )
    owner, repository, *parts = name.split("/")
    repository = f"{owner}/{repository}"
    path = "/".join(parts) or usual_path
    encoders = {
        os.path.normpath(Path(path).parent / encoder).replace(os.sep, "/")
        for encoder in _ENCODER_FOLDERS
    }
    configs = [f"{encoder}/{_CONFIG}" for encoder in sorted(encoders)]
    snapshot = (
        download_snapshot(repository, [path, *configs]) if download else cached_snapshot(repository)
    )
    if not (snapshot / path).is_file():
        raise ModelNotFound(
            f"There is no {path} in {repository}: name the file of the IP-Adapter, as in "
            f"{repository}/FOLDER/FILE{SUFFIX}."
        )
    file = read_ip_adapter(snapshot / path)
    if file.layers != layers:
        return None
    if not download:
        return file
    encoder = _suitable_encoder(file).relative_to(snapshot).as_posix()
    download_snapshot(
        repository, [path, *configs, *(f"{encoder}/{name}" for name in _ENCODER_FILES)]
    )
    return file


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _layers(path: Path, tensors: Mapping[str, Tensor]) -> UnetLayers:
    """By the keys of all layers, which have odd numbers."""
    shapes = [tensor.shape for tensor in _keys(path, tensors)]
    if any(len(shape) != 2 for shape in shapes) or len({shape[1] for shape in shapes}) != 1:
        raise ModelCorrupt(f"The IP-Adapter {path} is damaged: its layers have unlike shapes.")
    return UnetLayers(shapes[0][1], tuple(shape[0] for shape in shapes))


def _keys(path: Path, tensors: Mapping[str, Tensor]) -> Iterator[Tensor]:
    count = sum(name.endswith(".to_k_ip.weight") for name in tensors)
    for number in range(1, 2 * max(count, 1), 2):
        key, value = (f"{number}.to_{kind}_ip.weight" for kind in "kv")
        for name in (key, value):
            if name not in tensors:
                raise ModelCorrupt(
                    f"The IP-Adapter {path} is damaged: it has no {ATTENTION}{name}."
                )
        yield tensors[key]


def _size(path: Path, tensors: Mapping[str, Tensor], name: str, axis: int) -> int:
    shape: Sequence[int] = tensors[name].shape if name in tensors else ()
    if len(shape) != 2:
        raise ModelCorrupt(f"The IP-Adapter {path} is damaged: it has no {IMAGE_PROJECTION}{name}.")
    return shape[axis]


def _encoder_width(path: Path, file: IpAdapterFile) -> int:
    """The numbers of what an image encoder with this config gives to the IP-Adapter."""
    try:
        config: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(f"the IP-Adapter {file.path}", error) from error
    except (ValueError, RecursionError) as error:
        raise ModelCorrupt(f"The {path} of the IP-Adapter {file.path} is damaged.") from error
    name = "projection_dim" if file.has_pooled_input else "hidden_size"
    width = config.get(name, _DEFAULTS[name]) if isinstance(config, dict) else None
    if not isinstance(width, int):
        raise ModelCorrupt(f"The {path} of the IP-Adapter {file.path} is damaged.")
    return width
