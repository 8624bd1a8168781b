"""What an image starts from: noise, an init image, or an init image of which parts are kept."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from PIL import Image

from engine.contract import Edit, Inpaint, Outpaint, Recipe
from engine.contract.images.fit import resize_and_crop
from engine.errors import InvalidJob
from engine.imaging.masks import EMPTY_MASK, fit_mask, is_empty
from engine.imaging.outpainting import canvas, canvas_mask
from engine.models.base import IMAGE_CHANNELS, Conditioning, DiffusionModel
from engine.pipeline.latent_masks import latent_mask, mask_tensor
from engine.pipeline.noise import Noise
from engine.pipeline.timeline import Timeline
from engine.samplers import InitWeights

NOTHING_TO_PAINT: Final = (
    "The picture covers the whole canvas, so there is nothing to paint around it."
)
LatentDist = tuple[torch.Tensor, torch.Tensor | None]
"""Mean and standard deviation of latents, (1, channels, height / 8, width / 8) each."""
EDIT_ROWS: Final = 3
"""Rows of an edit with guidance: without prompt and image, with the image, with both."""


class InputImages:
    """The input images of a recipe for one model, by the digests of their files; the model encodes
    the init image once for each size and place."""

    def __init__(self, model: DiffusionModel, digests: Sequence[str] = ()) -> None:
        """`digests` are those of all images that the recipe names, the init image first."""
        self.model = model
        self.digests = tuple(digests)
        self.images: dict[str, Image.Image] = {}
        """Empty until they are decoded."""
        self._latent_dists: dict[object, LatentDist] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all of them are decoded."""
        return self.images.keys() >= set(self.digests)

    def noise(self, recipe: Recipe) -> Noise:
        """The random numbers of an image of this recipe."""
        return Noise(recipe)

    def image(self, digest: str) -> Image.Image:
        """The image of this digest. Raises ValueError if the job does not have it."""
        if digest not in self.images:
            raise ValueError(f"The recipe names the image {digest[:12]}, which the job lacks.")
        return self.images[digest]

    def init_image(self, recipe: Recipe) -> Image.Image:
        """The recipe's init image in the recipe's size: resized and cropped, or on its canvas.
        Raises ValueError without an image."""
        image = self.image(recipe.source.images[0])
        if isinstance(recipe.source, Outpaint):
            return canvas(image, recipe.source, recipe.size)
        return resize_and_crop(image, *recipe.size)

    def mask(self, recipe: Recipe) -> Image.Image | None:
        """What is painted of the init image (white) and what is kept (black), in the recipe's size;
        None if all of it is painted. Raises InvalidJob if nothing is."""
        source = recipe.source
        if isinstance(source, Outpaint):
            mask, refusal = canvas_mask(source, recipe.size), NOTHING_TO_PAINT
        elif isinstance(source, Inpaint):
            mask, refusal = fit_mask(self.image(source.mask), *recipe.size), EMPTY_MASK
        else:
            return None
        if is_empty(mask):
            raise InvalidJob(refusal)
        return mask

    def latent_dist(self, recipe: Recipe) -> LatentDist:
        """Mean and standard deviation of the latents of the recipe's init image. Raises ValueError
        without an image."""
        place = recipe.source if isinstance(recipe.source, Outpaint) else None
        return self._encoded((recipe.size, place), recipe, None)

    def masked_latent_dist(self, recipe: Recipe, mask: torch.Tensor | None) -> LatentDist:
        """The same without the parts of the init image below the mask, (1, 1, height, width); of a
        grey image without a mask."""
        if mask is None:
            return self._encoded(
                (recipe.size, "grey"), recipe, torch.ones(1, 1, *recipe.size[::-1])
            )
        place = recipe.source if isinstance(recipe.source, Outpaint) else None
        return self._encoded((recipe.size, place, "masked"), recipe, mask)

    def _encoded(self, key: object, recipe: Recipe, mask: torch.Tensor | None) -> LatentDist:
        if key not in self._latent_dists:
            is_grey = mask is not None and bool(mask.all())
            image = Image.new("RGB", recipe.size) if is_grey else self.init_image(recipe)
            self._latent_dists[key] = self.model.encode_image(image, mask)
        return self._latent_dists[key]


class KeptParts:
    """The parts of an init image that are kept, while the others are painted."""

    def __init__(self, image: Image.Image, mask: Image.Image) -> None:
        """`mask` is white where the image is painted."""
        self._image, self._mask = image, mask

    def composite(self, picture: Image.Image) -> Image.Image:
        """The picture with the kept parts, whose pixels are those of the init image. A picture of
        another size gets them in that size."""
        size = picture.size
        image, mask = self._image, self._mask
        if size != image.size:
            image, mask = image.resize(size), mask.resize(size)
        return Image.composite(picture, image, mask)


class KeptLatents(NamedTuple):
    """The latents of the kept parts, which replace those of the denoiser after each evaluation, as
    in diffusers' pipelines for inpainting."""

    mask: torch.Tensor
    """(1, 1, height / 8, width / 8): 1 where the image is painted."""
    image_latents: torch.Tensor
    noise: torch.Tensor
    """(1, channels, height / 8, width / 8), as `image_latents`."""

    def blend(self, latents: torch.Tensor, level: InitWeights) -> torch.Tensor:
        """The latents with the kept parts at this noise level."""
        original = self.image_latents * level.image_latents + self.noise * level.noise
        return (1 - self.mask) * original + self.mask * latents


class Start(NamedTuple):
    """The beginning of an image."""

    latents: torch.Tensor
    """(1, channels, height / 8, width / 8)."""
    image_latents: torch.Tensor | None = None
    """Those of the init image, as `latents`."""
    image_channels: torch.Tensor | None = None
    """(1, channels, height / 8, width / 8); None for a denoiser without such an input."""
    kept_parts: KeptParts | None = None
    kept_latents: KeptLatents | None = None
    """None for a denoiser that has the mask as an input."""

    def conditioning(self, model: DiffusionModel, conditioning: Conditioning) -> Conditioning:
        """The conditioning with the init image. The first of three rows is without it."""
        if self.image_latents is not None:
            conditioning = model.with_init_image(conditioning, self.image_latents)
        if self.image_channels is None:
            return conditioning
        like = conditioning[IMAGE_CHANNELS]
        channels = self.image_channels.to(like).repeat(len(like), 1, 1, 1)
        if len(like) == EDIT_ROWS:
            channels[0] = 0.0
        return {**conditioning, IMAGE_CHANNELS: channels}


def begin(recipe: Recipe, inputs: InputImages, noise: Noise, timeline: Timeline) -> Start:
    """The beginning of an image, as the `prepare_latents` of diffusers' pipelines. All noise before
    the first step is drawn in their order.

    Raises InvalidJob if the recipe's mask is empty.
    """
    model, init = inputs.model, timeline.init
    shape = model.latent_shape(*recipe.size)
    device = model.device.torch_device

    def sample(dist: LatentDist) -> torch.Tensor:
        mean, std = dist
        if std is not None:
            mean = mean + std * noise.mixed_noise(mean.shape, mean.dtype).to(device)
        return model.scale_latents(mean)

    if isinstance(recipe.source, Edit):
        image_channels = inputs.latent_dist(recipe)[0]
        initial = noise.mixed_noise(shape, model.noise_dtype).to(device) * init.noise
        return Start(initial, image_channels=image_channels)
    mask = inputs.mask(recipe)
    pixel_mask = None if mask is None else mask_tensor(mask)
    has_mask_input = model.image_channels > 0
    image_latents = None
    if recipe.strength is not None:
        is_pure_noise = mask is not None and init.image_latents == 0.0
        if not (has_mask_input and is_pure_noise):
            image_latents = sample(inputs.latent_dist(recipe))
    initial_noise = noise.mixed_noise(shape, model.noise_dtype).to(device)
    latents = initial_noise * init.noise
    if image_latents is not None:
        latents = image_latents * init.image_latents + latents
    kept_parts = None if mask is None else KeptParts(inputs.init_image(recipe), mask)
    if has_mask_input:
        small = _latent_mask(pixel_mask, model, shape)
        masked = sample(inputs.masked_latent_dist(recipe, pixel_mask))
        image_channels = torch.cat([small.to(masked), masked], dim=1)
        return Start(latents, image_latents, image_channels, kept_parts)
    if image_latents is None or pixel_mask is None:
        return Start(latents, image_latents)
    if inputs.latent_dist(recipe)[1] is not None:
        # The pipelines encode the masked image here, which only other denoisers need.
        noise.mixed_noise(shape, image_latents.dtype)
    small = _latent_mask(pixel_mask, model, shape)
    kept_latents = KeptLatents(small, image_latents.float(), initial_noise.float())
    return Start(latents, image_latents, None, kept_parts, kept_latents)


def _latent_mask(
    mask: torch.Tensor | None, model: DiffusionModel, shape: Sequence[int]
) -> torch.Tensor:
    """The mask at the size of latents of this shape, on the device; ones without a mask."""
    rows, columns = shape[2:]
    if mask is None:
        small = torch.ones(1, 1, rows, columns)
    else:
        small = latent_mask(mask, rows, columns, model.mask_interpolation)
    return small.to(model.device.torch_device)
