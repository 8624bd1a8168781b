"""Prepare a request: check its recipes and init image, and compute its initial states."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch
from PIL import Image

from engine.contract import (
    Detail,
    Paint,
    Recipe,
    Upscale,
    Work,
    card_for,
    input_images,
    sha256,
)
from engine.contract.images.nouns import as_subject
from engine.contract.images.refusals import InvalidImage
from engine.contract.input_names import input_name
from engine.core.failures import InitImageFlagged
from engine.core.job_files import NO_FILES
from engine.core.request import ImageInput, Request, WaitingImage
from engine.errors import InvalidJob
from engine.imaging.init_image import decode_source
from engine.imaging.video import MISSING_PACKAGE, can_encode
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState
from engine.pipeline.sources import InputImages
from engine.pipeline.tiles import Canvas
from engine.pipeline.timeline import timeline_for
from engine.safety import flagged, log_fields

INIT_IMAGE_FLAGGED: Final = "{} was withheld by the safety check."
"""About the `input_name` of an image, as a subject."""
log = logging.getLogger(__name__)


def check_job(
    job: Paint, models: Sequence[DiffusionModel], files: Mapping[str, bytes] = NO_FILES
) -> None:
    """Raise InvalidJob if these models cannot paint this job with these input images."""
    for digest in job.inputs:
        _check_input(digest, files)
    _check_capture(job)
    for work in job.recipes:
        if isinstance(work, Upscale):
            continue
        recipe = work.tile_recipe() if isinstance(work, Detail) else work
        model = model_for(recipe, models)
        _check_recipe(recipe, model)
        if not set(input_images(work)) <= set(job.inputs):
            raise InvalidJob("An input image is missing, or its sha256 is not that in the recipe.")
        timeline_for(recipe, model.scheduler_config)


def _check_capture(job: Paint) -> None:
    capture = job.capture
    if capture.film and not can_encode():
        raise InvalidJob(MISSING_PACKAGE)
    is_captured = capture.film or capture.strip > 0
    if is_captured and not all(isinstance(work, Recipe) for work in job.recipes):
        raise InvalidJob("An enlargement has no steps that a film or a strip could show.")


def image_inputs(works: Sequence[Work], models: Sequence[DiffusionModel]) -> list[ImageInput]:
    """The images of these recipes, and the tiles of the Details among them."""
    inputs: list[ImageInput] = []
    by_digests: dict[tuple[DiffusionModel, tuple[str, ...]], InputImages] = {}
    for index, work in enumerate(works):
        if isinstance(work, Detail):
            canvas = Canvas(work, model_for(work.recipe, models))
            tile = work.tile_recipe()
            inputs += [ImageInput(index, tile, tile_input) for tile_input in canvas.inputs]
        elif isinstance(work, Recipe):
            key = model_for(work, models), work.images
            images = by_digests.setdefault(key, InputImages(*key))
            inputs.append(ImageInput(index, work, images))
    return inputs


def model_for(recipe: Recipe, models: Sequence[DiffusionModel]) -> DiffusionModel:
    """The loaded model of the recipe's name and revision. Raises InvalidJob if there is none."""
    cards = [model.card for model in models]
    try:
        return models[cards.index(card_for(recipe, cards))]
    except ValueError as error:
        raise InvalidJob(str(error)) from error


@torch.inference_mode()
def prepare(
    request: Request,
    models: Collection[DiffusionModel],
    make_room: Callable[[DiffusionModel], bool] = lambda _: False,
) -> None:
    """Compute the initial states of the request's `inputs` of these models, in the largest row
    class that fits in memory and is not above the recipe's. These images are then `waiting`.

    `make_room` frees memory for a model, and returns whether it could.

    Raises InitImageFlagged if the safety check flags an init image, InvalidJob if its file is not
    a valid image.
    """
    chosen = [image for image in request.inputs if image.inputs.model in models]
    others = [image for image in request.inputs if image.inputs.model not in models]
    _load_input_images(request, chosen)
    fitting: dict[tuple[Recipe, DiffusionModel], Recipe] = {}  # one for all tiles of a Detail
    for image in chosen:
        key = image.recipe, image.inputs.model
        if key not in fitting:
            fitting[key] = _largest_fitting_batch(*key, make_room)
    chosen = [replace(image, recipe=fitting[image.recipe, image.inputs.model]) for image in chosen]
    request.inputs = [*chosen, *others]  # with the row classes that fit, if the rest fails
    states = [DenoisingState(image.recipe, image.inputs) for image in chosen]
    request.waiting.extend(
        WaitingImage(image.index, state) for image, state in zip(chosen, states, strict=True)
    )
    request.inputs = others


def _load_input_images(request: Request, images: Sequence[ImageInput]) -> None:
    """Decode each input image once, and let each of its models check it; what is a mask and nothing
    else is not checked."""
    by_digest: dict[str, list[InputImages]] = {}
    pictures: set[str] = set()
    names: dict[str, str] = {}
    for image in images:
        names |= {digest: input_name(image.recipe, digest) for digest in image.recipe.images}
        pictures |= _pictures(image.recipe)
    for inputs in dict.fromkeys(image.inputs for image in images):
        # After a restart for lack of memory, the images are already decoded and checked.
        if not inputs.is_complete:
            for digest in set(inputs.digests) - inputs.images.keys():
                by_digest.setdefault(digest, []).append(inputs)
    for digest, users in by_digest.items():
        decoded = _decode(request.files[digest])
        if digest in pictures:
            _check_safety(decoded, names[digest], request.job, users)
        for inputs in users:
            inputs.images[digest] = decoded


def _pictures(recipe: Recipe) -> set[str]:
    """The digests of its input images that are no masks."""
    references = (reference.image for reference in recipe.references)
    controls = (control.image for control in recipe.controls)
    return {*recipe.source.images[:1], *references, *controls}


def _check_input(digest: str, files: Mapping[str, bytes]) -> None:
    if digest not in files:
        raise InvalidJob(f"The input image {digest[:12]} was not sent to the engine.")
    if sha256(files[digest]) != digest:
        raise InvalidJob(f"The input image {digest[:12]} has another sha256 than its name says.")


def _check_recipe(recipe: Recipe, model: DiffusionModel) -> None:
    try:
        model.card.check_recipe(recipe)
    except ValueError as error:
        raise InvalidJob(str(error)) from error


def _decode(data: bytes) -> Image.Image:
    try:
        return decode_source(data)
    except InvalidImage as error:
        raise InvalidJob(str(error)) from error


def _check_safety(image: Image.Image, name: str, job: Paint, users: Sequence[InputImages]) -> None:
    """Raise InitImageFlagged if a checker of one of the job's models flags the image."""
    models = dict.fromkeys(inputs.model for inputs in users)
    verdicts = [verdict for model in models for verdict in model.check_safety(image)]
    job_fields = {"job": job.job, "attempt": job.attempt}
    log.info("sketch checked", extra=job_fields | log_fields(verdicts))
    if flagged(verdicts):
        raise InitImageFlagged(INIT_IMAGE_FLAGGED.format(as_subject(name)))


def _largest_fitting_batch(
    recipe: Recipe, model: DiffusionModel, make_room: Callable[[DiffusionModel], bool]
) -> Recipe:
    """The recipe with the largest row class that fits in memory, up to its own.

    Other models make room first, because a smaller row class has other bits.
    """
    text_chunks = model.text_chunks(recipe)
    while not model.fits_in_memory(*recipe.size, recipe.row_class, text_chunks):
        if make_room(model):
            continue
        smaller = model.card.with_smaller_row_class(recipe)
        if smaller is None:
            break  # try it anyway: the estimate may be too high
        recipe = smaller
    return recipe
