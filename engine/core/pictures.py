"""Check and encode pictures: the images of denoised latents, of tiles, and of the upscaler."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, NamedTuple, TypeVar

import torch
from PIL import Image

from engine.contract import (
    Backend,
    Detail,
    Omission,
    Paint,
    PaintedImage,
    Work,
    pixels_sha256,
    with_row_class,
)
from engine.contract.images.encode import encode_picture
from engine.contract.metadata import with_metadata
from engine.core.capture import Frame
from engine.device.errors import is_out_of_memory
from engine.errors import InvalidJob
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.tiles import InitTile
from engine.safety import flagged

_UNBATCHED: Final = ", alone in its batches"
_DECODING: Final = threading.Lock()
"""Held while latents are decoded on a device that has the memory for one picture at a time."""
T = TypeVar("T")


class Origin(NamedTuple):
    """What made a picture."""

    model: DiffusionModel
    """Its safety checkers check the picture."""
    work: Work
    """What the file says about itself."""
    row_class: int
    fingerprint: str
    omission: Omission | None = None
    """What the model does not read of its prompts."""

    @property
    def backend(self) -> Backend:
        """What ran the networks; for an Upscale, those of its recipe."""
        work = self.work
        return work.tile_recipe().backend if isinstance(work, Detail) else work.recipe.backend


class Result(NamedTuple):
    """The result of one recipe."""

    painted: PaintedImage
    picture: Frame | None
    """The picture, if it may be shown."""


def paint(state: DenoisingState, job: Paint, decoded: Callable[[], Image.Image]) -> Result | None:
    """The picture of denoised latents; of tiles after the last one, and None before that.

    `decoded` returns what `decode` does.
    """
    try:
        picture = decoded()
    except InvalidJob as error:  # of this image alone; the others may succeed
        return fail(state, str(error))
    tile = state.inputs
    if isinstance(tile, InitTile):
        whole = tile.canvas.add(tile.nth, picture)
        return None if whole is None else check(whole, origin_of(state), job)
    return check(picture, origin_of(state), job)


def fail(state: DenoisingState, reason: str) -> Result | None:
    """The failed picture; None if another tile of it has failed before."""
    tile = state.inputs
    if isinstance(tile, InitTile):
        if tile.canvas.is_failed:
            return None
        tile.canvas.is_failed = True
    return failed(origin_of(state), reason)


def check(picture: Image.Image, origin: Origin, job: Paint) -> Result:
    """The picture after its safety check."""
    verdicts = origin.model.check_safety(picture)
    is_unchecked = any(verdict.score is None for verdict in verdicts)
    is_withheld = flagged(verdicts) and (is_unchecked or not job.include_flagged)
    painted = PaintedImage(
        png=b"" if is_withheld else _file(picture, origin),
        sha256=pixels_sha256(picture),
        verdicts=verdicts,
        row_class=origin.row_class,
        backend=origin.backend,
        fingerprint=origin.fingerprint,
        omission=origin.omission,
    )
    return Result(painted, None if is_withheld else Frame(picture, painted.flagged))


def _file(picture: Image.Image, origin: Origin) -> bytes:
    """A PNG with its recipe."""
    png = encode_picture(picture)
    return with_metadata(png, [origin.work], is_flow=origin.model.card.is_flow)


def failed(origin: Origin, reason: str) -> Result:
    """No picture, with a sentence for the user."""
    painted = PaintedImage(
        png=b"",
        sha256="",
        failed=reason,
        row_class=origin.row_class,
        backend=origin.backend,
        fingerprint=origin.fingerprint,
    )
    return Result(painted, None)


def origin_of(state: DenoisingState) -> Origin:
    """What makes the picture of this state."""
    model, unbatched = state.model, _UNBATCHED if state.is_unbatchable else ""
    fingerprint = model.card.fingerprint + model.backend_fingerprint(state.recipe.backend)
    fingerprint += unbatched
    work: Work = state.recipe
    if isinstance(state.inputs, InitTile):
        canvas = state.inputs.canvas
        fingerprint = f"{fingerprint}, {canvas.upscaler_fingerprint}"
        work = with_row_class(canvas.detail, state.recipe.row_class, state.recipe.backend)
    omission = state.model.omission(state.recipe)
    return Origin(state.model, work, state.recipe.row_class, fingerprint, omission)


def decode(state: DenoisingState) -> Image.Image:
    """The image of the latents. Raises InvalidJob if they overflow or the image is black."""
    picture = _with_memory(
        state, lambda: state.model.decode_latents(state.latents, state.recipe.backend)
    )
    return state.finished(picture)


def decode_frames(state: DenoisingState, latents: torch.Tensor) -> list[Image.Image | None]:
    """The images of several latents; None for those that give no image."""
    frames = _with_memory(state, lambda: state.model.decode_frames(latents, state.recipe.backend))
    return [None if frame is None else state.finished(frame) for frame in frames]


def _with_memory(state: DenoisingState, decode: Callable[[], T]) -> T:
    """The result of `decode`. If memory is too low, the cache is emptied and it is called again."""
    device = state.model.device
    is_alone = device.decoder_threads == 1
    with _DECODING if is_alone else nullcontext():  # another thread decodes frames than pictures
        try:
            return decode()
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        device.empty_cache()  # outside the except block, whose traceback holds tensors
        return decode()
