"""Find or download the folder of a model, and check that it is complete and safe to load."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from safetensors import SafetensorError

from engine.errors import (
    EngineError,
    ModelCorrupt,
    ModelNotFound,
    NoSafetyChecker,
    unreadable,
)
from engine.weights.hub import cached_snapshot, download_snapshot
from engine.weights.readme import README
from engine.weights.tokenizer_config import TOKENIZER_CONFIG, tokenizer_fault
from engine.weights.variants import choose_variant, with_one_variant

_CONFIG_ERROR: type[Exception] = ValueError
"""Of transformers, for values of a wrong type in a config."""
with contextlib.suppress(ImportError):  # the files are also described without these packages
    from huggingface_hub.errors import StrictDataclassError

    _CONFIG_ERROR = StrictDataclassError
STARTER: Final = "starter"
STARTER_FOLDER: Final = Path(__file__).parents[1] / "starter" / "model"
FEW_STEP_STARTER: Final = "starter-lightning-8-steps"
"""The few-step student of the starter. As other distilled models, it has a name that says how it is
sampled; the number of steps is that of its training."""
FEW_STEP_STARTER_FILE: Final = STARTER_FOLDER / f"{FEW_STEP_STARTER}.safetensors"
"""A checkpoint of its UNet. All else is in the folder, which does not load this file."""
EDIT_STARTER: Final = "starter-edit"
"""The starter that edits pictures by instructions."""
EDIT_STARTER_FILE: Final = STARTER_FOLDER / f"{EDIT_STARTER}.safetensors"
"""As FEW_STEP_STARTER_FILE."""
STARTERS: Final = (STARTER, FEW_STEP_STARTER, EDIT_STARTER)
INDEX: Final = "model_index.json"
SAFETY_PARTS: Final = ("safety_checker", "feature_extractor")
"""The folders of a safety checker."""
_COMPONENTS: Final = frozenset(
    f"{name}{end}" for name in ("text_encoder", "tokenizer") for end in ("", "_2", "_3")
) | {*("unet", "transformer", "vae", "scheduler", "image_encoder"), *SAFETY_PARTS}
"""What a pipeline may have."""
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
"""The name of a module in model_index.json that is no path."""
_FILE_PATTERNS: Final = ("*/*.safetensors", "*/*.json", "*/*.txt", "*/*.jinja", INDEX)
"""The files of a diffusers folder that are loaded or downloaded; pickles are not among them."""
SAFETY_CHECKER_MODEL: Final = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_SAFETY_PATTERNS: Final = tuple(
    f"{part}/{pattern}" for part in SAFETY_PARTS for pattern in ("*.safetensors", "*.json")
)
_PICKLES: Final = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
LOAD_ERRORS: Final = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    SafetensorError,
    MemoryError,
    _CONFIG_ERROR,
)
"""The exceptions that diffusers and transformers raise for damaged or unsuitable files."""


class _ShardIndex(msgspec.Struct):
    """What names the file of each tensor, where the weights are in several files."""

    weight_map: dict[str, str]


class ModelFolder:
    """The folder of a model, which is downloaded from the hub if necessary.

    `prefer_fp16` chooses the variant of the weights where there are several; without `download`,
    only what is on this machine is used. Constructor and methods raise ModelNotFound, ModelGated,
    ModelCorrupt, StorageFailed or NoSafetyChecker, with a sentence for the operator.
    """

    def __init__(self, name: str, *, prefer_fp16: bool = False, download: bool = True) -> None:
        self.name = name
        self.prefer_fp16 = prefer_fp16
        self.folder, self._commit = _locate(name, prefer_fp16, download)
        self.index = _index(self.folder, name)
        self.checkpoint = None
        self.labels: Sequence[str] = ()
        self.scheduler_changes: Mapping[str, object] = {}

    @property
    def is_distilled(self) -> bool:
        """Whether the index says that the model is distilled."""
        return self.index.get("is_distilled") is True

    @property
    def revision(self) -> str:
        """The hub's commit; for a local folder, a digest of all files that are loaded."""
        try:
            return self._commit or digest(self.folder, find_files(self.folder, _FILE_PATTERNS))
        except OSError as error:
            raise unreadable(f"the model {self.name}", error) from error

    @property
    def weight_bytes(self) -> int:
        """The size of its weights, of all variants. Raises StorageFailed if they are not
        readable."""
        try:
            return sum(file.stat().st_size for file in self.folder.glob("*/*.safetensors"))
        except OSError as error:
            raise unreadable(f"the model {self.name}", error) from error

    @property
    def weight_files(self) -> Sequence[Path]:
        """The safetensors that are loaded, of one variant for each component."""
        paths = [file.relative_to(self.folder) for file in self.folder.glob("*/*.safetensors")]
        names = sorted(
            path.as_posix()
            for path in paths
            if path.parent.name not in self.index or names_component(self.index, path.parent.name)
        )
        return [
            self.folder / name for name in with_one_variant(names, prefer_fp16=self.prefer_fp16)
        ]

    @property
    def family(self) -> str:
        """The pipeline's class name in model_index.json."""
        return str(self.index.get("_class_name", "?"))

    def require(self, *components: str) -> None:
        """Raise ModelCorrupt unless these components are in the index and have folders."""
        for component in components:
            if not self._has(component):
                raise ModelCorrupt(f"The model {self.name} is incomplete: it has no {component}.")

    def require_safety_checker(self) -> None:
        """Raise NoSafetyChecker if the model has none."""
        if not (self._has("safety_checker") and self._has("feature_extractor")):
            raise NoSafetyChecker(
                f"The model {self.name} has no safety checker, so its pictures could not be shown: "
                "choose a model folder with safety_checker and feature_extractor, or name "
                "classifiers in IMAGINE_CHECKERS."
            )

    def safety_checker_folder(self) -> Path:
        """A folder with `safety_checker` and `feature_extractor`.

        It is this model's if it has both, else that of Stable Diffusion 1.5, from the hub.
        """
        if all((self.folder / part).is_dir() for part in SAFETY_PARTS):
            return self.folder
        return download_safety_checker(f"The model {self.name}", prefer_fp16=self.prefer_fp16)

    def require_tokenizer(self, *tokenizers: str) -> None:
        """Raise ModelCorrupt if a tokenizer has no vocabulary, where transformers would not raise,
        or if its config is damaged."""
        for tokenizer in tokenizers:
            folder = self.folder / tokenizer
            vocabularies = [folder / "vocab.json", folder / "tokenizer.json"]
            has_vocabulary = any(map(Path.is_file, vocabularies))
            path = folder / TOKENIZER_CONFIG
            if not (has_vocabulary and path.is_file()):
                raise ModelCorrupt(
                    f"The model {self.name} has no vocabulary in its {tokenizer}: download it "
                    "again."
                )
            if fault := tokenizer_fault(path):
                raise ModelCorrupt(
                    f"The {tokenizer}/{TOKENIZER_CONFIG} of the model {self.name} {fault}."
                )

    def require_safetensors(self, folder: Path) -> None:
        """Raise ModelCorrupt if a component's folder has no weights, or some only as pickles."""
        require_safetensors(f"The model {self.name}", folder)

    def variant(self, folder: Path) -> str | None:
        """The variant of the weights to load from a component's folder; None for full weights."""
        return variant_in(folder, prefer_fp16=self.prefer_fp16)

    def _has(self, component: str) -> bool:
        return names_component(self.index, component) and (self.folder / component).is_dir()


def download_safety_checker(owner: str, *, prefer_fp16: bool) -> Path:
    """The folder of Stable Diffusion 1.5 in the hub's cache, with its safety checker.

    `owner` is the subject of the error message, such as "The model x". Raises NoSafetyChecker.
    """
    try:
        return download_snapshot(SAFETY_CHECKER_MODEL, _SAFETY_PATTERNS, prefer_fp16=prefer_fp16)
    except EngineError as error:
        raise NoSafetyChecker(
            f"{owner} has no safety checker, and that of Stable Diffusion 1.5 could not be "
            f"downloaded, so its pictures could not be shown: {error}"
        ) from error


def names_component(index: Mapping[str, Any], component: str) -> bool:
    """Whether a model_index.json says that there is this component; `[null, null]` says that there
    is none."""
    entry = index.get(component)
    return isinstance(entry, list) and bool(entry) and entry[0] is not None


def is_pickle(path: Path) -> bool:
    """Whether a file of weights with this name is a pickle."""
    return path.suffix.lower() in _PICKLES


def _locate(name: str, prefer_fp16: bool, download: bool) -> tuple[Path, str | None]:
    if name == STARTER:
        if not STARTER_FOLDER.is_dir():
            raise ModelNotFound("The starter model is not in this copy of the project.")
        return STARTER_FOLDER, None
    folder = find_folder(name, f"the model {name}")
    if folder is not None:
        return folder, None
    if not may_be_hub_id(name):
        raise ModelNotFound(
            f"There is no model {name}: give `{STARTER}`, a diffusers folder, a .safetensors "
            "file, or a hub id such as stable-diffusion-v1-5/stable-diffusion-v1-5."
        )
    if not download:
        snapshot = cached_snapshot(name)
        return snapshot, snapshot.name
    snapshot = download_snapshot(name, (*_FILE_PATTERNS, README), prefer_fp16=prefer_fp16)
    return snapshot, snapshot.name


def find_folder(name: str, subject: str) -> Path | None:
    """The folder of this name, or None. Raises StorageFailed if it is not accessible.

    `subject` begins the error message, such as "the model x".
    """
    try:
        folder = Path(name).expanduser()
        return folder if folder.is_dir() else None
    except RuntimeError:  # of a home directory that does not exist
        return None
    except OSError as error:
        raise unreadable(subject, error) from error


def may_be_hub_id(name: str) -> bool:
    """Whether this is no path but OWNER/NAME."""
    return name.count("/") == 1 and not name.startswith(("/", ".", "~"))


def _index(folder: Path, name: str) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelCorrupt(
            f"The model {name} has no {INDEX}: it is not a diffusers folder, or the download is "
            "incomplete."
        ) from error
    except OSError as error:
        raise unreadable(f"the model {name}", error) from error
    except (ValueError, RecursionError) as error:
        raise ModelCorrupt(f"The model {name} has a damaged {INDEX}: download it again.") from error
    if not isinstance(index, dict):
        raise ModelCorrupt(f"The model {name} has a damaged {INDEX}: download it again.")
    for component in _COMPONENTS & index.keys():
        if not (isinstance(index[component], list) and len(index[component]) == 2):
            raise ModelCorrupt(
                f"The {component} in the {INDEX} of the model {name} must be a list of the library "
                "and the class, or [null, null]."
            )
    if _has_own_code(folder, index):
        raise ModelCorrupt(
            f"The model {name} has a pipeline or a component of its own; the code of a model is "
            "never run."
        )
    return index


def _has_own_code(folder: Path, index: Mapping[str, Any]) -> bool:
    """Whether diffusers might run Python code of the folder; not all versions ask before."""
    has_pipeline = isinstance(index.get("_class_name"), list) or (folder / "None.py").exists()
    return has_pipeline or any(
        _names_own_code(folder / name, entry[0])
        for name, entry in index.items()
        if isinstance(entry, list) and entry
    )


def _names_own_code(folder: Path, library: object) -> bool:
    """Whether the library of a component may be a file in its folder, or anywhere else."""
    if library is None:
        return False
    is_module = isinstance(library, str) and _MODULE.fullmatch(library) is not None
    return not is_module or (folder / f"{library}.py").exists()


def variant_in(folder: Path, *, prefer_fp16: bool = False) -> str | None:
    """The variant of the weights to load from a folder; None for full weights."""
    files = [file.name for file in folder.iterdir()] if folder.is_dir() else []
    return choose_variant(files, prefer_fp16=prefer_fp16) or None


def require_safetensors(owner: str, folder: Path) -> None:
    """Raise ModelCorrupt if this folder has no weights, or some only as pickles.

    `owner` is the subject of the error message, such as "The model x".
    """
    part = f"{owner} has no safetensors in its {folder.name}"
    if pickles := _pickle_weights(folder):
        raise ModelCorrupt(
            f"{part}, only {pickles[0][:80]}: loading a pickle can run arbitrary code, so pickles "
            "are not supported. Convert it to safetensors."
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelCorrupt(
            f"{part}: the download is incomplete, or its authors publish only pickles, which are "
            "not supported."
        )


def _pickle_weights(folder: Path) -> list[str]:
    """Names of pickles that are needed: all if there are no safetensors, else those in an index of
    shards."""
    if not any(folder.glob("*.safetensors")):
        return sorted(file.name for file in folder.glob("*") if is_pickle(file))
    shards: list[str] = []
    for index in folder.glob("*.safetensors.index*.json"):
        try:
            shards += msgspec.json.decode(index.read_bytes(), type=_ShardIndex).weight_map.values()
        except (OSError, msgspec.MsgspecError, RecursionError) as error:
            raise ModelCorrupt(f"The model's {folder.name}/{index.name} is damaged.") from error
    return [name for name in shards if not name.endswith(".safetensors")]


def find_files(folder: Path, patterns: Iterable[str]) -> set[Path]:
    """The files in a folder that match one of these patterns."""
    return {path for pattern in patterns for path in folder.glob(pattern)}


def digest(folder: Path, files: Iterable[Path]) -> str:
    """sha256 over the names and contents of files in a folder. Raises OSError."""
    total = hashlib.sha256()
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()
