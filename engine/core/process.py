"""Functions that several commands use: load the models, silence libraries, end the process.

Torch and diffusers are imported inside the functions, so that invalid options are rejected without
waiting for the imports.
"""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from engine.errors import MissingDependency, UsageError

if TYPE_CHECKING:
    from engine.device import Device
    from engine.models.base import DiffusionModel

CUDA_MODEL: Final = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""The default model on a GPU."""
_WORKER_THREADS: Final = (
    "engine-core",
    "executor",
    "postprocessor",
    "decoder",
    "enlarger",
    "text-writer",
)
"""Name prefixes of the threads that may be in a forward pass, a decoder, an upscaler or a model of
texts."""
_JOIN_SECONDS: Final = 0.2
"""How long to wait for each of these threads to end."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def load_warm_models(
    names: str | None, more: Sequence[str] = (), *, checkers: str | None
) -> "list[DiffusionModel]":
    """The models that `load` returns, after a warm-up: previewers and batches are prepared.

    Raises EngineError.
    """

    def load_and_warm_up() -> "list[DiffusionModel]":
        models = load(names, checkers, more)
        from engine.core.warmup import warmup

        warmup(models)
        return models

    return require_packages(load_and_warm_up)


def load(
    names: str | None, checkers: str | None = None, more: Sequence[str] = ()
) -> "list[DiffusionModel]":
    """Load the models of a comma-separated list, and those in `more` that it lacks, with safety
    checkers; the first is the default.

    Without a list, it is IMAGINE_MODEL, else the device's default model. The default checkers are
    IMAGINE_CHECKERS, else each model's own checker. Raises EngineError.
    """
    chosen = configured_models(names)
    device = select_quiet_device()
    from engine import safety
    from engine.models import registry

    chosen = chosen or default_models(device)
    checker_names = safety.parse_checkers(
        checkers or os.environ.get("IMAGINE_CHECKERS") or safety.BUILTIN
    )
    return registry.load_all(list(dict.fromkeys([*chosen, *more])), device, checker_names)


def configured_models(names: str | None) -> tuple[str, ...] | None:
    """The names in a comma-separated list, else in IMAGINE_MODEL; None without either.

    Raises UsageError.
    """
    chosen = names or os.environ.get("IMAGINE_MODEL")
    return None if chosen is None else parse_models(chosen)


def default_models(device: "Device | None") -> tuple[str, ...]:
    """The models of a device if none are configured; None stands for a CPU.

    The second one of a CPU paints with guidance, and pictures that were made with it before; the
    third one edits pictures.
    """
    from engine.weights.model_folder import EDIT_STARTER, FEW_STEP_STARTER, STARTER

    is_gpu = device is not None and device.torch_device.type == "cuda"
    return (CUDA_MODEL,) if is_gpu else (FEW_STEP_STARTER, STARTER, EDIT_STARTER)


def parse_models(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list. Raises UsageError if there are none, or one twice."""
    names = tuple(name for part in text.split(",") if (name := part.strip()))
    if not names:
        raise UsageError(
            "IMAGINE_MODEL names no model: give `starter`, folders, checkpoints or hub ids, with "
            "commas between them."
        )
    by_path: dict[str, str] = {}
    for name in names:
        other = by_path.setdefault(_real_path(name), name)
        if names.count(name) > 1:
            raise UsageError(f"The model {name} is named twice; name each model once.")
        if other != name:
            raise UsageError(f"{other} and {name} are the same model; name each model once.")
    return names


def _real_path(name: str) -> str:
    """The path of a folder or a file; any other name as it is."""
    try:
        return str(Path(name).expanduser().resolve(strict=True))
    except (OSError, RuntimeError, ValueError):  # it does not exist, or can be no path
        return name


def select_quiet_device() -> "Device":
    """Select the device, silence libraries and make idle OpenMP threads sleep."""
    # Torch reads this when it is imported. Spinning threads would occupy the cores that the bot and
    # other programs need, and would make painting many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from engine.device import select_device

    quiet_libraries()
    return select_device()


def require_packages(load: Callable[[], T]) -> T:
    """The result of `load`. Raises MissingDependency if a package is not installed."""
    try:
        return load()
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The engine needs the package {error.name}: install it with "
            "`pip install imagine-bot[engine]`."
        ) from error


def quiet_libraries() -> None:
    """Disable messages and progress bars of diffusers, transformers, torch and Pillow.

    This is done once for the process: `warnings.catch_warnings` is not thread-safe.
    """
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    warnings.filterwarnings("ignore", "Converting a tensor to a Python")  # torch, when tracing
    warnings.filterwarnings("ignore", module="PIL")  # damaged EXIF; sizes that are rejected anyway
    for library in (diffusers_logging, transformers_logging):
        library.set_verbosity(logging.CRITICAL)
        library.disable_progress_bar()


def exit_process(code: int) -> NoReturn:
    """End the process with this exit code; skip the cleanup if a forward pass is still running.

    A forward pass cannot be interrupted, and finalising Python while it runs could crash.
    """
    threads = [
        thread for thread in threading.enumerate() if thread.name.startswith(_WORKER_THREADS)
    ]
    for thread in threads:
        thread.join(_JOIN_SECONDS)
    busy = [thread.name for thread in threads if thread.is_alive()]
    if not busy:
        sys.exit(code)
    log.warning("exiting while these threads are busy: %s", ", ".join(busy))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
