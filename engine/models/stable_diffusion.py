"""Stable Diffusion 1 and 2, loaded and run by diffusers' own parts."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import torch
from diffusers import StableDiffusionPipeline
from diffusers.image_processor import VaeImageProcessor
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from safetensors import SafetensorError
from transformers import CLIPTextModel

from engine.contract import SIZE_LARGEST, Model, Sampler, Shapes
from engine.exits import EngineError, ModelBroken, Unpaintable
from engine.hardware import Hardware, out_of_memory
from engine.models.files import STARTER, Files
from engine.safety import Checker
from engine.samplers import longest

FAMILIES: Final = ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline")
LARGEST_AT_LEAST: Final = 768 * 768
TEXTS: Final = 256
"""Prompts that are remembered as the model sees them."""
_DAMAGE: Final = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    SafetensorError,
)
"""What diffusers and transformers raise for files that are not what they should be."""


class StableDiffusion:
    """The parts of a StableDiffusionPipeline, each called with one picture or one batch of rows."""

    def __init__(self, pipeline: Any, card: Model, hardware: Hardware) -> None:  # noqa: ANN401
        self.card = card
        self.hardware = hardware
        self.scheduler_config: Mapping[str, object] = pipeline.scheduler.config
        self.pipeline = pipeline
        self._unet = pipeline.unet
        self._vae = pipeline.vae
        self._texts = lru_cache(TEXTS)(self._read)
        self._pixels: Any = VaeImageProcessor(vae_scale_factor=pipeline.vae_scale_factor)
        self._checker = Checker(pipeline.safety_checker, pipeline.feature_extractor, hardware)

    def latent_shape(self, width: int, height: int) -> tuple[int, int, int, int]:
        """The latents of one picture of this many pixels."""
        factor = self.pipeline.vae_scale_factor
        return 1, self._unet.config.in_channels, height // factor, width // factor

    def read(self, prompt: str) -> torch.Tensor:
        """The prompt as the model sees it: (1, tokens, channels). Long ones are cut off."""
        return self._texts(prompt)

    def _read(self, prompt: str) -> torch.Tensor:
        text: torch.Tensor = self.pipeline.encode_prompt(
            prompt, self.hardware.device, 1, do_classifier_free_guidance=False
        )[0]
        return text

    def encode(self, picture: Image.Image) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of a picture's latents, before `scale`."""
        pixels = self._pixels.preprocess(picture).to(self.hardware.device, self.hardware.dtype)
        latents = self._vae.encode(pixels).latent_dist
        return latents.mean, latents.std

    def scale(self, latents: torch.Tensor) -> torch.Tensor:
        """Encoded latents in the range that the model paints in."""
        return latents * float(self._vae.config.scaling_factor)

    def predict(
        self, latents: torch.Tensor, timesteps: torch.Tensor, text: torch.Tensor
    ) -> torch.Tensor:
        """One evaluation of all rows; each row has its own timestep and text."""
        predicted: torch.Tensor = self._unet(
            latents, timesteps, encoder_hidden_states=text, return_dict=False
        )[0]
        return predicted

    def decode(self, latents: torch.Tensor) -> Image.Image:
        """One picture. Raises Unpaintable if the numbers in it are no picture."""
        decoded = self._vae.decode(latents / self._vae.config.scaling_factor, return_dict=False)[0]
        if not torch.isfinite(decoded).all():
            raise Unpaintable("The model's numbers overflowed: try another seed, size or sampler.")
        picture: Image.Image = self._pixels.postprocess(decoded, output_type="pil")[0]
        if picture.getbbox() is None:
            raise Unpaintable("The picture came out all black: try another seed or prompt.")
        return picture

    def flagged(self, picture: Image.Image) -> bool:
        """Must this picture be withheld? True as well when that cannot be found out."""
        return self._checker.flagged(picture)


def load(files: Files, hardware: Hardware) -> StableDiffusion:
    """Raises ModelBroken or ModelUnchecked, in words for the model's operator."""
    files.require("unet", "vae", "text_encoder", "tokenizer", "scheduler")
    files.require_safety_checker()
    files.require_tokenizer()
    pipeline = _pipeline(files, hardware)
    unet, vae = pipeline.unet.config, pipeline.vae.config
    if unet.in_channels != vae.latent_channels or unet.time_cond_proj_dim is not None:
        raise ModelBroken(
            f"The model {files.name} is made for something else than painting from words "
            "(inpainting, or a distilled kind): the engine cannot use it."
        )
    native = unet.sample_size * pipeline.vae_scale_factor
    starter = files.name == STARTER
    card = Model(
        name=files.name,
        revision=files.revision,
        native=native,
        largest=max(4 * native * native, LARGEST_AT_LEAST),
        steps=20,
        guidance=5.0 if starter else 7.5,
        sampler=Sampler.DPMPP_2M,
        longest=longest(pipeline.scheduler.config),
        shapes=_shapes(hardware),
        fingerprint=hardware.fingerprint,
    )
    return StableDiffusion(pipeline, card, hardware)


def _shapes(hardware: Hardware) -> tuple[Shapes, ...]:
    """Batches pay while they are small beside the hardware: on an H100 Stable Diffusion 1.5 paints
    up to 12 times as much in batches at 256 x 256, 3 times at 512 x 512, 1.4 times at 768 x 768.

    On a GPU a batch of 8 small rows takes hardly longer than one of 2, so small pictures have one
    class only, and all share all batches.
    """
    small = (8,) if hardware.device.type == "cuda" else (2, 8)
    return (
        Shapes(pixels=256 * 256, classes=small, loaded=(2, 8, 16)),
        Shapes(pixels=512 * 512, classes=(2, 8), loaded=(2, 8, 16)),
        Shapes(pixels=768 * 768, classes=(2, 4), loaded=(2, 4)),
        Shapes(pixels=SIZE_LARGEST * SIZE_LARGEST, classes=(2,), loaded=(2,)),
    )


def _pipeline(files: Files, hardware: Hardware) -> Any:  # noqa: ANN401 - diffusers has no types
    try:
        pipeline = StableDiffusionPipeline.from_pretrained(
            files.folder,
            text_encoder=_whole(CLIPTextModel, files, "text_encoder", hardware),
            safety_checker=_whole(StableDiffusionSafetyChecker, files, "safety_checker", hardware),
            dtype=hardware.dtype,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=True,
        ).to(hardware.device)
    except _DAMAGE as error:
        if out_of_memory(error):
            raise EngineError(f"There is too little memory for the model {files.name}.") from error
        said = str(error).strip() or type(error).__name__
        raise _broken(files, said.splitlines()[0][:200]) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _whole(kind: Any, files: Files, component: str, hardware: Hardware) -> Any:  # noqa: ANN401
    """A component of transformers, which would fill gaps in its weights with random numbers."""
    part, found = kind.from_pretrained(
        files.folder / component,
        dtype=hardware.dtype,
        use_safetensors=True,
        local_files_only=True,
        output_loading_info=True,
    )
    gaps = [*found["missing_keys"], *found["mismatched_keys"]]
    if gaps:
        raise _broken(files, f"the {component} has {len(gaps)} gaps in its weights")
    return part.eval()


def _broken(files: Files, why: str) -> ModelBroken:
    return ModelBroken(
        f"The model {files.name} cannot be loaded, its files are damaged or half downloaded: {why}"
    )
