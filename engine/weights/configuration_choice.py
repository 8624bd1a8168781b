"""Choose the configuration of a checkpoint among the folders that fit its networks.

The networks of a distilled model and of the model that it was distilled from are alike; names, a
model_index.json and a scheduler config tell them apart.
"""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from engine.weights.checkpoint_names import TRANSFORMERS
from engine.weights.checkpoints import Checkpoint
from engine.weights.model_folder import INDEX
from engine.weights.model_names import (
    PLAIN,
    names_of_folder,
    own_words,
    variant_of_folder,
    variant_of_names,
)

log = logging.getLogger(__name__)


class _Fit(NamedTuple):
    """How well a folder fits, the more important first."""

    is_around: bool
    """Whether the checkpoint is a file in the folder."""
    variant: int
    words: int
    """The number of words that the names have in common."""


def choose_folder(
    name: str, checkpoint: Checkpoint, folders: Sequence[Path], variable: str
) -> Path:
    """The one of these folders, at least one, that fits the names of a checkpoint best; the first
    one if they do not tell.

    Logs which one it is; `name` is the checkpoint's in the log, and `variable` names the setting
    with the folders.
    """
    fits = [_fit(checkpoint, folder) for folder in folders]
    best = max(fits)
    chosen, *others = (folder for folder, fit in zip(folders, fits, strict=True) if fit == best)
    if others:
        log.warning(
            "The folders %s in %s fit the checkpoint %s equally; the first one, %s, is its "
            "configuration. To choose another one, name it before the others.",
            *(" and ".join(map(str, [chosen, *others])), variable, name, chosen),
        )
    elif best.variant == 0 and _is_wrong(checkpoint, chosen):
        log.warning(
            "The configuration of the checkpoint %s is %s, though by their names one of them is "
            "distilled in another way than the other. Name the folder of the same model in %s.",
            *(name, chosen, variable),
        )
    else:
        log.info("The configuration of the checkpoint %s is %s", name, chosen)
    return chosen


def _is_wrong(checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether the folder of another variant gives wrong settings. A distilled UNet has the
    configuration of the model before it was distilled."""
    return checkpoint.kind in TRANSFORMERS or variant_in_folder(checkpoint, folder) != PLAIN


def variant_of_checkpoint(checkpoint: Checkpoint) -> str | None:
    """The variant of a checkpoint by its names."""
    return variant_of_names(checkpoint.kind, [checkpoint.path.stem, *checkpoint.labels])


def variant_in_folder(checkpoint: Checkpoint, folder: Path) -> str | None:
    """The variant of the model in a folder that fits a checkpoint."""
    index, scheduler = (_read(folder / file) for file in (INDEX, "scheduler/scheduler_config.json"))
    return variant_of_folder(checkpoint.kind, folder, index, scheduler)


def _fit(checkpoint: Checkpoint, folder: Path) -> _Fit:
    variants = (variant_of_checkpoint(checkpoint), variant_in_folder(checkpoint, folder))
    names = names_of_folder(folder, _read(folder / INDEX))
    common = _words(names) & _words([checkpoint.path.stem, *checkpoint.labels])
    return _Fit(
        folder.resolve() in (checkpoint.path.parent.resolve() / checkpoint.path.name).parents,
        _alike(*variants),
        len(common),
    )


def _words(names: Iterable[str]) -> set[str]:
    return {word for name in names for word in own_words(name)}


def _alike(first: str | None, second: str | None) -> int:
    """3 for equal variants, 2 for two ways to distill, 1 if one is unknown, 0 for others."""
    if first is None or second is None:
        return 1
    if first == second:
        return 3
    return 0 if PLAIN in (first, second) else 2


def _read(path: Path) -> Mapping[str, Any]:
    """A JSON object; empty if it is damaged, which is an error when it is loaded."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
