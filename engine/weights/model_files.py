"""The files of a model, wherever they are."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from engine.weights.model_folder import ModelFolder


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
    only what is on this machine is used. Raises ModelNotFound, ModelGated,
    ModelCorrupt or StorageFailed.
    """
    return ModelFolder(name, prefer_fp16=prefer_fp16, download=download)
