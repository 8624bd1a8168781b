"""The denoising loop: the state of an image between two evaluations, and one forward pass."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate

import msgspec
import torch
from PIL import Image

from engine.contract import Backend, Phase, Recipe, row_class_for
from engine.device import Device
from engine.models.base import Conditioning, DiffusionModel
from engine.pipeline.coefficients import (
    GUIDANCE,
    IMAGE_GUIDANCE,
    INPUT_SCALE,
    TIMESTEP,
    WEIGHTS,
    X0_FROM_OUTPUT,
    X0_FROM_SAMPLE,
    coefficients_of,
)
from engine.pipeline.sources import EDIT_ROWS, InputImages, begin
from engine.pipeline.timeline import LatentWeights, timeline_for
from engine.samplers import CLEAN, REGISTERS, TERMS, Step, noise_dtype
from engine.steering.rows import SteeredRows


class DenoisingState:
    """The state of one image between two evaluations.

    Raises InvalidJob if the sampler cannot take the recipe's number of steps.
    """

    def __init__(self, recipe: Recipe, inputs: InputImages) -> None:
        model = inputs.model
        self.text_chunks = model.text_chunks(recipe)
        """Chunks of all its prompts, so that changes of the prompt keep the shape of its batches.
        """
        if recipe.backend not in model.card.backends:
            recipe = msgspec.structs.replace(recipe, backend=Backend.TORCH)
        self.is_unbatchable = not model.is_batch_invariant(
            recipe.width, recipe.height, recipe.row_class, self.text_chunks, recipe.backend
        )
        """Whether it must not share a batch, because its slot there would change its bits."""
        if self.is_unbatchable:
            recipe = msgspec.structs.replace(recipe, row_class=row_class_for(recipe.rows))
        self.recipe = recipe
        self.rows = recipe.rows
        """Its rows in each forward pass."""
        self.model = model
        self.inputs = inputs
        self.timeline = timeline_for(recipe, model.scheduler_config)
        self.phase = self.timeline.phase
        """The settings of the next evaluation."""
        self.step_index = 0
        """Number of completed evaluations."""
        coefficients = coefficients_of(self.timeline)
        self._is_guided: list[bool] = (coefficients[:, GUIDANCE] > 1.0).flatten().tolist()
        self._coefficients = model.device.to_device(coefficients)
        self._conditionings = _encode_prompts(recipe, inputs, self.text_chunks)
        self.steering = model.steering_for(recipe, inputs.images) if recipe.is_steered else None
        """What steers it besides prompts and init image; None for nothing."""
        self._dtype = model.noise_dtype
        self._noise = inputs.noise(recipe)
        self._step_noise: torch.Tensor | None = None
        shape = model.latent_shape(recipe.width, recipe.height)
        self.registers = torch.zeros(REGISTERS, *shape[1:], device=model.device.torch_device)
        """(REGISTERS, channels, height / 8, width / 8), float32; register 0 is the latents."""
        self._start = begin(recipe, inputs, self._noise, self.timeline)
        self._conditionings = {
            key: self._start.conditioning(model, conditioning)
            for key, conditioning in self._conditionings.items()
        }
        self.registers[0] = self._start.latents
        self.pred_original_sample = self.latents
        """(1, channels, height / 8, width / 8): the latest prediction of the final latents (x0)."""

    @property
    def conditioning(self) -> Conditioning:
        """Of the next evaluation: with classifier-free guidance at any step 2 rows, unconditional
        and conditional; of an edit 3 rows, the second with the image alone; else 1 row."""
        return self._conditionings[_conditioning_key(self.phase)]

    @property
    def coefficients(self) -> torch.Tensor:
        """The scalars of the next evaluation, (scalars, 1, 1, 1), float32."""
        return self._coefficients[self.step_index]

    @property
    def is_guided(self) -> bool:
        """Whether the next evaluation has classifier-free guidance."""
        return self._is_guided[self.step_index]

    @property
    def latents(self) -> torch.Tensor:
        """(1, channels, height / 8, width / 8), float32."""
        return self.registers[:1]

    @property
    def evaluations(self) -> int:
        """Number of function evaluations (NFE); second-order samplers need about two per step."""
        return len(self.timeline.steps)

    @property
    def completed_steps(self) -> int:
        """Number of completed sampler steps; some steps have two evaluations."""
        return bisect_right(self.timeline.step_ends, self.step_index)

    @property
    def is_finished(self) -> bool:
        """Whether all evaluations are done."""
        return self.step_index == self.evaluations

    @property
    def step(self) -> Step:
        """The next step of the timeline."""
        return self.timeline.steps[self.step_index]

    def step_noise(self) -> torch.Tensor:
        """The noise of the next step, (channels, height / 8, width / 8), float32.

        It comes from the image's generator; repeated calls before `advance` return the same tensor.
        """
        if self._step_noise is None:
            dtype = noise_dtype(self.phase.sampler, self._dtype)
            noise = self._noise.seed_noise(self.latents.shape, dtype)[0]
            self._step_noise = self.model.device.to_device(noise.float())
        return self._step_noise

    def advance(self, registers: torch.Tensor, pred_original_sample: torch.Tensor) -> None:
        """Store the result of an evaluation and go to the next one, with the changes before it."""
        self.registers, self.pred_original_sample = registers, pred_original_sample
        init_latents = self._start.kept_latents
        if init_latents is not None:
            self.registers[:1] = init_latents.blend(
                self.latents, self.timeline.levels[self.step_index]
            )
            self.pred_original_sample = init_latents.blend(pred_original_sample, CLEAN)
        self._step_noise = None
        self.step_index += 1
        transition = self.timeline.transitions.get(self.step_index)
        if transition is not None:
            self.phase = transition.phase
            if transition.latents is not None:
                self._start_sampler(transition.latents)

    def finished(self, picture: Image.Image) -> Image.Image:
        """A decoded picture of it, with the parts of the init image that are kept."""
        parts = self._start.kept_parts
        return picture if parts is None else parts.composite(picture)

    def _start_sampler(self, weights: LatentWeights) -> None:
        """Mix image and noise anew, without the history of the sampler before."""
        latents = (
            weights.latents * self.latents
            + weights.pred_original_sample * self.pred_original_sample
        )
        self.registers = torch.zeros_like(self.registers)
        self.registers[:1] = latents


_ConditioningKey = tuple[str, str, float]


def _conditioning_key(phase: Phase) -> _ConditioningKey:
    """What the conditioning depends on: the guidance only if it is an input of the denoiser."""
    return phase.prompt, phase.negative, phase.guidance if phase.guidance_embedding else 0.0


def _encode_prompts(
    recipe: Recipe, inputs: InputImages, text_chunks: int
) -> Mapping[_ConditioningKey, Conditioning]:
    """The conditioning of all phases of the recipe."""
    model = inputs.model
    plain = msgspec.structs.replace(recipe, changes=())
    conditionings: dict[_ConditioningKey, Conditioning] = {}
    for phase in recipe.phases:
        key = _conditioning_key(phase)
        if key not in conditionings:
            guidance = 2.0 if recipe.uses_cfg else 1.0  # decides the number of rows
            conditionings[key] = model.encode_prompt(
                msgspec.structs.replace(
                    plain,
                    prompt=phase.prompt,
                    negative=phase.negative,
                    guidance=phase.guidance if recipe.guidance_embedding else guidance,
                ),
                text_chunks,
            )
            if recipe.references:
                conditionings[key] = model.with_references(
                    conditionings[key], recipe, inputs.images
                )
    return conditionings


ModelCall = Callable[[Callable[[], torch.Tensor]], torch.Tensor]
"""Calls a function that runs the model, and returns its result; it may measure the call."""


def call(run: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Just call the function."""
    return run()


@torch.inference_mode()
def forward_batch(
    states: Sequence[DenoisingState], rows: int, call_model: ModelCall = call
) -> None:
    """Advance these images, all of one model and size, by one forward pass of so many rows.

    The size of a batch may change the bits of its rows; the other rows and the order of the rows do
    not. So a batch is padded to the images' row class by repeating rows, or to another one that
    gives the same bits. All other arithmetic is elementwise, so NaN in one image does not affect
    the others.
    """
    model = states[0].model
    batch = _PaddedBatch(states, rows, model.device)
    coefficients = torch.stack([state.coefficients for state in states], dim=1)
    registers = torch.stack([state.registers for state in states], dim=1)
    latent_model_input = registers[0] * coefficients[INPUT_SCALE]
    rows_input = latent_model_input.index_select(0, batch.row_to_image).to(model.device.dtype)
    timesteps = coefficients[TIMESTEP].flatten().index_select(0, batch.row_to_image)
    noise_pred = call_model(lambda: _predict(model, rows_input, timesteps, batch)).float()
    model_output = _guided(noise_pred, batch, coefficients, states)
    terms = [*registers.unbind(), model_output]
    if any(state.step.needs_noise for state in states):
        terms.append(torch.stack([_noise(state) for state in states]))
    new_registers = torch.zeros_like(registers)
    # Terms without weight are left out: a product of 0 changes no bit of a sum that begins with 0.
    for term in sorted({term for state in states for term in state.step.terms}):
        new_registers += coefficients[WEIGHTS + term :: TERMS] * terms[term]
    pred_original_sample = (
        coefficients[X0_FROM_SAMPLE] * latent_model_input
        + coefficients[X0_FROM_OUTPUT] * model_output
    )
    for index, state in enumerate(states):
        state.advance(new_registers[:, index], pred_original_sample[index : index + 1])


def _predict(
    model: DiffusionModel, latents: torch.Tensor, timesteps: torch.Tensor, batch: "_PaddedBatch"
) -> torch.Tensor:
    if batch.steered:
        return model.predict_steered(latents, timesteps, batch.conditioning, batch.steered)
    return model.predict(latents, timesteps, batch.conditioning, batch.backend)


def _guided(
    noise_pred: torch.Tensor,
    batch: "_PaddedBatch",
    coefficients: torch.Tensor,
    states: Sequence[DenoisingState],
) -> torch.Tensor:
    """The model output with classifier-free guidance (Ho and Salimans 2022,
    https://arxiv.org/abs/2207.12598), (images, channels, height / 8, width / 8). Of edits, that of
    InstructPix2Pix (https://arxiv.org/abs/2211.09800), section 3.2.1."""
    guidance = coefficients[GUIDANCE]
    noise_pred_text = noise_pred.index_select(0, batch.cond_rows)
    noise_pred_uncond = noise_pred.index_select(0, batch.uncond_rows)
    if any(state.rows == EDIT_ROWS for state in states):  # then all images are edits
        noise_pred_image = noise_pred.index_select(0, batch.image_rows)
        guided = (
            noise_pred_uncond
            + guidance * (noise_pred_text - noise_pred_image)
            + coefficients[IMAGE_GUIDANCE] * (noise_pred_image - noise_pred_uncond)
        )
    else:
        guided = noise_pred_uncond + guidance * (noise_pred_text - noise_pred_uncond)
    if all(state.is_guided for state in states):
        return guided
    return torch.where(guidance > 1.0, guided, noise_pred_text)


def _noise(state: DenoisingState) -> torch.Tensor:
    """The noise of the next step, (channels, height / 8, width / 8); zero if it needs none."""
    return state.step_noise() if state.step.needs_noise else torch.zeros_like(state.registers[0])


class _PaddedBatch:
    """The rows of a batch: their conditioning, and the index of the image of each row."""

    def __init__(self, states: Sequence[DenoisingState], rows: int, device: Device) -> None:
        counts = tuple(state.rows for state in states)
        padding = rows - sum(counts)
        indices = _row_indices(counts, padding, device)
        self.row_to_image, self.cond_rows, self.uncond_rows, self.image_rows = indices
        self.backend = states[0].recipe.backend
        self.steered = tuple(_steered_rows(states, counts))
        inputs = [state.conditioning for state in states]
        self.conditioning = inputs[0]
        if len(inputs) + padding > 1:
            self.conditioning = {
                name: torch.cat(
                    [*(each[name] for each in inputs), *[inputs[0][name][:1]] * padding]
                )
                for name in inputs[0]
            }


def _steered_rows(states: Sequence[DenoisingState], counts: Sequence[int]) -> Iterator[SteeredRows]:
    """The rows of the steered images in their batch."""
    for state, count, end in zip(states, counts, accumulate(counts), strict=True):
        if state.steering is not None:
            rows = slice(end - count, end)
            yield SteeredRows(rows, state.steering, state.step_index, state.evaluations)


@lru_cache(maxsize=256)
def _row_indices(counts: tuple[int, ...], padding: int, device: Device) -> tuple[torch.Tensor, ...]:
    """For images with these numbers of rows: the index of the image of each row, and the indices of
    the conditional row of each image, of the unconditional one, and of that with the image alone,
    if it has one."""
    ends = list(accumulate(counts))
    images = [index for index, count in enumerate(counts) for _ in range(count)]
    cond_rows = [end - 1 for end in ends]
    uncond_rows = [end - count for end, count in zip(ends, counts, strict=True)]
    image_rows = [max(end - 2, row) for end, row in zip(ends, uncond_rows, strict=True)]
    indices = torch.tensor([*images, *[0] * padding, *cond_rows, *uncond_rows, *image_rows])
    sizes = [len(images) + padding, *[len(ends)] * 3]
    split: tuple[torch.Tensor, ...] = device.to_device(indices).split(sizes)
    return split
