"""Where a model's files are, which ones they are, and what kind of model they make."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError

from engine.errors import EngineError, ModelBroken, ModelGated, ModelMissing, ModelUnchecked

STARTER: Final = "starter"
STARTER_FOLDER: Final = Path(__file__).parent / "starter" / "model"
INDEX: Final = "model_index.json"
_KINDS: Final = ("*/*.safetensors", "*/*.json", "*/*.txt", INDEX)
"""All that a diffusers folder needs; pickles are never read, nor fetched."""
CHECKED_BY: Final = "stable-diffusion-v1-5/stable-diffusion-v1-5"
_CHECKING: Final = ("safety_checker", "feature_extractor")
_PICKLES: Final = (".bin", ".ckpt", ".pkl", ".pt", ".pth")
_VARIANTS: Final = ("*.fp16.safetensors", "*non_ema*", "*.bf16.safetensors")
DAMAGE: Final = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    SafetensorError,
)
"""What diffusers and transformers raise for files that are not what they should be."""


class Files:
    """A model on this machine's disk.

    Raises ModelMissing, ModelGated, ModelBroken or ModelUnchecked, in words for its operator.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder, self._commit = _find(name)
        self.index = _index(self.folder, name)

    @property
    def revision(self) -> str:
        """The hub's commit, or a digest of all files that are read."""
        return self._commit or _digest(self.folder)

    @property
    def family(self) -> str:
        """The pipeline's class name, as diffusers wrote it."""
        return str(self.index.get("_class_name", "?"))

    def require(self, *components: str) -> None:
        """Raise ModelBroken unless all of these parts are listed and their folders are there."""
        for component in components:
            if not self._has(component):
                raise ModelBroken(f"The model {self.name} has no {component}: it is not complete.")

    def require_safety_checker(self) -> None:
        """Raise ModelUnchecked unless there is one."""
        if not (self._has("safety_checker") and self._has("feature_extractor")):
            raise ModelUnchecked(
                f"The model {self.name} has no safety checker, so none of its pictures could be "
                "shown: choose a model folder with safety_checker and feature_extractor, or name "
                "classifiers in IMAGINE_CHECKERS."
            )

    def checked_by(self) -> Path:
        """The folder whose `safety_checker` and `feature_extractor` to use: this model's, or, as
        most families bring none, that of Stable Diffusion 1.5 from the hub."""
        if all((self.folder / part).is_dir() for part in _CHECKING):
            return self.folder
        try:
            return fetch(CHECKED_BY, [f"{part}/*" for part in _CHECKING])
        except EngineError as error:
            raise ModelUnchecked(
                f"The model {self.name} has no safety checker, and another cannot be had, so none "
                f"of its pictures could be shown: {error}"
            ) from error

    def require_words(self, *tokenizers: str) -> None:
        """Raise ModelBroken unless their words are there; transformers would make do without."""
        for tokenizer in tokenizers:
            folder = self.folder / tokenizer
            words = [folder / "vocab.json", folder / "tokenizer.json"]
            known = any(map(Path.is_file, words))
            if not (known and (folder / "tokenizer_config.json").is_file()):
                raise ModelBroken(
                    f"The model {self.name} has no words in its {tokenizer}: fetch it again."
                )

    def require_safetensors(self, folder: Path) -> None:
        """Raise ModelBroken if a part's folder has no weights, or some of them as pickles only."""
        require_safetensors(f"The model {self.name}", folder)

    def _has(self, component: str) -> bool:
        library = (self.index.get(component) or [None])[0]
        return library is not None and (self.folder / component).is_dir()


def _find(name: str) -> tuple[Path, str | None]:
    if name == STARTER:
        if not STARTER_FOLDER.is_dir():
            raise ModelMissing("The starter model is not in this copy of the project.")
        return STARTER_FOLDER, None
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder, None
    if folder.is_absolute() or name.startswith(".") or name.count("/") != 1:
        raise ModelMissing(
            f"There is no model {name}: give `{STARTER}`, a diffusers folder, or a hub id such as "
            "stable-diffusion-v1-5/stable-diffusion-v1-5."
        )
    snapshot = fetch(name)
    return snapshot, snapshot.name


def fetch(name: str, kinds: Sequence[str] = _KINDS) -> Path:
    """The hub's snapshot of these files, downloaded if it is not here yet.

    Raises ModelMissing or ModelGated.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(
            snapshot_download(name, allow_patterns=list(kinds), ignore_patterns=list(_VARIANTS))
        )
    except HFValidationError as error:
        raise ModelMissing(f"There is no folder {name}, and it is no id of the hub.") from error
    except _network_errors() as error:
        raise _why(name, error) from error


def _network_errors() -> tuple[type[Exception], ...]:
    """Also of the HTTP library that the hub's own uses: which one it is changes with its versions.

    A proxy that refuses or a connection that breaks is raised as it comes; a proxy of a kind that
    needs another package, as ImportError; trouble of hf_xet, as RuntimeError.
    """
    from huggingface_hub.errors import HfHubHTTPError

    bases = [base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception)]
    return (*bases, OSError, ImportError, RuntimeError)


def _why(name: str, error: Exception) -> EngineError:
    """What the hub's error means for whoever chose the model."""
    from huggingface_hub.errors import (
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    kinds = [type(cause) for cause in _causes(error)]
    if GatedRepoError in kinds:
        return ModelGated(
            f"The model {name} is gated: accept its terms at https://huggingface.co/{name} and set "
            "HF_TOKEN to a token of that account."
        )
    if RepositoryNotFoundError in kinds:
        return ModelMissing(
            f"The hub has no model {name} for us: check the name, or set HF_TOKEN if it is private."
        )
    status = next((code for code in map(_status, _causes(error)) if code), None)
    if status in (401, 403):
        return ModelGated(f"The hub does not let us have the model {name}: check HF_TOKEN.")
    if LocalEntryNotFoundError in kinds or status is None:
        return ModelMissing(f"The model {name} is not on this machine and the hub is out of reach.")
    return ModelMissing(f"The hub did not give the model {name}: it answered {status}.")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _index(folder: Path, name: str) -> dict[str, Any]:
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelBroken(
            f"The model {name} has no {INDEX}: it is no diffusers folder, or half downloaded."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelBroken(f"The model {name} has a damaged {INDEX}: fetch it again.") from error
    if not isinstance(index, dict):
        raise ModelBroken(f"The model {name} has a damaged {INDEX}: fetch it again.")
    return index


def require_safetensors(whose: str, folder: Path) -> None:
    """Raise ModelBroken if this folder has no weights, or some of them as pickles only."""
    part = f"{whose} has no safetensors in its {folder.name}"
    if foreign := _foreign_weights(folder):
        raise ModelBroken(
            f"{part}, only {foreign[0][:80]}: opening such a file can run any program, so it is "
            "never done. Convert it to safetensors."
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelBroken(
            f"{part}: it is half downloaded, or its authors offer only pickles, which are never "
            "opened."
        )


def _foreign_weights(folder: Path) -> list[str]:
    """Files that would be read for lack of safetensors, or because an index of shards says so."""
    if not any(folder.glob("*.safetensors")):
        return sorted(file.name for file in folder.glob("*") if file.suffix in _PICKLES)
    shards: list[str] = []
    for index in folder.glob("*.safetensors.index.json"):
        try:
            shards += map(str, json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            raise ModelBroken(f"The model's {folder.name}/{index.name} is damaged.") from error
    return [name for name in shards if not name.endswith(".safetensors")]


def _digest(folder: Path) -> str:
    """sha256 over the names and contents of all files that a pipeline reads."""
    total = hashlib.sha256()
    files = {path for kind in _KINDS for path in folder.glob(kind)}
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return total.hexdigest()
