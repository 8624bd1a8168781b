"""Offer the LoRAs that are added to the folders of IMAGINE_LORAS while the engine runs."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

from engine.errors import EngineError
from engine.models.base import DiffusionModel
from engine.weights.loras import Versions, find_loras, lora_folders, lora_versions

POLL_SECONDS: Final = 0.25
"""Between two looks at the folders. A change is offered after two looks with the same files, so
that a file that is being copied is not read."""
log = logging.getLogger(__name__)


class LoraWatcher:
    """Looks at the folders in a thread of its own, in which files are read too, so that nothing
    else waits. `on_change` is called there after the cards of models have changed."""

    def __init__(self, models: Sequence[DiffusionModel], on_change: Callable[[], None]) -> None:
        """Raises UsageError if a folder does not exist."""
        self._models = models
        self._on_change = on_change
        self._folders = [lora_folders(model.card.name) for model in models]
        self._last: Versions | None = None
        self._offered: Versions | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lora-watcher", daemon=True)

    def start(self) -> None:
        """Look for changes, if there are folders, until `close`."""
        if any(self._folders):
            self._thread.start()

    def close(self) -> None:
        """End at once; a file that is being read is not waited for."""
        self._closing.set()

    def poll(self) -> None:
        """One look at the folders."""
        versions = {
            path: version
            for folders in set(self._folders)
            for path, version in lora_versions(folders).items()
        }
        if versions == self._last and versions != self._offered:
            self._offer()
            self._offered = versions
        self._last = versions

    def _offer(self) -> None:
        before = [model.card for model in self._models]
        for model, folders in zip(self._models, self._folders, strict=True):
            model.offer_adapters(find_loras(folders))
        if [model.card for model in self._models] != before:
            names = {adapter.name for model in self._models for adapter in model.card.adapters}
            log.info("LoRAs: %s", ", ".join(sorted(names)) or "none")
            self._on_change()

    def _run(self) -> None:
        while not self._closing.wait(POLL_SECONDS):
            try:
                self.poll()
            except EngineError as error:
                log.warning("%s", error)
            except Exception:  # top level of the thread: later changes must be seen
                log.exception("the LoRAs could not be listed")
