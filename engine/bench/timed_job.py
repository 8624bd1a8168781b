"""A job whose steps are timed."""

import queue
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec

from engine.contract import (
    MAX_STEPS,
    Cancelled,
    Capture,
    Completed,
    Ending,
    Event,
    ImageDone,
    ModelCard,
    Paint,
    Recipe,
    Stepped,
)
from engine.core.job_files import NO_FILES
from engine.core.worker import Worker
from engine.errors import EngineError


class TimedJob:
    """A job in the queue of a worker, from its construction on."""

    def __init__(
        self,
        worker: Worker,
        recipes: Sequence[Recipe],
        files: Mapping[str, bytes] = NO_FILES,
        owner: str = "",
    ) -> None:
        """`files` has all input images of the recipes by their digests, and may have others."""
        self.digests = [""] * len(recipes)
        """Of the pictures that are painted."""
        self.steps: list[float] = []
        """When each step ended, in seconds of time.monotonic, as `submitted_at`."""
        self._worker = worker
        self._has_stepped = threading.Event()
        self._endings: queue.Queue[Ending] = queue.Queue()
        used = {digest: files[digest] for recipe in recipes for digest in recipe.images}
        job = Paint(
            job="bench",
            attempt=1,
            recipes=tuple(recipes),
            inputs=tuple(used),
            capture=Capture(previews=False),
            owner=owner,
        )
        self.submitted_at = time.monotonic()
        self._request = worker.submit(job, self._on_event, used)

    def wait_for_step(self) -> None:
        """Wait for the end of the first step. Raises EngineError if the job ended before."""
        self._has_stepped.wait()
        if not self.steps:
            raise EngineError(f"The pictures were not painted: {self._endings.get()}.")

    def wait(self) -> float:
        """The seconds from the submission to the end. Raises EngineError if a picture is not
        painted."""
        ending = self._endings.get()
        seconds = time.monotonic() - self.submitted_at
        if not isinstance(ending, Completed | Cancelled):
            raise EngineError(f"The pictures were not painted: {ending}.")
        return seconds

    def cancel(self) -> None:
        """End the job, which may have ended before; `wait` returns then."""
        self._worker.cancel(self._request)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, ImageDone):
            self.digests[event.index] = event.image.sha256
        elif isinstance(event, Stepped):
            self.steps.append(time.monotonic())
            self._has_stepped.set()
        elif isinstance(event, Ending):
            self._endings.put(event)
            self._has_stepped.set()


def with_most_steps(recipe: Recipe, card: ModelCard) -> Recipe:
    """The recipe with as many steps as its sampler allows."""
    steps = card.max_steps.get(recipe.sampler, MAX_STEPS)
    return msgspec.structs.replace(recipe, steps=steps)
