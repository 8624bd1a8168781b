"""Prepare a request: check its recipes and init image, and compute its initial states."""

import logging
from collections.abc import Sequence
from typing import Final

import torch
from PIL import Image

from engine.contract import Paint, Recipe, card_for, sha256
from engine.contract.images.refusals import InvalidImage
from engine.core.failures import InitImageFlagged
from engine.core.request import ImageInput, Request
from engine.errors import InvalidJob
from engine.imaging.init_image import decode_source
from engine.models.base import DiffusionModel
from engine.pipeline.denoise import DenoisingState, InitImage
from engine.safety import flagged, log_fields
from engine.samplers import schedule_for

INIT_IMAGE_FLAGGED: Final = "The sketch was withheld by the safety check."
log = logging.getLogger(__name__)


def check_job(job: Paint, models: Sequence[DiffusionModel]) -> None:
    """Raise InvalidJob if these models cannot paint this job."""
    for recipe in job.recipes:
        model = model_for(recipe, models)
        _check_recipe(recipe, model, job.source)
        schedule_for(recipe, model.scheduler_config)


def model_for(recipe: Recipe, models: Sequence[DiffusionModel]) -> DiffusionModel:
    """The loaded model of the recipe's name and revision. Raises InvalidJob if there is none."""
    cards = [model.card for model in models]
    try:
        return models[cards.index(card_for(recipe, cards))]
    except ValueError as error:
        raise InvalidJob(str(error)) from error


@torch.inference_mode()
def prepare(request: Request) -> None:
    """Set the request's `states`, one per image, in the largest row class that fits in memory and
    is not above the recipe's.

    Raises InitImageFlagged if the safety check flags the init image, InvalidJob if its file is not
    a valid image.
    """
    init_images = dict.fromkeys(init_image for _, init_image in request.inputs)
    # After a restart for lack of memory, the images are already decoded and checked.
    new = [init_image for init_image in init_images if init_image.image is None]
    if request.job.source is not None and new:
        image = _decode(request.job.source)
        _check_safety(image, request.job, new)
        for init_image in new:
            init_image.image = image
    request.inputs = [
        ImageInput(_largest_fitting_batch(recipe, init_image.model), init_image)
        for recipe, init_image in request.inputs
    ]
    request.states = [DenoisingState(recipe, init_image) for recipe, init_image in request.inputs]


def _check_recipe(recipe: Recipe, model: DiffusionModel, source: bytes | None) -> None:
    card = model.card
    if recipe.adapters:
        raise InvalidJob("This engine does not support adapters; the recipe must have none.")
    try:
        card.check_area(recipe.width, recipe.height)
        card.check_sampler(recipe)
        card.check_steps(recipe)
    except ValueError as error:
        raise InvalidJob(str(error)) from error
    if recipe.source is not None and (source is None or sha256(source) != recipe.source):
        raise InvalidJob("The sketch is missing, or its sha256 is not the one in the recipe.")


def _decode(source: bytes) -> Image.Image:
    try:
        return decode_source(source)
    except InvalidImage as error:
        raise InvalidJob(str(error)) from error


def _check_safety(image: Image.Image, job: Paint, init_images: Sequence[InitImage]) -> None:
    """Raise InitImageFlagged if a checker of one of the job's models flags the image."""
    verdicts = [
        verdict for init_image in init_images for verdict in init_image.model.check_safety(image)
    ]
    job_fields = {"job": job.job, "attempt": job.attempt}
    log.info("sketch checked", extra=job_fields | log_fields(verdicts))
    if flagged(verdicts):
        raise InitImageFlagged(INIT_IMAGE_FLAGGED)


def _largest_fitting_batch(recipe: Recipe, model: DiffusionModel) -> Recipe:
    """The recipe with the largest row class that fits in memory, up to its own."""
    while not model.fits_in_memory(recipe.width, recipe.height, recipe.row_class):
        smaller = model.card.with_smaller_row_class(recipe)
        if smaller is None:
            break  # try it anyway: the estimate may be too high
        recipe = smaller
    return recipe
