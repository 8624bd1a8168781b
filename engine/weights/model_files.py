"""The files of a model, wherever they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.errors import ModelNotFound, unreadable
from engine.weights import gguf
from engine.weights.checkpoint_files import CheckpointFiles
from engine.weights.checkpoints import SUFFIX, Checkpoint
from engine.weights.model_folder import (
    EDIT_STARTER,
    EDIT_STARTER_FILE,
    FEW_STEP_STARTER,
    FEW_STEP_STARTER_FILE,
    ModelFolder,
    is_pickle,
)


class ModelFiles(Protocol):
    """The files of a model.

    Its methods raise ModelNotFound, ModelGated, ModelCorrupt, StorageFailed or NoSafetyChecker,
    with a sentence for the operator.
    """

    name: str
    """As in IMAGINE_MODEL."""
    folder: Path
    """A diffusers folder with the configuration of all components, and with the tokenizers."""
    index: dict[str, Any]
    """The model_index.json of the folder."""

    @property
    def checkpoint(self) -> Checkpoint | None:
        """The file with the weights of all or some components; None if the folder has them."""

    @property
    def scheduler_changes(self) -> Mapping[str, object]:
        """What is different from the scheduler's configuration in the folder."""

    @property
    def is_distilled(self) -> bool:
        """Whether the files say, besides its name, that the model is distilled."""

    @property
    def labels(self) -> Sequence[str]:
        """Names in the files, besides its own and its model card, that may say how it was
        distilled."""

    @property
    def revision(self) -> str:
        """What identifies the contents of the files that are loaded."""

    @property
    def weight_bytes(self) -> int:
        """The size of its weights on the disk."""

    @property
    def weight_files(self) -> Sequence[Path]:
        """The safetensors that are loaded."""

    @property
    def family(self) -> str:
        """The pipeline's class name in model_index.json."""

    def require(self, *components: str) -> None:
        """Raise ModelCorrupt unless it has these components."""

    def require_safety_checker(self) -> None:
        """Raise NoSafetyChecker if there is none for it."""

    def safety_checker_folder(self) -> Path:
        """A folder with `safety_checker` and `feature_extractor`."""

    def require_tokenizer(self, *tokenizers: str) -> None:
        """Raise ModelCorrupt if a tokenizer has no vocabulary."""

    def require_safetensors(self, folder: Path) -> None:
        """Raise ModelCorrupt if a component's folder has no weights, or some only as pickles."""

    def variant(self, folder: Path) -> str | None:
        """The variant of the weights to load from a component's folder; None for full weights."""


def find_model_files(name: str, *, prefer_fp16: bool = False, download: bool = True) -> ModelFiles:
    """The files of the model of this name, which are downloaded from the hub if necessary.

    `prefer_fp16` chooses the variant of the weights where there are several; without `download`,
    only what is on this machine is used. Raises ModelNotFound, ModelGated, ModelCorrupt or
    StorageFailed.
    """
    path = _starter_checkpoint(name) or _find_file(name)
    if path is not None:
        return CheckpointFiles(name, path, prefer_fp16=prefer_fp16, download=download)
    return ModelFolder(name, prefer_fp16=prefer_fp16, download=download)


def _starter_checkpoint(name: str) -> Path | None:
    """The checkpoint of a starter; None for another model. Raises ModelNotFound."""
    files = {FEW_STEP_STARTER: FEW_STEP_STARTER_FILE, EDIT_STARTER: EDIT_STARTER_FILE}
    path = files.get(name)
    if path is not None and not path.is_file():
        raise ModelNotFound(f"The model {name} is not in this copy of the project.")
    return path


def _find_file(name: str) -> Path | None:
    """The file of this name; None if it is a folder or not a path.

    Raises ModelNotFound if there is no such file, though the name can be nothing else, and
    StorageFailed if it is not accessible.
    """
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except RuntimeError:  # of a home directory that does not exist
        return None
    except OSError as error:
        raise unreadable(f"the model {name}", error) from error
    if not is_folder and (is_pickle(path) or path.suffix.lower() in (SUFFIX, gguf.SUFFIX)):
        raise ModelNotFound(f"There is no file {name}.")
    return None
