"""Capture the steps of an image while it is painted, as a film or as a strip of frames."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Protocol

import torch
from PIL import Image

from engine.contract import ArtifactRole, Capture, Recipe, strip_steps
from engine.contract.images import matrix
from engine.contract.images.encode import encode_picture
from engine.contract.images.grid import blank_cell
from engine.contract.wire import MAX_FRAME_BYTES
from engine.errors import InvalidJob
from engine.imaging.video import FilmTooLarge, FilmWriter, film_size
from engine.pipeline.denoise import DenoisingState
from engine.safety import flagged

FILM_TOO_LARGE: Final = "The film does not fit into the upload limit, even at its lowest quality."
MAX_FILM_BYTES: Final = MAX_FRAME_BYTES // 2
"""Largest film, whatever its job allows, so that it fits into one message to the bot."""
MAX_STRIP_SIDE: Final = 2048
"""Longest side of a strip in pixels, so that its PNG stays below usual upload limits."""
MAX_GROUP_PIXELS: Final = 256 * 256
"""Frames that are decoded at once have up to this number of pixels, unless it is one frame: few
enough that other work need not wait long, enough that small frames are not slow."""
DecodeFrames = Callable[[DenoisingState, torch.Tensor], Sequence[Image.Image | None]]
"""Decodes latents with a state's model; None for those that give no image."""


class Frame(NamedTuple):
    """A decoded frame that may be shown."""

    image: Image.Image
    flagged: bool
    """Whether a safety checker flagged it; it is then shown because the job includes such."""


class Artifact(NamedTuple):
    """A file made of frames."""

    role: ArtifactRole
    media_type: str
    data: bytes
    flagged: bool
    """Whether it shows a flagged frame."""


class Recorder(Protocol):
    """Makes an artifact of some frames of an image."""

    role: ArtifactRole

    def wants(self, step: int) -> bool:
        """Whether it needs the frame after this number of completed steps; 0 is the noise."""

    def add(self, step: int, frame: Frame) -> None:
        """Add a frame that it wants; their steps ascend."""

    def finish(self, picture: Frame) -> Artifact:
        """The artifact; `picture` is the result of the last step. Raises InvalidJob."""


class FilmRecorder:
    """Makes a film: the noise, each step, and at last the picture itself."""

    role = ArtifactRole.FILM

    def __init__(self, recipe: Recipe, max_bytes: int) -> None:
        frames = 1 + recipe.executed_steps
        self._writer = FilmWriter(film_size(*recipe.size), frames, max_bytes)
        self._flagged = False

    def wants(self, step: int) -> bool:
        """All of them."""
        return True

    def add(self, step: int, frame: Frame) -> None:
        """Encode the frame."""
        self._writer.add(frame.image)
        self._flagged |= frame.flagged

    def finish(self, picture: Frame) -> Artifact:
        """The film. Raises InvalidJob if it does not fit into its limit."""
        self.add(0, picture)
        try:
            data = self._writer.finish()
        except FilmTooLarge as error:
            raise InvalidJob(FILM_TOO_LARGE) from error
        return Artifact(self.role, "video/mp4", data, self._flagged)


class StripRecorder:
    """Makes an image of some frames side by side, each below the number of its step."""

    role = ArtifactRole.STRIP

    def __init__(self, recipe: Recipe, count: int) -> None:
        self._steps = strip_steps(recipe, count)
        self._frames: dict[int, Frame] = {}

    def wants(self, step: int) -> bool:
        """Those of `strip_steps`."""
        return step in self._steps

    def add(self, step: int, frame: Frame) -> None:
        """Keep the frame."""
        self._frames[step] = frame

    def finish(self, picture: Frame) -> Artifact:
        """The strip, as a PNG; of a picture of one step it shows the picture."""
        frames = [self._frames.get(step, picture) for step in self._steps]
        labels = [f"step {step}" for step in self._steps]
        image = matrix.compose(
            [frame.image for frame in frames],
            matrix.NO_AXIS,
            matrix.Axis("", labels),
            max_side=MAX_STRIP_SIDE,
        )
        is_flagged = any(frame.flagged for frame in frames)
        return Artifact(self.role, "image/png", encode_picture(image), is_flagged)


class ImageCapture:
    """The frames of one image.

    `remember` is called in the engine core's thread, the other methods in the postprocessor's.
    Frames are decoded in small groups, so that few of them are in memory.
    """

    def __init__(
        self,
        state: DenoisingState,
        capture: Capture,
        decode: DecodeFrames,
        *,
        include_flagged: bool,
    ) -> None:
        self._state = state
        self._decode = decode
        self._include_flagged = include_flagged
        self.recorders = recorders(state.recipe, capture)
        """They finish once all groups are decoded, unless that failed."""
        self.failure: str | None = None
        """Why its frames cannot be decoded, as a sentence for the user."""
        steps = [step for step in range(state.recipe.executed_steps) if self._is_wanted(step)]
        self._last_wanted = max(steps, default=0)
        self._group_size = max(1, MAX_GROUP_PIXELS // math.prod(state.recipe.size))
        self._group: list[tuple[int, torch.Tensor]] = []
        """The latest frames, which are not enough for a group yet."""
        self._groups: deque[list[tuple[int, torch.Tensor]]] = deque()
        self._last_step = -1

    def remember(self) -> bool:
        """Remember the prediction of the step that was just completed, and at first the noise.

        Returns whether there is a new group of frames to decode. The last step has no frame: its
        result is the picture. The frames of a group do not depend on time, because the bits of a
        frame depend on its group.
        """
        state, step = self._state, self._state.completed_steps
        is_new, self._last_step = step > self._last_step, step
        if not is_new or step > self._last_wanted or not self._is_wanted(step):
            return False
        latents = (
            state.latents * state.step.input_scale if step == 0 else state.pred_original_sample
        )
        self._group.append((step, latents))
        if len(self._group) < self._group_size and step < self._last_wanted:
            return False
        self._groups.append(self._group)
        self._group = []
        return True

    def decode_next(self) -> None:
        """Decode and check the frames of the earliest group."""
        group = self._groups.popleft()
        if self.failure is not None:
            return
        images = self._decode(self._state, torch.cat([latents for _, latents in group]))
        for (step, _), image in zip(group, images, strict=True):
            frame = self._frame(image)
            for recorder in self.recorders:
                if recorder.wants(step):
                    recorder.add(step, frame)

    def fail(self, reason: str) -> None:
        """Make no artifacts, and decode no more frames; `reason` is a sentence for the user."""
        self.failure = self.failure or reason

    def finish(self, recorder: Recorder, picture: Frame) -> Artifact:
        """The artifact of a recorder. Raises InvalidJob if it cannot be made."""
        if self.failure is not None:
            raise InvalidJob(self.failure)
        return recorder.finish(picture)

    def _is_wanted(self, step: int) -> bool:
        return any(recorder.wants(step) for recorder in self.recorders)

    def _frame(self, image: Image.Image | None) -> Frame:
        """The frame, which is blank if it must not be shown or has no image."""
        blank = Frame(blank_cell(self._state.recipe.size), flagged=False)
        if image is None:
            return blank
        verdicts = self._state.model.check_safety(image)
        is_unchecked = not verdicts or any(verdict.score is None for verdict in verdicts)
        is_flagged = flagged(verdicts)
        if is_unchecked or (is_flagged and not self._include_flagged):
            return blank
        return Frame(image, is_flagged)


def recorders(recipe: Recipe, capture: Capture) -> tuple[Recorder, ...]:
    """Those that make the artifacts that a job requests."""
    film = (FilmRecorder(recipe, min(capture.film_bytes, MAX_FILM_BYTES)),) if capture.film else ()
    strip = (StripRecorder(recipe, capture.strip),) if capture.strip else ()
    return (*film, *strip)
