"""What the commands share: the model and its painter, and the end of the process.

Torch and diffusers are imported when they are needed, so that an option can be refused before.
"""

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from engine.errors import MissingDependency

if TYPE_CHECKING:
    from engine.core.engine_core import Painter
    from engine.device import Device
    from engine.models.base import PaintModel

CUDA_MODEL: Final = "stable-diffusion-v1-5/stable-diffusion-v1-5"
"""What is painted with when nobody chose a model and there is a GPU."""
_AT_WORK: Final = ("painter", "painting", "finisher")
"""Threads that may be in the middle of something long."""
_LAST_SECONDS: Final = 0.2
"""For each of them to end, if it only has to be told so."""
T = TypeVar("T")
log = logging.getLogger(__name__)


def painter(name: str | None, checkers: str | None) -> "Painter":
    """The painter of this model, warmed up. Everything heavy happens here: torch, diffusers, the
    weights. Raises EngineError."""

    def ready() -> "Painter":
        model = load(name, checkers)
        from engine.core.engine_core import Painter
        from engine.core.postprocess import Finisher
        from engine.pipeline import preview

        preview.fitted(model)  # now, not when the first job waits for it
        engine_core = Painter([model], Finisher())
        engine_core.warm()
        return engine_core

    return with_parts(ready)


def load(name: str | None, checkers: str | None = None) -> "PaintModel":
    """The model of this name, or of IMAGINE_MODEL, or the default. Raises EngineError."""
    device = machine()
    from engine import safety, weights
    from engine.models import registry

    default = CUDA_MODEL if device.torch_device.type == "cuda" else weights.STARTER
    chosen = safety.names(checkers or os.environ.get("IMAGINE_CHECKERS") or safety.OWN)
    return registry.load(name or os.environ.get("IMAGINE_MODEL") or default, device, chosen)


def machine() -> "Device":
    """The device, with the libraries quiet."""
    # Read when torch is loaded: a thread that waits for the others must not spin, or whatever
    # else wants the cores (the bot, a game) makes painting many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from engine.device import select_device

    quiet()
    return select_device()


def with_parts(load: Callable[[], T]) -> T:
    """What this returns. Raises MissingDependency if a package is not installed."""
    try:
        return load()
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"The engine needs the package {error.name}: install it with "
            "`pip install imagine-bot[engine]`."
        ) from error


def quiet() -> None:
    """Keep the libraries' chatter and progress bars out of the log."""
    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    # For good: what `warnings.catch_warnings` does in one thread, it does to all of them.
    warnings.filterwarnings("ignore", "Converting a tensor to a Python")  # torch, of recordings
    warnings.filterwarnings("ignore", module="PIL")  # damaged EXIF; sizes that we refuse
    for library in (of_diffusers, of_transformers):
        library.set_verbosity(logging.CRITICAL)
        library.disable_progress_bar()


def leave(code: int) -> NoReturn:
    """End the process, at once if a forward pass is still under way: nothing else could end it, and
    Python must not be taken away below it."""
    threads = [each for each in threading.enumerate() if each.name.startswith(_AT_WORK)]
    for thread in threads:
        thread.join(_LAST_SECONDS)
    busy = [thread.name for thread in threads if thread.is_alive()]
    if not busy:
        sys.exit(code)
    log.warning("left in the middle of work: %s", ", ".join(busy))
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
